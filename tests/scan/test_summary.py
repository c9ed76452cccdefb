"""The summary agrees with the table, counted another way."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from cinemae.scan.config import ScanConfig, ScanError, ScanOptions
from cinemae.scan.folder import PlanState, ScanFolder
from cinemae.scan.rows import PartReport, Row, encode_rows, row_of
from cinemae.scan.summary import busy_time, in_words, summarise
from cinemae.verdict import ErrorInfo, Verdict

PARTS, SIZE = 7, 30


def made(name: str, rng: random.Random) -> Row:
    if rng.random() < 0.2:
        error = ErrorInfo(type=rng.choice(["CrashedError", "TruncatedImageError"]), message=f"{name}: bad")
        return row_of(Verdict(path=name, error=error), attempts=1)
    probability = rng.choice([rng.random(), 0.0, 1.0, 0.05])
    label = "ai" if probability > 0.6 else "real" if probability < 0.4 else "inconclusive"
    return row_of(Verdict(path=name, verdict=label, probability=probability, seconds=0.1), attempts=1)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("summary") / "out"
    folder, rng = ScanFolder(str(place)), random.Random(3)
    options = ScanOptions(source="s3://bucket/photos")
    config = ScanConfig(
        options=options, cinemae="0", model="m-1", precision="f32", started=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    )
    folder.write_config(config)
    folder.write_plan(PlanState(items=240, parts=8))
    for number in range(PARTS):
        rows = [made(f"{number}/{n}", rng) for n in range(SIZE)]
        refused = sum(row["error_type"] is not None for row in rows)
        report = PartReport(
            number=number, items=SIZE, refused=refused, copies=number, retried=1, seconds=3.0,
            begun=100.0 + 10 * number, ended=112.0 + 10 * number,
        )  # fmt: skip
        folder.write_part(number, encode_rows(rows, report, maps=False))
    return place


def test_counts_are_those_of_a_database(out):
    found = summarise(ScanFolder(str(out)))
    files = f"'{out}/parts/*.parquet'"
    count = dict(duckdb.sql(f"SELECT verdict, count(*) FROM {files} WHERE verdict IS NOT NULL GROUP BY 1").fetchall())
    errors = dict(duckdb.sql(f"SELECT error_type, count(*) FROM {files} WHERE error_type != '' GROUP BY 1").fetchall())
    bins = f"SELECT least(19, floor(probability * 20))::INT, count(*) FROM {files} WHERE verdict != '' GROUP BY 1"
    histogram = dict(duckdb.sql(bins).fetchall())
    assert found.verdicts == count
    assert found.errors == errors
    assert found.histogram == [histogram.get(n, 0) for n in range(20)]
    assert sum(count.values()) + sum(errors.values()) == found.rows == PARTS * SIZE
    assert (found.planned, found.parts, found.parts_planned) == (240, 7, 8)
    assert (found.copies, found.retried) == (21, 7)
    # From 100 to 172 seconds something was always under way; copies are not scored.
    assert found.images_per_second == pytest.approx((210 - 21) / 72)


def test_in_words(out):
    found = summarise(ScanFolder(str(out)))
    text = in_words(found)
    assert "source     s3://bucket/photos" in text
    assert "started    2026-02-03 04:05:06 UTC" in text
    assert "inputs     210 of 240 done, in 7 of 8 parts" in text
    for name, count in (found.verdicts | found.errors).items():
        assert [line for line in text.splitlines() if line.split() == [name, str(count)]]
    bars = [line for line in text.splitlines() if " to " in line]
    assert len(bars) == 20
    assert bars[0].startswith("  0.00 to 0.05")
    assert max(bars, key=lambda bar: bar.count("#")).count("#") == 40
    assert json.loads(found.model_dump_json())["rows"] == 210


@pytest.mark.parametrize(
    ("times", "busy"),
    [([], 0), ([(1, 3)], 2), ([(1, 3), (2, 5)], 4), ([(4, 6), (1, 2)], 3), ([(0, 10), (2, 3), (4, 12)], 12)],
)
def test_busy_time_counts_overlaps_once_and_pauses_never(times, busy):
    assert busy_time([begun for begun, _ in times], [ended for _, ended in times]) == busy


def test_no_scan_is_said(tmp_path):
    with pytest.raises(ScanError, match="no scan in this folder"):
        summarise(ScanFolder(str(tmp_path)))


def test_a_scan_without_a_plan_is_summed_up(tmp_path):
    options = ScanOptions(source="/photos")
    config = ScanConfig(options=options, cinemae="0", model="m", precision="f32", started=datetime.now(UTC))
    ScanFolder(str(tmp_path)).write_config(config)
    found = summarise(ScanFolder(str(tmp_path)))
    assert (found.planned, found.rows, found.images_per_second) == (None, 0, None)
    assert "inputs     0 done, in 0 parts" in in_words(found)
