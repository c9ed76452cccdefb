"""Whole scans: killed anywhere and run again, the table has every input once, with the detector's own verdicts."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from cinemae.detector import Detector
from cinemae.scan.config import ScanError, ScanOptions, source_name
from cinemae.scan.folder import ScanFolder
from cinemae.scan.rows import Row, row_of
from cinemae.scan.run import scan
from cinemae.settings import DetectorSettings
from processes import start

MOVES = {"seconds", "attempts"}
INPUTS, DISTINCT = 5000, 1250
DRIVER_KILLS = 6
EARLY = ("scan.json", "plan/complete.json")  # there before the source is listed, and before anything is scored


def options_of(source: Path, settings: DetectorSettings, **changes: Any) -> ScanOptions:
    return ScanOptions(source=source_name(str(source)), settings=settings, part_size=20).model_copy(update=changes)


def table(out: Path) -> list[Row]:
    return pyarrow.dataset.dataset(out / "parts").to_table().to_pylist()


def still(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in MOVES} for row in rows]


def by_id(rows: list[Row]) -> dict[str, Row]:
    named = {row["id"]: row for row in still(rows)}
    assert len(named) == len(rows)
    return named


def expected(detector: Detector, source: Path, ids: list[str]) -> dict[str, Row]:
    """What the detector says of each file, equal bytes looked at once."""
    known: dict[bytes, Any] = {}
    for name in ids:
        data = (source / name).read_bytes()
        if data not in known:
            known[data] = detector.score(data, name="x").verdict
    rows = {}
    for name in ids:
        verdict = known[(source / name).read_bytes()]
        rows[name] = row_of(verdict.model_copy(update={"path": name}), attempts=1)
    return by_id([plain(row) for row in rows.values()])


def plain(value: Any) -> Any:
    """The same with lists for tuples, as a table gives it back."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def children(pid: int) -> list[int]:
    """Processes that this one has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(place.read_text().rpartition(") ")[2].split()[1]) == pid:
                found.append(int(place.parent.name))
    return found


def finished(out: Path) -> int:
    """How many parts are there."""
    return len(list(out.glob("parts/*.parquet")))


def await_parts(out: Path, count: int, driver: subprocess.Popen[str]) -> None:
    """Wait until so many parts are there, of the 50 that the scan has."""
    while finished(out) < count:
        assert driver.poll() is None, "the scan has ended"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, folder_of: Any) -> Path:
    """5,000 files; every picture under four names."""
    return folder_of(tmp_path_factory.mktemp("many"), INPUTS, distinct=DISTINCT)


@pytest.fixture(scope="module")
def undisturbed(quick: DetectorSettings, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of a scan that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    totals = scan(str(pictures), str(out), options_of(pictures, quick), jobs=2)
    assert totals.model_dump() == {"parts": 5, "items": 93, "refused": 3, "copies": 0, "retried": 0}
    return out


def test_the_table_says_what_the_detector_says(quick, pictures, undisturbed):
    rows = by_id(table(undisturbed))
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.*g"))
    assert sorted(rows) == names
    refused = {"00/cut.png": "TruncatedImageError", "00/text.jpg": "UnsupportedFormatError", "empty.png": "Unreadable"}
    for name, error in refused.items():
        row = rows.pop(name)
        assert row["error_type"].startswith(error)
        assert row["error_message"].startswith(f"{name}: ")
        assert row["verdict"] is None
        assert len(row["sha256"]) == 64
    assert rows == expected(quick.load(), pictures, sorted(rows))


@pytest.mark.parametrize(("workers", "jobs"), [(3, 1), (1, 3)])
def test_workers_change_nothing(quick, pictures, undisturbed, tmp_path, workers, jobs):
    scan(str(pictures), str(tmp_path / "out"), options_of(pictures, quick), workers=workers, jobs=jobs)
    assert still(table(tmp_path / "out")) == still(table(undisturbed))


def test_killed_again_and_again_the_table_has_every_input_once(quick, many, tmp_path):
    """SIGKILL of the driver at random moments, and of one of its children in each of its lives.

    The moments are told by how far the scan has come, never by a clock: a busy machine changes nothing.
    """
    seed = random.randrange(1 << 30)
    print(f"moments of seed {seed}")
    rng = random.Random(seed)
    out = tmp_path / "out"
    command = ("scan", many, "--out", out, "--model", quick.model, "--precision", "f32", "--device", "cpu")
    kills = child_kills = 0
    while True:
        driver = start(*command, "--part-size", 100, "--workers", 2, "--jobs", 1, stderr=subprocess.DEVNULL)
        with driver:
            if kills == DRIVER_KILLS:
                assert driver.wait(timeout=600) == 0
                break
            if kills < len(EARLY):
                while not (out / EARLY[kills]).exists():
                    assert driver.poll() is None, "the scan has ended"
                    time.sleep(0.01)
            else:
                more = finished(out) + rng.randrange(1, 4)
                await_parts(out, more, driver)
                os.kill(rng.choice(children(driver.pid)), signal.SIGKILL)
                child_kills += 1
                if rng.random() < 0.5:
                    await_parts(out, more + 1, driver)
            driver.kill()
            kills += 1
    rows = table(out)
    ids = [path.relative_to(many).as_posix() for path in many.rglob("*.*g")]
    missing, double = set(ids) - {row["id"] for row in rows}, len(rows) - len({row["id"] for row in rows})
    print(f"{len(ids)} inputs, {kills} + {child_kills} kills, {len(rows)} rows, {len(missing)} missing, {double} twice")
    assert (len(ids), len(rows), missing, double) == (INPUTS, INPUTS, set(), 0)
    assert child_kills == DRIVER_KILLS - len(EARLY)
    assert by_id(rows) == expected(quick.load(), many, ids)
    assert sorted(row["attempts"] for row in rows)[-1] <= 2


def test_what_is_finished_is_not_done_again(quick, pictures, undisturbed):
    before = {path: path.stat().st_mtime_ns for path in (undisturbed / "parts").iterdir()}
    (undisturbed / "parts" / "part-000002.parquet").unlink()
    wanted = still(table(undisturbed))
    assert len(wanted) == 73
    totals = scan(str(pictures), str(undisturbed), options_of(pictures, quick), jobs=2)
    assert (totals.parts, totals.items) == (5, 93)
    changed = {path.name for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert changed == {"part-000002.parquet"}


def test_other_settings_are_refused_by_name(quick, pictures, undisturbed):
    other = options_of(pictures, quick, seed=7, limit=3)
    with pytest.raises(ScanError, match=r"other settings: seed was 0, is 7; limit was None, is 3\. Go on with"):
        scan(str(pictures), str(undisturbed), other, jobs=2)


def test_another_model_under_the_same_name_is_refused(quick, pictures, tmp_path):
    out, options = tmp_path / "out", options_of(pictures, quick, limit=5)
    scan(str(pictures), str(out), options, jobs=2)
    config = ScanFolder(str(out)).config()
    assert config is not None
    ScanFolder(str(out)).write_config(config.model_copy(update={"model": "another"}))
    with pytest.raises(ScanError, match=r"fingerprint was another, is \w+"):
        scan(str(pictures), str(out), options, jobs=2)


def test_a_listing_that_was_not_complete_is_begun_anew(quick, pictures, tmp_path):
    out = tmp_path / "out"
    scan(str(pictures), str(out), options_of(pictures, quick, limit=45), jobs=2)
    for name in ("plan/complete.json", "done.json", *(f"parts/part-00000{n}.parquet" for n in range(3))):
        (out / name).unlink()
    # Not even other settings matter: nothing is scored yet.
    totals = scan(str(pictures), str(out), options_of(pictures, quick, limit=10, seed=1), jobs=2)
    assert (totals.parts, totals.items) == (1, 10)


def test_dedupe_scores_equal_contents_once(quick, folder_of, tmp_path):
    source = folder_of(tmp_path / "source", 60, distinct=14)
    (source / "gone.jpg").symlink_to(tmp_path / "nowhere")
    tables = []
    for name, dedupe in (("all", False), ("once", True)):
        totals = scan(str(source), str(tmp_path / name), options_of(source, quick, dedupe=dedupe), jobs=2)
        tables.append(by_id(table(tmp_path / name)))
    # 14 contents in parts of 20: each is scored once, or once more where a part's end divides its copies.
    assert 60 - 14 - 3 <= totals.copies <= 60 - 14
    plain, once = tables
    first: dict[str, str] = {}
    for name in sorted(once):
        row = once[name]
        if row["sha256"] is not None:
            assert row["duplicate_of"] == first.get(row["sha256"])
            first.setdefault(row["sha256"], name)
        assert row | {"duplicate_of": None} == plain[name]
    assert len(first) == 14


def test_sample_limit_and_since(quick, pictures, tmp_path):
    def ids(name: str, **changes: Any) -> set[str]:
        scan(str(pictures), str(tmp_path / name), options_of(pictures, quick, **changes), jobs=2)
        return {row["id"] for row in table(tmp_path / name)}

    half = ids("half", sample=0.4, seed=3)
    assert 15 < len(half) < 60
    assert ids("some", sample=0.4, seed=3, limit=10) < half
    assert ids("other", sample=0.4, seed=4) != half


def test_an_empty_source_is_an_empty_table(quick, tmp_path):
    (tmp_path / "source").mkdir()
    totals = scan(str(tmp_path / "source"), str(tmp_path / "out"), options_of(tmp_path / "source", quick), jobs=1)
    assert (totals.items, totals.parts) == (0, 0)


def test_a_source_that_is_not_there_leaves_the_folder_free_for_another(quick, pictures, tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(OSError, match=re.escape(str(missing))):
        scan(str(missing), str(tmp_path / "out"), options_of(missing, quick, limit=3), jobs=1)
    assert scan(str(pictures), str(tmp_path / "out"), options_of(pictures, quick, limit=3), jobs=1).items == 3


def test_a_table_in_its_own_source_is_refused(quick, pictures, tmp_path):
    with pytest.raises(ScanError, match="lies in the source"):
        scan(str(pictures), str(pictures / "deep" / "out"), options_of(pictures, quick), jobs=1)
    assert not (pictures / "deep").exists()
    beside = pictures.parent / f"{pictures.name}-out"
    assert scan(str(pictures), str(beside), options_of(pictures, quick, limit=1), jobs=1).items == 1
