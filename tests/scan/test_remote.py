"""Whole scans from S3 into S3, through faults and kills: the table is that of a local scan."""

from __future__ import annotations

import io
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as parquet
import pytest

from cinemae.scan.config import ScanOptions, source_name
from cinemae.scan.folder import ScanFolder
from cinemae.scan.run import scan
from cinemae.scan.summary import summarise
from cinemae.settings import DetectorSettings
from processes import environment, start

if TYPE_CHECKING:
    from scan.s3server import FaultyS3, S3Server

pytest_plugins = ["scan.s3server"]

MOVES = ("seconds", "attempts")
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret", "AWS_EC2_METADATA_DISABLED": "true"}
FAULTS = {"500": 0.05, "503": 0.05, "drop": 0.05, "cut": 0.05, "late": 0.1}


@pytest.fixture(scope="module")
def bucket(s3: S3Server, pictures: Path) -> str:
    for path in sorted(pictures.rglob("*.*")):
        s3.put(f"archive/{path.relative_to(pictures).as_posix()}", path.read_bytes())
    s3.put("results/there", b"the bucket of results")
    return "archive"


def rows_of(out: str) -> dict[str, dict[str, object]]:
    """The rows of a scan by id, read by pyarrow from the parts' bytes."""
    folder, rows = ScanFolder(out), {}
    for number in sorted(folder.finished()):
        for row in parquet.read_table(io.BytesIO(folder.read_part(number))).to_pylist():
            assert row["id"] not in rows, "twice"
            rows[row["id"]] = {name: value for name, value in row.items() if name not in MOVES}
    return rows


@pytest.fixture(scope="module")
def local(quick: DetectorSettings, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    out = tmp_path_factory.mktemp("local") / "out"
    options = ScanOptions(source=source_name(str(pictures)), settings=quick, part_size=8)
    scan(str(pictures), str(out), options, jobs=2)
    return rows_of(str(out))


def test_a_scan_through_faults_is_that_of_the_local_files(
    faulty: FaultyS3, bucket: str, local: dict[str, object], quick: DetectorSettings
) -> None:
    faulty.faults.shares = FAULTS
    source = faulty.uri(bucket, connect_timeout=2, request_timeout=2, tries=8)
    out = faulty.uri("results/faults", connect_timeout=2, request_timeout=2, tries=8)
    totals = scan(source, out, ScanOptions(source=source_name(source), settings=quick, part_size=8), jobs=2)
    assert totals.items == len(local) == 93
    assert {kind for kind in FAULTS if faulty.faults.seen[kind]} == set(FAULTS), "every fault has happened"
    faulty.faults.shares = {}
    assert rows_of(out) == local
    assert summarise(ScanFolder(out)).rows == 93


def test_a_driver_that_is_killed_goes_on_in_the_bucket(
    faulty: FaultyS3, bucket: str, local: dict[str, object], quick: DetectorSettings
) -> None:
    source, out = faulty.uri(bucket), faulty.uri("results/killed")
    assert quick.model is not None
    command = ("scan", source, "--out", out, "--model", quick.model, "--device", "cpu", "--precision", "f32",
               "--part-size", "4", "--jobs", "1")  # fmt: skip
    folder = ScanFolder(out)
    with start(*command, env=environment(**KEYS)) as driver:
        try:
            end = time.monotonic() + 600
            while not folder.finished():
                assert driver.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
        finally:
            os.kill(driver.pid, signal.SIGKILL)
    before = {number: folder.read_part(number) for number in folder.finished()}
    assert 0 < len(before) < 24
    with start(*command, env=environment(**KEYS)) as done:
        _, said = done.communicate(timeout=600)
    assert done.returncode == 1, said  # some inputs are refused
    assert "testing-secret" not in said
    assert rows_of(out) == local
    assert {number: folder.read_part(number) for number in before} == before, "finished parts are not done again"


def test_since_a_date_is_what_the_bucket_has_got_since(faulty: FaultyS3, bucket: str, quick: DetectorSettings) -> None:
    source = faulty.uri(bucket)
    for name, since, count in (("old", timedelta(days=-1), 93), ("new", timedelta(days=1), 0)):
        options = ScanOptions(source=source_name(source), settings=quick, since=datetime.now(UTC) + since)
        assert scan(source, faulty.uri(f"results/{name}"), options, jobs=2).items == count
