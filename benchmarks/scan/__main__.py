"""Measure scans, and project what was measured to a large archive.

    python -m benchmarks.scan --out scan-benchmark.json [--images N] [--rounds N] [--only NAME ...]
    python -m benchmarks.scan --out scan-benchmark.json --project [--inputs N] [--days D] ...
    python -m benchmarks.scan --out scan-benchmark.json --write-docs docs/scale.md

The first writes the JSON file and a Markdown file beside it. The other two measure nothing: they read that
JSON file, and print the projection, or copy the tables and the projection into a page.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.pages import write_docs

from .markdown import projection_table, to_markdown
from .projection import Assumptions, project
from .results import ScanReport

PARTS = ("rates", "memory", "costs")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.scan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("scan-benchmark.json"), help="JSON file of the results")
    parser.add_argument("--images", type=int, default=128, help="JPEG files of the rates")
    parser.add_argument("--rounds", type=int, default=3, help="rounds")
    parser.add_argument("--memory", nargs="+", type=int, default=[1000, 50_000], metavar="N", help="sizes of the sets")
    parser.add_argument("--listed", type=int, default=50_000, help="files that are listed and planned")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="NAME", help="rates, memory, costs")
    parser.add_argument("--project", action="store_true", help="print the projection of an earlier run, and stop")
    parser.add_argument("--write-docs", type=Path, metavar="PAGE", help="copy an earlier run's tables there, and stop")
    fields = Assumptions.model_fields
    for name, field in fields.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(field.default), default=field.default, help=field.description)
    options = parser.parse_args(arguments)
    options.assumptions = Assumptions(**{name: getattr(options, name) for name in fields})
    return options


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for."""
    options = parse(arguments)
    if options.project or options.write_docs:
        report = ScanReport.model_validate_json(options.out.read_text())
        tables = projection_table(project(report, options.assumptions), options.assumptions)
        if options.write_docs:
            write_docs(options.write_docs, measured=to_markdown(report), projected=tables)
        else:
            print(tables)
        return 0
    with tempfile.TemporaryDirectory(prefix="cinemae-bench-") as folder:
        # Compiled graphs of a benchmark don't belong into the user's cache folder.
        os.environ["CINEMAE_CACHE"] = str(Path(folder) / "cache")
        from .run import run

        report = run(options, Path(folder))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report.model_dump_json(indent=1) + "\n")
    options.out.with_suffix(".md").write_text(text := to_markdown(report))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
