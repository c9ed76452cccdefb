"""The Ray engine on several real raylets: what is killed there is made up for, and the table is the local engine's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from cinemae.scan.child import WORKER
from cinemae.scan.config import ScanConfig, ScanOptions
from cinemae.scan.folder import ScanFolder
from cinemae.scan.parts import Job
from cinemae.scan.plan import Planned, write_plan
from cinemae.scan.ray import MOST_BLOCKS, SHARES, PartScorer, blocks_of, run_ray, sent
from cinemae.scan.rows import Row
from cinemae.scan.run import scan
from cinemae.scan.sources import list_items
from cinemae.settings import DetectorSettings
from processes import environment, start

POISONED = (sys.executable, str(Path(__file__).parent / "poisoned.py"))
MOVES = ("seconds", "attempts")
INPUTS, DISTINCT = 5100, 300
SECRET = "sesame-open-17"

# Ray leaves files and sockets to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without cores and two nodes of one core each, all real raylets."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with pytest.MonkeyPatch.context() as patch:
        # Ray's processes find the tests' modules wherever they start.
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, folder_of: Callable[..., Path]) -> Path:
    """5,100 files with 300 different contents; two of them crash the poisoned decoder, 100 are refused."""
    place = tmp_path_factory.mktemp("many")
    made = sorted(folder_of(place / "made", DISTINCT).rglob("*.*g"))
    for number in range(INPUTS):
        path = place / "all" / f"{number % 50:02d}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number in (700, 3300):
            path.write_bytes(made[0].read_bytes() + b"segfault\n")
        elif number % 51 == 50:
            path.write_bytes(b"no picture")
        else:
            os.link(made[number % DISTINCT], path)
    return place / "all"


@pytest.fixture
def job_of(quick: DetectorSettings, pictures: Path, tmp_path: Path) -> Callable[..., Job]:
    """Make jobs on 93 planned inputs, without the scan that would see to it that they are sound."""

    def make(out: Path = tmp_path / "out", **changes: Any) -> Job:
        options = ScanOptions(source=str(pictures), settings=changes.pop("settings", quick), part_size=10)
        facts = {"model": changes.pop("model", "m"), "precision": changes.pop("precision", "f32")}
        config = ScanConfig(options=options, cinemae="0", started=datetime.now(UTC), **facts)
        write_plan(ScanFolder(str(out)), map(Planned, list_items(str(pictures), since=None)), 10)
        return Job(config=config, source=str(pictures), out=str(out), jobs=1).model_copy(update=changes)

    return make


def options_of(source: Path, settings: DetectorSettings, **changes: Any) -> ScanOptions:
    return ScanOptions(source=str(source), settings=settings, part_size=50).model_copy(update=changes)


def table(out: Path) -> dict[str, Row]:
    """Rows by id, without what differs from run to run; fails if an id is there twice."""
    rows = pyarrow.dataset.dataset(out / "parts").to_table().to_pylist()
    named = {row["id"]: {name: value for name, value in row.items() if name not in MOVES} for row in rows}
    assert len(named) == len(rows)
    return named


def local_table(source: Path, out: Path, settings: DetectorSettings, command: tuple[str, ...]) -> dict[str, Row]:
    """The local engine's table; equal contents scored once, or this would take as long as all the rest."""
    scan(str(source), str(out), options_of(source, settings, dedupe=True), workers=1, jobs=2, command=command)
    return {name: row | {"duplicate_of": None} for name, row in table(out).items()}


def processes_with(word: str) -> list[int]:
    """Ids of the running processes that have this among their arguments."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (place / "cmdline").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def wait_for(what: Callable[[], Any], seconds: float = 300.0) -> None:
    """Wait; the limit is for what never comes, not for a busy machine."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@contextmanager
def driven(**told: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a driver; what it prints is read with :func:`said_by`. Killed at the end if it still runs."""
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "ray_driver.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONPATH=paths),
    ) as driver:
        assert driver.stdin is not None
        driver.stdin.write(json.dumps(told))
        driver.stdin.close()
        driver.stdin = None
        try:
            yield driver
        finally:
            driver.kill()


def said_by(driver: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Yield what a driver says, until it ends.

    All is said before Ray disconnects; its native code has been seen to crash then, which is no fault of
    what is tested here.
    """
    assert driver.stdout is not None
    for line in driver.stdout:
        if line.startswith("{"):  # else it is Ray's word on a machine that was lost
            yield json.loads(line)
    assert driver.wait() in (0, -signal.SIGSEGV, -signal.SIGABRT)


def run_driven(job: Job, numbers: Iterable[int], cluster: Any, workers: int | None = None) -> Any:
    """Run the engine in a driver; returns what it said, and what it wrote on standard error."""
    told = {"job": job.model_dump(mode="json"), "numbers": list(numbers), "workers": workers}
    with driven(**told, address=cluster.address) as driver:
        said = list(said_by(driver))
        assert driver.stderr is not None
        return said, driver.stderr.read()


class Killer:
    """Kills a worker's child once a fifth of the rows is there, and a raylet at two fifths."""

    def __init__(self, word: str, raylet: int) -> None:
        self.word, self.raylet = word, raylet
        self.rows, self.children, self.steps = 0, 0, [INPUTS // 5, 2 * INPUTS // 5]

    def scored(self, count: int) -> None:
        self.rows += count
        if self.steps and self.rows >= self.steps[0]:
            if len(self.steps) == 2:
                self.children = len(processes_with(self.word))
                os.kill(processes_with(self.word)[0], signal.SIGKILL)
            else:
                os.kill(self.raylet, signal.SIGKILL)
            self.steps.pop(0)


def test_node_and_worker_killed_and_the_table_is_the_local_engines(cluster, many, quick, tmp_path):
    word = str(tmp_path / "mine")  # tells this test's worker processes from others
    raylet = cluster.add_node(num_cpus=1).all_processes["raylet"][0].process
    killer = Killer(word, raylet.pid)
    out, options, command = tmp_path / "out", options_of(many, quick), (*POISONED, word)
    told = {"source": str(many), "out": str(out), "options": options.model_dump(mode="json"), "command": command}
    with driven(**told, address=cluster.address) as driver:
        for said in said_by(driver):
            assert set(said) == {"rows"}, said
            killer.scored(said["rows"])
    assert len(ScanFolder(str(out)).finished()) == 102
    totals = scan(str(many), str(out), options, jobs=1, command=command)  # finds everything there, and counts
    assert (killer.steps, killer.children) == ([], 3)  # both were killed, the raylet with a worker at work
    assert raylet.wait(10) == -signal.SIGKILL
    assert (totals.parts, totals.items, totals.refused) == (102, INPUTS, 102)
    assert killer.rows == INPUTS
    rows = table(out)
    assert len(rows) == INPUTS
    assert sum(row["error_type"] == "CrashedError" for row in rows.values()) == 2
    assert rows == local_table(many, tmp_path / "local", quick, POISONED)
    wait_for(lambda: not processes_with(word))


def test_driver_killed_and_run_again(cluster, many, quick, tmp_path):
    word, out = str(tmp_path / "mine"), tmp_path / "out"
    options = options_of(many, quick, limit=800)
    command = (*POISONED, word)
    told = {"source": str(many), "out": str(out), "options": options.model_dump(mode="json"), "command": command}
    with driven(**told, address=cluster.address) as driver:
        wait_for(lambda: len(list((out / "parts").glob("part-*.parquet"))) >= 3)
        driver.kill()
    wait_for(lambda: not processes_with(word))
    before = {path: path.stat().st_mtime_ns for path in (out / "parts").glob("part-*.parquet")}
    assert 3 <= len(before) < 16
    with driven(**told, address=cluster.address) as driver:
        assert not [said for said in said_by(driver) if "error" in said]
    assert len(ScanFolder(str(out)).finished()) == 16
    totals = scan(str(many), str(out), options, jobs=1, command=command)  # finds everything there, and counts
    assert (totals.parts, totals.items) == (16, 800)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    rows = table(out)
    assert sorted(rows) == sorted(item.id for item in list_items(str(many), since=None, limit=800))
    assert scan(str(many), str(out), options, engine="ray", address=cluster.address, command=command) == totals


def test_a_model_that_does_not_load_on_a_node_ends_the_scan(cluster, job_of, tmp_path):
    job = job_of(settings=DetectorSettings(model=str(tmp_path), device="cpu"))
    said, err = run_driven(job, range(10), cluster)
    assert (len(said), said[0]["kind"]) == (1, "ScanError")
    assert re.match(r"node [0-9.]+: .*not a cinemae head: config.json is missing", said[0]["error"])
    assert err == ""


def test_a_node_that_computes_otherwise_ends_the_scan(job_of, quick):
    """As data: what an actor raises is tried again by some of Ray's settings, and printed by all."""
    job = job_of(model=quick.load().fingerprint, precision="bf16")
    answer = PartScorer(sent(job, 1)).answer([0, 1])
    assert answer.error is not None
    assert "begun in bf16, the worker computes in f32: give --precision bf16" in answer.error
    assert (answer.reports, answer.storage) == ((), False)


def test_a_folder_that_can_not_be_read_is_an_error_of_the_storage(job_of, quick):
    job = job_of(model=quick.load().fingerprint)
    answer = PartScorer(sent(job, 1)).answer([77])
    assert answer.storage
    assert answer.error is not None
    assert "part-000077" in answer.error


def test_paths_hold_on_the_nodes_and_secrets_stay_out_of_the_logs(cluster, job_of, quick, tmp_path, monkeypatch):
    """Ray's processes work in another folder; what they log of the scan is a public matter."""
    monkeypatch.chdir(tmp_path)
    job = job_of(model=quick.load().fingerprint, source=f"s3://key:{SECRET}@bucket/x?secret={SECRET}", out="out")
    said, err = run_driven(job, range(3, 10), cluster, workers=1)
    assert err == ""
    assert not [words for words in said if "error" in words]
    assert sorted(words["part"] for words in said if "part" in words) == list(range(3, 10))
    assert sum(words.get("rows", 0) for words in said) == 63
    assert len(table(tmp_path / "out")) == 63
    assert SECRET not in repr(job) + repr(sent(job, 1))
    for path in Path(cluster.head_node.get_session_dir_path()).rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_actors_take_gpus_where_there_are_some(cluster, job_of, quick, tmp_path):
    """The cluster is told of a GPU; what runs on it is tested where there is a real one."""
    node = cluster.add_node(num_cpus=1, num_gpus=1)
    word, seen, parts = str(tmp_path / "mine"), [], 0
    settings = quick.model_copy(update={"device": None})
    job = job_of(settings=settings, model=quick.load().fingerprint, command=(*POISONED, word))
    told = {"job": job.model_dump(mode="json"), "numbers": list(range(4)), "workers": None}
    with driven(**told, address=cluster.address) as driver:
        for said in said_by(driver):
            parts += "part" in said
            for pid in processes_with(word):
                with suppress(OSError):  # it has just ended
                    environ = Path(f"/proc/{pid}/environ").read_bytes()
                    seen.extend(re.findall(rb"CUDA_VISIBLE_DEVICES=(\w*)", environ))
    cluster.remove_node(node)
    assert parts == 4
    assert set(seen) == {b"0"}  # one actor, on the one node with a GPU


def test_a_ray_of_its_own_quietly(pictures, quick, tmp_path):
    options = ["--engine", "ray", "--workers", "1", "--jobs", "1", "--part-size", "31", "--device", "cpu"]
    with start("scan", pictures, "--out", tmp_path / "out", *options, "--model", str(quick.model)) as process:
        out, said = process.communicate(timeout=120)
    assert process.returncode == 1  # three files are no pictures
    assert out == ""
    assert [line for line in said.splitlines() if not line.startswith("cinemae: ")] == []
    assert len(table(tmp_path / "out")) == 93


@pytest.mark.parametrize("count", [1, 7, 199, 200, 201, 2_000_000])
@pytest.mark.parametrize("actors", [1, 8, 5000])
def test_blocks_hold_every_part_once_in_even_shares(count, actors):
    missing = array("q", range(3, 3 + 2 * count, 2))
    blocks = list(blocks_of(missing, actors))
    assert [number for block in blocks for number in block] == missing.tolist()
    sizes = {len(block) for block in blocks}
    assert max(sizes) - min(sizes) <= 1
    assert len(blocks) == min(count, SHARES * actors, MOST_BLOCKS)


def test_a_node_takes_its_own_python(job_of):
    job = job_of()
    assert job.command == WORKER
    assert "command" not in sent(job, 1).get_secret_value()
    assert Job.model_validate_json(sent(job_of(command=("x",)), 3).get_secret_value()).command == ("x",)
    assert Job.model_validate_json(sent(job, 3).get_secret_value()).jobs == 3


def test_names_that_are_no_folders_stay(job_of, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heads").mkdir()
    settings = quick.model_copy(update={"model": "heads", "backbone": "org/mae"})
    settings = Job.model_validate_json(sent(job_of(settings=settings), 1).get_secret_value()).config.options.settings
    assert (settings.model, settings.backbone) == (str(tmp_path / "heads"), "org/mae")


def test_nothing_to_do_starts_nothing(job_of):
    assert list(run_ray(job_of(), [], workers=None, address="127.0.0.1:1", watch=lambda count: None)) == []
