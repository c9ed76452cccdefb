"""The benchmark of scans counts right, and its projection is arithmetic on what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from benchmarks.pages import write_docs  # noqa: E402
from benchmarks.perf.results import Machine, Spread  # noqa: E402
from benchmarks.scan import memory, rates  # noqa: E402
from benchmarks.scan.markdown import projection_table, to_markdown  # noqa: E402
from benchmarks.scan.pictures import write_crops, write_mixed  # noqa: E402
from benchmarks.scan.projection import Assumptions, project  # noqa: E402
from benchmarks.scan.results import Costs, MemoryPoint, Rate, ScanReport  # noqa: E402

from cinemae.images import ImageError, load_image  # noqa: E402


@pytest.fixture
def report() -> ScanReport:
    machine = Machine(cpu="x", flags=[], cores=4, memory_gb=8, system="Linux", load=0.0, versions={"python": "3"})

    def rate(name: str, value: float) -> Rate:
        spread = Spread(median=value, low=value, high=value)
        return Rate(name=name, images_per_second=spread, ratio=spread, wall=spread, rounds=[value] * 3)

    costs = Costs(
        listed=1000, planning=1e-4, plan_bytes=20, hashing=1e-5, rows=100, row_bytes=300.0, map_row_bytes=800.0
    )
    return ScanReport(
        machine=machine,
        images=100,
        image_bytes=1e5,
        cores=4,
        rates=[rate(rates.PIPELINE, 22.0), rate("scan --engine local, 1 worker x 4 jobs", 20.0)],
        memory=[MemoryPoint(inputs=1000, scored=10, tree_mb=400, driver_mb=90, files=9, wall=12)],
        costs=costs,
    )


def test_projection(report):
    found = project(report, Assumptions(inputs=10**9, days=10, bytes_an_image=1e6, part_size=1000, used=0.5))
    assert found.rate == 5.0
    assert found.core_hours == pytest.approx(10**9 / 5 / 3600)
    assert found.cores == pytest.approx(10**9 / 5 / (10 * 86400 * 0.5), abs=1)
    assert found.nodes == 8
    assert found.read_tb == 1000
    assert found.read_gbit == pytest.approx(8e15 / (10 * 86400) / 1e9)
    assert found.parts == 10**6
    assert found.rows_gb == pytest.approx(300)
    assert found.maps_gb == pytest.approx(800)
    assert found.plan_gb == pytest.approx(20)
    assert found.requests == 10**9 + 10**6 + 4 * 10**6
    assert found.list_hours == pytest.approx(1e5 / 3600)  # S3's answers: as long as the measured planning
    assert found.dedupe_hours == pytest.approx(10**9 * 8e6 / 10e9 / 3600)  # the network, not the hashing


def test_projection_needs_both_measurements(report):
    with pytest.raises(ValueError, match="needs the rates and the costs"):
        project(report.model_copy(update={"costs": None}), Assumptions())


def test_rate_starts_when_a_quarter_is_done():
    assert rates.rate_of([(100.0, 5), (103.0, 5), (101.0, 5), (102.0, 5)]) == 5.0
    assert rates.rate_of([(number / 10, 1) for number in range(40)]) == pytest.approx(10.0)


def test_tables_and_their_place_in_a_page(report, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured:start --> stale <!-- measured:end -->\nafter\n")
    write_docs(page, measured=to_markdown(report))
    text = page.read_text()
    assert "stale" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| scan --engine local, 1 worker x 4 jobs | 20.00 [20.00, 20.00] |" in text
    assert "| 1,000 | 10 | 400 | 90 | 9 | 12 |" in text
    with pytest.raises(ValueError, match="no <!-- projected:start -->"):
        write_docs(page, projected="x")


def test_command_prints_the_projection(report, tmp_path):
    (tmp_path / "r.json").write_text(report.model_dump_json())
    command = [sys.executable, "-m", "benchmarks.scan", "--out", str(tmp_path / "r.json"), "--project", "--days", "7"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    given = Assumptions(days=7)
    assert out.strip() == projection_table(project(report, given), given)


def test_the_page_has_the_places_of_the_tables():
    text = (ROOT / "docs" / "scale.md").read_text()
    for name in ("measured", "projected"):
        assert text.index(f"<!-- {name}:start -->") < text.index(f"<!-- {name}:end -->")


def test_memory_counts_the_children(tmp_path):
    """A process with a child that holds 64 MB: the tree has them, the process alone has not."""
    child = "import time; held = b'x' * (64 << 20); print('.', flush=True); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        time.sleep(0.1)
        tree = memory._tree(process.pid)
        sizes = [memory._bytes(pid) for pid in tree]
        os.killpg(process.pid, 9)
    assert len(tree) == 2
    assert tree[0] == process.pid
    assert sizes[0] < 60e6 < 64e6 < sizes[1]


def test_files_of_the_scans(tmp_path):
    crops = write_crops(tmp_path / "crops", 4, seed=3)
    assert len({path.read_bytes() for path in crops}) == 4
    assert [max(load_image(path).pixels.shape) for path in crops] == [512, 640, 800, 1024]
    assert write_mixed(tmp_path / "mixed", 30, every=10) == 3
    refused = 0
    for path in sorted((tmp_path / "mixed").rglob("*.jpg")):
        try:
            load_image(path)
        except ImageError:
            refused += 1
    assert refused == 27


def test_a_tiny_run_measures_everything(tmp_path):
    """Without the rates, which need the engines' whole start-up; the scans are real."""
    out = tmp_path / "r.json"
    command = [sys.executable, "-m", "benchmarks.scan", "--out", str(out), "--images", "3", "--only", "costs", "memory"]
    subprocess.run([*command, "--memory", "20", "--listed", "50"], check=True, cwd=ROOT, capture_output=True)
    report = ScanReport.model_validate(json.loads(out.read_text()))
    assert report.costs is not None
    assert report.costs.rows == 3
    assert 0 < report.costs.row_bytes < report.costs.map_row_bytes
    (point,) = report.memory
    assert (point.inputs, point.scored) == (20, 1)
    assert point.tree_mb > point.driver_mb > 10
    assert out.with_suffix(".md").read_text() == to_markdown(report)
