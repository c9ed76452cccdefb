"""Whole processes: their time from start to end and their peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cinemae.weights import shipped

from .pictures import write_jpegs
from .results import Group, MemoryPoint
from .rounds import Contender, measure

IMPORTS = "import torch, transformers"
COLD = "cinemae detect one.jpg"
UNCOMPILED = "cinemae detect one.jpg, nothing compiled yet"

# The peak of a process counts what its parent had in memory when it forked, so that this one, with
# its torch and models, would be measured instead. A bare interpreter in between has next to nothing.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
scale = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"seconds": time.perf_counter() - start, "peak": usage.ru_maxrss * scale, "status": status}))
"""


def detect_command(arguments: list[str]) -> list[str]:
    """Return a ``cinemae detect --json`` command line."""
    return [sys.executable, "-m", "cinemae", "detect", "--json", *arguments]


def detect_arguments() -> list[str]:
    """Return what ``cinemae detect`` needs to score with the shipped MAEs.

    Nothing, if the shipped head loads; while it does not fit the features, the MAE by its path,
    which is scored without a head.
    """
    from cinemae.detector import Detector
    from cinemae.features.spec import SpecMismatchError
    from cinemae.fusion.head import HeadError

    try:
        Detector.load(device="cpu")
    except (HeadError, SpecMismatchError):
        return ["--backbone", str(shipped("vit-tiny"))]
    return []


def run_process(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Run a command and return its seconds and its peak resident memory in MB.

    Args:
        command: The command line.
        environment: Variables to add to this process's own.

    Raises:
        RuntimeError: If it fails.
    """
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launcher, capture_output=True, text=True, env=os.environ | (environment or {}))
    if done.returncode or (out := json.loads(done.stdout))["status"]:
        raise RuntimeError(f"{' '.join(command[:6])} ... failed: {done.stderr[-2000:]}")
    return out["seconds"], out["peak"] / 1e6


def cold_start_group(folder: Path, arguments: list[str], *, rounds: int, uncompiled: bool = True) -> Group:
    """Measure whole processes that score one image, against importing torch and transformers."""
    (path,) = write_jpegs(folder / "cold", 1, (1024,))
    command = [sys.executable, "-m", "cinemae", "detect", *arguments, str(path)]

    def fresh() -> float:
        with tempfile.TemporaryDirectory() as cache:
            return run_process(command, {"CINEMAE_CACHE": cache})[0]

    contenders = [
        Contender(IMPORTS, lambda: run_process([sys.executable, "-c", IMPORTS])[0], tells=True),
        Contender(COLD, lambda: run_process(command)[0], tells=True),
    ]
    if uncompiled:
        contenders.append(Contender(UNCOMPILED, fresh, tells=True))
    title = "whole processes, from start to end"
    group = measure("cold-start", title, contenders, baseline=IMPORTS, rounds=rounds)
    group.notes.extend(headless(arguments))
    return group


def headless(arguments: list[str]) -> list[str]:
    """Return the note that no head was there, if so."""
    return [f"scored without a head: {' '.join(arguments)}"] if arguments else []


def memory_points(folder: Path, arguments: list[str], counts: list[int], side: int) -> list[MemoryPoint]:
    """Measure the peak memory of ``cinemae detect --json`` over folders of that many JPEG files."""
    points = []
    for count in counts:
        place = folder / f"memory-{count}"
        write_jpegs(place, count, (side, side, side, side))
        seconds, peak = run_process([*detect_command(arguments), str(place)])
        points.append(MemoryPoint(images=count, peak_mb=round(peak, 1), seconds=round(seconds, 2)))
    return points
