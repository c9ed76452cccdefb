"""Measure speed and memory; write ``performance.json``, ``performance.md`` and ``performance.png``.

    python -m benchmarks.perf --out DIR [--quick] [--only NAME ...]
    python -m benchmarks.perf --profile vit-base
    python -m benchmarks.perf --out DIR --write-docs docs/performance.md

The last one measures nothing: it copies the tables and the picture of an earlier run. A quick run
ends with status 1 if a bound is broken that only a mistake breaks; a full one always with 0.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from . import GROUPS, QUICK

ROOT = Path(__file__).parents[2]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.perf", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("performance"), help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="under a minute; fails on absurd regressions only")
    parser.add_argument(
        "--only", nargs="+", choices=sorted({*GROUPS, *QUICK}), metavar="NAME", help="these groups only"
    )
    parser.add_argument("--rounds", type=int, help="rounds that count (7; quick 3)")
    parser.add_argument("--precision", choices=("auto", "f32", "bf16", "f16"), default="auto")
    parser.add_argument("--images", type=int, default=60, help="JPEG files of the end-to-end measurement")
    parser.add_argument("--memory", nargs="+", type=int, metavar="N", help="sizes of the sets (100 1000 10000)")
    parser.add_argument("--profile", metavar="SHAPE", help="print where the time of a ViT's graph goes, and stop")
    parser.add_argument("--write-docs", type=Path, metavar="PAGE", help="copy an earlier run's tables there, and stop")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for and return the exit status."""
    options = parse(arguments)
    if options.write_docs:
        from benchmarks.pages import write_docs

        tables, picture = (options.out / "performance.md").read_text(), options.write_docs.with_suffix(".png")
        shutil.copy(options.out / "performance.png", picture)
        drawn = f"![Speed relative to each group's baseline]({picture.name})"
        write_docs(options.write_docs, performance=f"{drawn}\n\n{tables}")
        return 0
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="cinemae-bench-") as folder:
        # Compiled graphs of a benchmark don't belong into the user's cache folder.
        os.environ["CINEMAE_CACHE"] = str(Path(folder) / "cache")
        from .run import run

        return run(options, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
