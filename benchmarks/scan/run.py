"""One run of the benchmark."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.perf.machine import describe_machine

from cinemae.mae.runtime import cores

from .costs import measure_costs
from .memory import memory_points
from .pictures import write_crops
from .rates import measure_rates
from .results import ScanReport


def run(options: argparse.Namespace, folder: Path) -> ScanReport:
    """Measure what the command line asks for, in an empty folder."""
    machine = describe_machine()
    pictures = write_crops(folder / "pictures", options.images)
    rates = measure_rates(folder / "pictures", folder, rounds=options.rounds) if "rates" in options.only else []
    costs = None
    if "costs" in options.only:
        print("costs", file=sys.stderr)
        costs = measure_costs(folder / "pictures", folder / "costs", options.listed)
    memory = []
    if "memory" in options.only:
        print("memory", file=sys.stderr)
        memory = memory_points(folder, options.memory)
    return ScanReport(
        machine=machine,
        images=options.images,
        image_bytes=round(sum(path.stat().st_size for path in pictures) / len(pictures)),
        cores=cores(),
        rates=rates,
        memory=memory,
        costs=costs,
    )
