"""Send mutated image files through the decoder and count what becomes of them.

    python -m benchmarks.fuzz_decoder --count 10000 --seed 0 [--jobs 2] [--keep DIR] [--out FILE]

Every file must give an image or an error that names it: no crash of the process, no other exception,
no more than ``--limit`` seconds of processor time (five times as many by the clock), no more memory
than ``--memory``. Images may be as large as the service allows: larger sound ones honestly take longer.
Prints JSON, and ends with status 1 if there is a defect. File N of a seed is always
the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from .child import PIXELS
from .harness import Tally, fuzz
from .mutations import damaged
from .samples import sound_files


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.fuzz_decoder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="files (10000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the run (0)")
    parser.add_argument("--jobs", type=int, default=1, help="decoding processes (1)")
    parser.add_argument("--limit", type=float, default=2.0, help="most seconds for a file (2)")
    parser.add_argument("--memory", type=int, default=2048, help="most MB of address space for decoding (2048)")
    parser.add_argument("--max-pixels", type=int, default=PIXELS, help="most pixels of an image (64000000)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the files with a defect there")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the JSON there too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run, print the counts and return the exit status."""
    options = parse(arguments)
    start = time.perf_counter()

    def share(first: int) -> Tally:
        tally = Tally()
        numbers = range(first, options.count, options.jobs)
        limits = {"seconds": options.limit, "memory": options.memory << 20, "pixels": options.max_pixels}
        for outcome, replaced in fuzz(numbers, seed=options.seed, **limits):
            tally.add(outcome)
            tally.restarts += replaced
        return tally

    with ThreadPoolExecutor(options.jobs) as pool:
        tallies = list(pool.map(share, range(options.jobs)))
    total = Tally(peak_mb=max(tally.peak_mb for tally in tallies), restarts=sum(tally.restarts for tally in tallies))
    for tally in tallies:
        total.outcomes += tally.outcomes
        total.defects += tally.defects
        total.slowest = sorted([*total.slowest, *tally.slowest], key=lambda one: -one.seconds)[:10]
    report = {
        "files": sum(total.outcomes.values()),
        "seed": options.seed,
        "outcomes": dict(sorted(total.outcomes.items(), key=lambda item: -item[1])),
        "defects": [asdict(one) for one in sorted(total.defects, key=lambda one: one.number)],
        "slowest": [asdict(one) for one in total.slowest],
        "peak_mb": round(total.peak_mb, 1),
        "processes_replaced": total.restarts,
        "seconds": round(time.perf_counter() - start, 1),
    }
    text = json.dumps(report, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    if options.keep and total.defects:
        keep(options.keep, options.seed, [one.number for one in total.defects])
    return 1 if total.defects else 0


def keep(folder: Path, seed: int, numbers: list[int]) -> None:
    """Write files of a run into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sound_files()
    for number in numbers:
        kind, data = damaged(files, seed, number)
        (folder / f"{seed}-{number}-{kind.split('+')[0]}").write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
