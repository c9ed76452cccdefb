"""How fast: the pipeline in one process, and scans of the same files with either engine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.perf.rounds import spread

from cinemae.mae.runtime import cores
from cinemae.scan.folder import ScanFolder

from .results import Rate

PARTS = 16  # of a scan: enough to see its course
WARM = 0.25  # share of the images after which the clock is started
PIPELINE = "Detector.score_many, one process"

Done = list[tuple[float, int]]  # when, and how many images more


@dataclass(frozen=True)
class Contender:
    """One way of scoring the files.

    Attributes:
        name: Its name.
        run: Scores a folder's files, given a folder for its results; returns when they were done.
    """

    name: str
    run: Callable[[Path, Path], Done]


def contenders() -> list[Contender]:
    """Return them, the pipeline first."""
    most = cores()
    half = max(1, most // 2)
    ways = [("local", 1, most), ("local", 2, half), ("local", 1, half), ("ray", 1, most), ("ray", 2, half)]
    if most == 1:  # nothing to share
        ways = [("local", 1, 1), ("ray", 1, 1)]
    return [Contender(PIPELINE, lambda folder, out: _single(folder, most)), *(_scan(*way) for way in ways)]


def scan_name(engine: str, workers: int, jobs: int) -> str:
    """Return the name of a scan among the contenders."""
    who = "worker" if engine == "local" else "actor"
    return f"scan --engine {engine}, {workers} {who}{'s' * (workers > 1)} x {jobs} job{'s' * (jobs > 1)}"


def scan_command(folder: Path, out: Path, *options: object) -> list[str]:
    """Return the command line of a scan."""
    return [
        sys.executable,
        "-m",
        "cinemae",
        "scan",
        str(folder),
        "--out",
        str(out),
        "--device",
        "cpu",
        *map(str, options),
    ]


def measure_rates(folder: Path, place: Path, *, rounds: int) -> list[Rate]:
    """Let the contenders take turns.

    Args:
        folder: The files.
        place: For the results; a folder each.
        rounds: Rounds. What the first has to compile is in nobody's time: the clock starts when a quarter of
            the images is done.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        for position, contender in enumerate(contenders()):
            start = time.perf_counter()
            done = contender.run(folder, place / f"out-{number}-{position}")
            wall = time.perf_counter() - start
            found.setdefault(contender.name, []).append((rate_of(done), wall))
            print(f"{contender.name}: {found[contender.name][-1][0]:.2f} images/s, {wall:.0f} s", file=sys.stderr)
    base = [rate for rate, _ in found[PIPELINE]]
    return [
        Rate(
            name=name,
            images_per_second=spread([rate for rate, _ in pairs]),
            ratio=spread([rate / reference for (rate, _), reference in zip(pairs, base, strict=True)]),
            wall=spread([wall for _, wall in pairs]),
            rounds=[round(rate, 3) for rate, _ in pairs],
        )
        for name, pairs in found.items()
    ]


def rate_of(done: Sequence[tuple[float, int]]) -> float:
    """Return images a second from when a quarter of them was done, however late they began."""
    ordered = sorted(done)
    total = sum(count for _, count in ordered)
    counted = 0
    for when, count in ordered:
        counted += count
        if counted >= WARM * total:
            return (total - counted) / (ordered[-1][0] - when)
    raise ValueError("nothing was done")


def run_scan(command: list[str]) -> None:
    """Run a scan to its end; inputs that it refuses are no failure.

    Raises:
        RuntimeError: If it fails.
    """
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} failed: {ran.stderr[-2000:]}")


def _single(folder: Path, jobs: int) -> Done:
    command = [sys.executable, "-m", "benchmarks.scan.single", str(folder), str(jobs)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return [(when, 1) for when in json.loads(ran.stdout)]


def _scan(engine: str, workers: int, jobs: int) -> Contender:
    def run(folder: Path, out: Path) -> Done:
        part = max(1, len(list(folder.iterdir())) // PARTS)
        options = ("--engine", engine, "--workers", workers, "--jobs", jobs, "--part-size", part)
        run_scan(scan_command(folder, out, *options))
        return [(report.ended, report.items) for report in ScanFolder(str(out)).reports()]

    return Contender(scan_name(engine, workers, jobs), run)
