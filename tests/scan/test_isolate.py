"""Isolation: whatever a file does to the process that decodes it, it costs that file's verdict only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cinemae.detector import Detector
from cinemae.scan.config import ScanError
from cinemae.scan.isolate import IsolatedScorer, _Run, _Work
from cinemae.scan.items import Item
from cinemae.scan.messages import Setup
from cinemae.scan.rows import Row, row_of
from cinemae.settings import DetectorSettings
from processes import environment

POISONED = (sys.executable, str(Path(__file__).parent / "poisoned.py"))
MOVES = {"seconds", "attempts"}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, folder_of: Any) -> list[Path]:
    return sorted(folder_of(tmp_path_factory.mktemp("good"), 30).rglob("*.*g"))


@pytest.fixture(scope="module")
def detector(quick: DetectorSettings) -> Detector:
    return quick.load()


def poison(place: Path, good: Path, *words: str) -> Path:
    """A sound JPEG, with words at its end that the poisoned decoder understands."""
    place.write_bytes(good.read_bytes() + "".join(f"{word}\n" for word in words).encode())
    return place


def item(path: Path) -> Item:
    return Item(id=path.name, kind="file", place=str(path), size=path.stat().st_size)


def scorer_of(
    settings: DetectorSettings, *, timeout: float = 60.0, jobs: int = 2, command: tuple[str, ...] = POISONED
) -> IsolatedScorer:
    settings = settings.model_copy(update={"jobs": jobs})
    return IsolatedScorer(Setup(settings=settings, source="", timeout=timeout), command=command)


def rows_of(scorer: IsolatedScorer, paths: Iterable[Path]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for name, row in scorer.score((path.name, item(path)) for path in paths):
        assert name not in found
        assert row["id"] == name
        found[name] = row
    return found


def still(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in MOVES}


def expected(detector: Detector, paths: Iterable[Path]) -> dict[str, Row]:
    return {path.name: still(row_of(detector.detect_one(path, name=path.name), attempts=1)) for path in paths}


def test_rows_are_those_of_the_detector(quick, detector, good):
    with scorer_of(quick) as scorer:
        rows = rows_of(scorer, good)
    assert {name: still(row) for name, row in rows.items()} == expected(detector, good)
    assert {row["attempts"] for row in rows.values()} == {1}
    assert len({row["probability"] for row in rows.values()}) == len(good)


def test_what_ends_the_process_is_recorded_and_the_others_go_on(quick, detector, good, tmp_path):
    bad = {word: poison(tmp_path / f"{word}.jpg", good[1], word) for word in ("segfault", "outofmemory", "bug")}
    paths = [*good[:9], bad["segfault"], *good[9:18], bad["outofmemory"], *good[18:24], bad["bug"], *good[24:]]
    with scorer_of(quick) as scorer:
        rows = rows_of(scorer, paths)
    assert len(rows) == len(paths)
    assert {name: still(rows[name]) for name in (path.name for path in good)} == expected(detector, good)
    assert max(row["attempts"] for row in rows.values()) == 2
    for word, how in (("segfault", "SIGSEGV"), ("outofmemory", "SIGKILL"), ("bug", "a bug that nobody foresaw")):
        row = rows[bad[word].name]
        assert (row["error_type"], row["attempts"], row["verdict"]) == ("CrashedError", 2, None)
        assert row["error_message"].startswith(f"{word}.jpg: ")
        assert how in row["error_message"]


def test_what_hangs_is_timed_out_and_the_others_go_on(quick, detector, good, tmp_path):
    bad = [poison(tmp_path / f"{word}.jpg", good[1], word) for word in ("hang", "hold")]
    with scorer_of(quick, timeout=4.0) as scorer:
        begun = time.monotonic()
        rows = rows_of(scorer, [*good[:5], *bad, *good[5:]])
        took = time.monotonic() - begun
    assert {name: still(rows[name]) for name in (path.name for path in good)} == expected(detector, good)
    for path in bad:
        row = rows[path.name]
        assert (row["error_type"], row["attempts"]) == ("TimeoutError", 2)
        assert row["error_message"] == f"{path.name}: not decoded and scored in 4 s, in two tries"
    # Two tries of two files, if they did not hang together the first time; and five processes started.
    assert took > 12


def test_what_can_t_be_read_in_time_is_said_so_and_nothing_else_is_blamed(quick, detector, good, tmp_path):
    """A server that takes the request and never answers, with images in the decoder meanwhile."""
    slow = [poison(tmp_path / f"{n}.jpg", good[n], "slow") for n in range(12)]
    with socket.create_server(("127.0.0.1", 0)) as silent, scorer_of(quick, timeout=4.0) as scorer:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/drip.jpg"
        work = [
            ("drip.jpg", Item(id="drip.jpg", kind="file", place=place)),
            *((path.name, item(path)) for path in slow),
        ]
        rows = dict(scorer.score(work))
    assert len(rows) == len(work)
    row = rows.pop("drip.jpg")
    assert (row["error_type"], row["attempts"]) == ("TimeoutError", 2)
    assert row["error_message"] == "drip.jpg: not read in 4 s, in two tries"
    assert {name: still(row) for name, row in rows.items()} == expected(detector, slow)


def test_only_what_is_overdue_is_suspected(quick):
    """An input that is decoded in time is not blamed for one that is read for too long, nor the other way round."""

    def run_of(*works: _Work[str]) -> _Run[str]:
        run = _Run(scorer_of(quick), iter(()))
        run.sent = dict(enumerate(works))
        return run

    def work(name: str, *, begun: bool, until: float | None) -> _Work[str]:
        return _Work(name, Item(id=name, kind="file", place=name), begun=begun, until=until)

    past, future = time.monotonic() - 1, time.monotonic() + 1e6
    decoding, reading = work("decoding", begun=True, until=future), work("reading", begun=False, until=past)
    waiting = work("waiting", begun=False, until=None)
    assert run_of(decoding, reading, waiting)._suspected(late=True) == [reading]
    stuck = work("stuck", begun=True, until=past)
    assert run_of(stuck, work("reading", begun=False, until=future), waiting)._suspected(late=True) == [stuck]
    assert run_of(decoding, stuck)._suspected(late=True) == [decoding, stuck]
    assert run_of(decoding, reading, waiting)._suspected(late=False) == [decoding]
    assert run_of(reading, waiting)._suspected(late=False) == [reading]


def test_what_is_no_file_is_refused_at_once(quick, detector, good, tmp_path):
    """A pipe that nobody writes to, and a device without an end: neither is opened."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    names = ("pipe.jpg", "zero.jpg", "nowhere.jpg", "loop.jpg")
    with scorer_of(quick) as scorer:
        work = [(name, Item(id=name, kind="file", place=str(tmp_path / name))) for name in names]
        rows = dict(scorer.score([*work, (good[0].name, item(good[0]))]))
    assert still(rows[good[0].name]) == expected(detector, good[:1])[good[0].name]
    assert {rows[name]["attempts"] for name in names} == {1}
    said = {name: rows[name]["error_message"] for name in names}
    assert said["pipe.jpg"] == "pipe.jpg: a named pipe, not a file"
    assert said["zero.jpg"] == "zero.jpg: a device, not a file"
    assert said["nowhere.jpg"] == "nowhere.jpg: a link that leads nowhere"
    assert "symbolic links" in said["loop.jpg"]


def test_what_fails_once_is_scored_in_its_second_try(quick, detector, good, tmp_path):
    bad = [poison(tmp_path / "once.jpg", good[1], f"once:{tmp_path / 'marker'}", "segfault")]
    with scorer_of(quick) as scorer:
        first = scorer.facts() and scorer.pid
        rows = rows_of(scorer, [*bad, *good])
        assert scorer.pid != first
    assert rows["once.jpg"]["attempts"] == 2
    assert {name: still(row) for name, row in rows.items()} == expected(detector, [*bad, *good])


def test_a_child_that_is_killed_from_outside_loses_nothing(quick, detector, good):
    with scorer_of(quick) as scorer:
        rows: dict[str, Row] = {}
        for name, row in scorer.score((path.name, item(path)) for path in good):
            rows[name] = row
            if len(rows) in (4, 20):
                assert scorer.pid is not None
                os.kill(scorer.pid, signal.SIGKILL)
    assert {name: still(row) for name, row in rows.items()} == expected(detector, good)
    assert max(row["attempts"] for row in rows.values()) <= 2


def test_a_library_that_prints_disturbs_nothing(quick, detector, good, tmp_path):
    loud = [poison(tmp_path / f"{n}.jpg", path, "chatter") for n, path in enumerate(good[1:9:2])]
    with scorer_of(quick) as scorer:
        rows = rows_of(scorer, loud)
    assert {name: still(row) for name, row in rows.items()} == expected(detector, loud)
    assert {row["attempts"] for row in rows.values()} == {1}


def test_a_model_that_does_not_load_is_an_error_of_the_scan(quick, good, tmp_path):
    with (
        scorer_of(DetectorSettings(model=str(tmp_path))) as scorer,
        pytest.raises(ScanError, match=r"not a cinemae head: config\.json is missing"),
    ):
        rows_of(scorer, good)


def test_a_worker_that_ends_at_once_is_not_started_for_ever(quick, good):
    command = (sys.executable, "-c", "import sys; sys.exit('no such library')")
    with (
        scorer_of(quick, command=command) as scorer,
        pytest.raises(ScanError, match=r"3 worker processes in a row .* \(exit status 1: no such library\)"),
    ):
        rows_of(scorer, good)


def test_who_stops_early_leaves_no_process_and_may_go_on(quick, detector, good):
    with scorer_of(quick) as scorer:
        some = scorer.score((path.name, item(path)) for path in good)
        next(some)
        pid = scorer.pid
        some.close()
        assert scorer.pid is None
        assert not Path(f"/proc/{pid}").exists()
        assert len(rows_of(scorer, good[:3])) == 3


def test_stopped_from_another_thread(quick, good, tmp_path):
    slow = [poison(tmp_path / f"{n}.jpg", good[1], "slow") for n in range(8)]
    with scorer_of(quick) as scorer:
        some = scorer.score((path.name, item(path)) for path in slow)
        next(some)
        scorer.stop()
        with pytest.raises(ScanError, match="stopped"):
            list(some)


@pytest.mark.parametrize("word", ["slow", "hold"])
def test_the_child_never_outlives_its_driver(quick, good, tmp_path, word):
    """Even if the decoder holds the interpreter's lock when the driver is killed."""
    bad = poison(tmp_path / "bad.jpg", good[1], word)
    code = (
        "import sys, threading, time\n"
        "from cinemae.scan.isolate import IsolatedScorer\nfrom cinemae.scan.items import Item\n"
        "from cinemae.scan.messages import Setup\n"
        "scorer = IsolatedScorer(Setup.model_validate_json(sys.argv[1]), command=sys.argv[3:])\n"
        "scorer.facts()\nprint(scorer.pid, flush=True)\n"
        "items = [(n, Item(id=str(n), kind='file', place=sys.argv[2])) for n in range(99)]\n"
        "list(scorer.score(items))\n"
    )
    setup = Setup(settings=quick.model_copy(update={"jobs": 1}), source="", timeout=4.0).model_dump_json()
    command = [sys.executable, "-c", code, setup, str(bad), *POISONED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as driver:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        time.sleep(0.5)
        assert Path(f"/proc/{pid}").exists()
        driver.kill()
    until = time.monotonic() + 300
    while (place := Path(f"/proc/{pid}/stat")).exists() and " Z " not in place.read_text():
        assert time.monotonic() < until, "the child is still there"
        time.sleep(0.05)
