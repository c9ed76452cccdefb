"""Lines for a log: how far, how fast, how long."""

from __future__ import annotations

import re

import pytest

from cinemae.scan.progress import Lines, duration, shown


def test_lines_say_rate_and_remaining_time(capsys):
    lines = Lines(every=0.0)
    lines.listed(100)
    lines.scoring(1000, 400)
    lines.scored(50)
    lines.scored(550)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "cinemae: listed 100 inputs"
    assert said[1] == "cinemae: 1,000 inputs, 400 of them finished before"
    assert re.fullmatch(r"cinemae: 450 of 1,000, [\d.]+ images/s, .+ to go", said[2])
    assert re.fullmatch(r"cinemae: 1,000 of 1,000, [\d.]+ images/s, 0 s to go", said[3])


def test_lines_come_now_and_then_and_at_the_end(capsys):
    lines = Lines(every=3600.0)
    lines.scoring(5000, 0)
    for _ in range(5000):
        lines.scored(1)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_without_a_terminal_it_is_lines():
    with shown() as progress:
        assert isinstance(progress, Lines)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99, "99 s"), (150, "2 min"), (5400, "90 min"), (7500, "2 h 05 min"), (273_600, "3 d 4 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
