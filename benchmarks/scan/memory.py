"""Peak memory of a scan: the driver and all processes below it, looked at while they run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from cinemae.mae.runtime import cores

from .pictures import write_mixed
from .rates import scan_command
from .results import MemoryPoint

EVERY = 0.25  # seconds between two looks
PICTURES = 100  # of so many files one is a picture


def memory_points(folder: Path, counts: list[int]) -> list[MemoryPoint]:
    """Scan folders of so many files, one in a hundred a picture, with one worker and the default part size."""
    return [_point(folder / f"memory-{count}", count) for count in counts]


def _point(folder: Path, count: int) -> MemoryPoint:
    pictures = write_mixed(folder, count, every=PICTURES)
    command = scan_command(folder, folder.with_name(f"{folder.name}-out"), "--workers", 1, "--jobs", cores())
    start = time.perf_counter()
    tree = driver = 0
    files = 0
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            members = {pid: _bytes(pid) for pid in _tree(process.pid)}
            tree, driver = max(tree, sum(members.values())), max(driver, members.get(process.pid, 0))
            files = max(files, _files(process.pid))
            time.sleep(EVERY)
    if process.returncode != 1:  # most files are refused
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return MemoryPoint(
        inputs=count,
        scored=pictures,
        tree_mb=round(tree / 1e6, 1),
        driver_mb=round(driver / 1e6, 1),
        files=files,
        wall=round(time.perf_counter() - start, 1),
    )


def _tree(root: int) -> list[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(place.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def _bytes(pid: int) -> int:
    """Return a process's proportional set size: what it shares counts by its share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (only their number is wanted)
    except OSError:  # it has ended
        return 0
