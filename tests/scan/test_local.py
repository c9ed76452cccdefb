"""The local engine: parts shared out to workers, an error that ends all of them, no process left behind."""

from __future__ import annotations

import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cinemae import __version__
from cinemae.scan.config import ScanConfig, ScanError, ScanOptions
from cinemae.scan.isolate import IsolatedScorer
from cinemae.scan.local import run_local
from cinemae.scan.parts import Job
from cinemae.scan.plan import Planned, write_plan
from cinemae.scan.sources import list_items
from cinemae.settings import DetectorSettings


@pytest.fixture
def job(quick: DetectorSettings, pictures: Path, tmp_path: Path) -> Job:
    options = ScanOptions(source=str(pictures), settings=quick, part_size=10)
    model = quick.load().fingerprint
    config = ScanConfig(options=options, cinemae=__version__, model=model, precision="f32", started=datetime.now(UTC))
    job = Job(config=config, source=str(pictures), out=str(tmp_path / "out"), jobs=1)
    write_plan(job.folder(), map(Planned, list_items(str(pictures))), 10)
    return job


def test_each_part_is_taken_once_whoever_takes_it(job):
    scorers, counts = [job.scorer() for _ in range(3)], []
    reports = list(run_local(job, iter(range(10)), scorers, watch=counts.append))
    assert sorted(report.number for report in reports) == list(range(10))
    assert job.folder().finished() == set(range(10))
    assert sum(counts) == sum(report.items for report in reports) == 93
    assert [scorer.pid for scorer in scorers] == [None] * 3


def test_an_error_of_one_worker_ends_the_scan(job):
    wrong = IsolatedScorer(job.scorer().setup, command=(sys.executable, "-c", "raise SystemExit('no such library')"))
    with pytest.raises(ScanError, match="no such library"):
        list(run_local(job, range(10), [job.scorer(), wrong], watch=lambda count: None))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scan")]


def test_a_folder_that_can_t_be_written_ends_the_scan(job):
    (Path(job.out) / "parts").write_text("a file where a folder should be")
    with pytest.raises(OSError, match=re.escape(str(Path(job.out) / "parts"))):
        list(run_local(job, range(10), [job.scorer()], watch=lambda count: None))


def test_who_stops_early_keeps_what_is_finished_and_leaves_no_process(job):
    scorers = [job.scorer(), job.scorer()]
    reports = run_local(job, range(10), scorers, watch=lambda count: None)
    first = next(reports)
    pids = [scorer.pid for scorer in scorers]
    reports.close()
    assert [scorer.pid for scorer in scorers] == [None, None]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids if pid)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scan")]
    assert first.number in job.folder().finished()
    assert len(job.folder().finished()) < 10
