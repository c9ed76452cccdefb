"""Tables in Markdown: the figures, their order, and nothing where there is nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cinemae.metrics import EvaluationTable, Figure, Scored, evaluate_scores
from cinemae.metrics.tables import markdown_figure, markdown_line


@pytest.fixture(scope="module")
def table() -> EvaluationTable:
    rng = np.random.default_rng(0)
    labels = np.append(np.tile([1, 0], 60), 1)
    p = np.append(rng.beta(2 + labels[:120], 3), 0.9)
    names, sources = ["g"] * 120 + ["solo"], [str(i) for i in range(121)]
    families = {"one|two": ["g", "solo"], "gone": ["zz"]}
    return evaluate_scores(
        Scored(p, labels, names, sources), 0.5, band=(0.4, 0.6), alpha=0.05, families=families, resamples=50
    )


def test_the_main_table(table: EvaluationTable) -> None:
    lines = table.to_markdown().splitlines()
    head = "| generator | ai | real | accuracy | on ai | on real | balanced [95 %] | ROC-AUC [95 %] | AP |"
    assert lines[:2] == [head, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    row = table.row("g")
    stored, area = row.points["stored"], row.ranking.roc_auc
    shares = [100 * f.value for f in (stored.accuracy, stored.accuracy_ai, stored.accuracy_real)]
    assert lines[2].startswith("| g | 60 | 60 | {:.1f} | {:.1f} | {:.1f} | ".format(*shares))
    assert f"| {area.value:.3f} [{area.interval[0]:.3f}, {area.interval[1]:.3f}] | " in lines[2]
    assert lines[3] == "| solo | 1 | 0 | 100.0 | 100.0 | - | - | - | - |"
    assert lines[4].startswith("| **mean of one\\|two** (1 of 2) |  |  | ")
    assert lines[5] == "| **mean of gone** (0 of 1) |  |  | - | - | - | - | - | - |"
    assert len(lines) == 6


def test_the_details(table: EvaluationTable) -> None:
    text = table.details_markdown()
    headings = re.findall(r"^#### (.+)$", text, re.MULTILINE)
    assert headings == ["Operating points", "Few false alarms and calibration", "Abstention"]
    assert "chosen on the 60 real images of the evaluated images" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("| generator")]
    assert [len(block) for block in tables] == [2 + 4, 2 + 2, 2 + 2]
    for block in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block}) == 1
    row = table.row("g")
    point = row.points["far_5"]
    cell = f"| {100 * point.accuracy.value:.1f} ({100 * point.accuracy_ai.value:.1f} / "
    assert cell in tables[0][2]
    assert f"| {row.calibration.brier.value:.3f} | {row.calibration.nll.value:.3f} |" in tables[1][2]
    assert tables[2][2].startswith(f"| g | {100 * row.selective.coverage.value:.1f} [")
    assert "Band 0.400 to 0.600, made for at most 5 % missed" in text
    missed = row.selective.miscoverage_real
    low, high = (100 * end for end in missed.interval)
    assert f"| {100 * missed.value:.1f} [{low:.1f}, {high:.1f}] | 0.0 | " in tables[2][2]


def test_figures() -> None:
    figure = Figure(value=0.1234, interval=(0.1, 0.25))
    assert markdown_figure(figure) == "0.123"
    assert markdown_figure(figure, interval=True) == "0.123 [0.100, 0.250]"
    assert markdown_figure(figure, percent=True, interval=True, signed=True) == "+12.3 [+10.0, +25.0]"
    assert markdown_figure(Figure(value=0.5), interval=True) == "0.500"
    assert markdown_figure(None, percent=True) == "-"
    assert markdown_line(["a|b", "c"]) == "| a\\|b | c |"
