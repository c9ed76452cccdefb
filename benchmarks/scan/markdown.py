"""Report and projection as tables, and their places in the documentation."""

from __future__ import annotations

from benchmarks.perf.results import Spread

from .projection import REQUESTS_A_PART, Assumptions, Projection
from .results import ScanReport


def to_markdown(report: ScanReport) -> str:
    """Return what was measured."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    parts = [
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB; load {machine.load} before the first"
        f" round. {versions}."
    ]
    if report.rates:
        parts.append(_rates(report))
    if report.memory:
        parts.append(_memory(report))
    if report.costs is not None:
        costs = report.costs
        rows = [
            ["listing and planning, files in local folders", f"{1e6 * costs.planning:.0f} us an input"],
            ["`--dedupe`: reading and hashing besides, from the page cache", f"{1e6 * costs.hashing:.0f} us an input"],
            ["plan", f"{costs.plan_bytes:.1f} bytes an input"],
            ["table", f"{costs.row_bytes:.0f} bytes a row"],
            ["table with `--maps`", f"{costs.map_row_bytes:.0f} bytes a row"],
        ]
        note = f"Of {costs.listed:,} files and of a table of {costs.rows:,} rows, in parts of 512."
        parts.append("\n\n".join([_table(["besides the score", ""], rows), note]))
    return "\n\n".join(parts) + "\n"


def projection_table(found: Projection, given: Assumptions) -> str:
    """Return what a large archive takes."""
    rows = [
        ["images", f"{given.inputs:,}", "given"],
        ["days", f"{given.days:g}", "given"],
        ["images/s and core", f"{found.rate:.2f}", "measured: local engine on all cores, by their number"],
        ["core hours", _count(found.core_hours), "images / rate"],
        ["cores", f"{found.cores:,}", f"core hours / (24 x days x {given.used:g}, the share of the time at work)"],
        ["machines", f"{found.nodes:,}", f"of {given.cores_a_node} cores"],
        ["images/s in all", _count(found.images_per_second), "images / time"],
        ["read", f"{found.read_tb:,.0f} TB", f"images x {given.bytes_an_image / 1e3:,.0f} kB, an assumption"],
        ["network", f"{found.read_gbit:.1f} Gbit/s", "over the whole cluster"],
        ["parts", f"{found.parts:,}", f"of {given.part_size} inputs; as many files in `plan/` and in `parts/`"],
        ["plan", f"{found.plan_gb:,.0f} GB", "measured bytes an input"],
        ["table", f"{found.rows_gb:,.0f} GB", "measured bytes a row"],
        ["table with `--maps`", f"{found.maps_gb:,.0f} GB", "measured bytes a row"],
        ["S3 requests", _count(found.requests), f"a GET an image, a LIST for 1000, {REQUESTS_A_PART} a part"],
        ["listing and planning", f"{found.list_hours:,.1f} h", "on the driver, before the first score"],
        ["`--dedupe` adds", f"{found.dedupe_hours:,.0f} h", f"on the driver, at {given.driver_gbit:g} Gbit/s or less"],
    ]
    return _table(["", "", "how"], rows)


def _rates(report: ScanReport) -> str:
    rows = [
        [rate.name, _spread(rate.images_per_second), _spread(rate.ratio), f"{rate.wall.median:.0f}"]
        for rate in report.rates
    ]
    rounds = len(report.rates[0].rounds)
    note = (
        f"{report.images:,} JPEG files, {report.image_bytes / 1e3:.0f} kB on average; rounds: {rounds}; median and"
        " [quartiles]. The rate is that of the last three quarters of the images, so that no start-up is in it; it is"
        " in the seconds of the whole process."
    )
    return "\n\n".join([_table(["", "images/s", "of the pipeline's", "whole process, s"], rows), note])


def _memory(report: ScanReport) -> str:
    rows = [
        [f"{p.inputs:,}", f"{p.scored:,}", f"{p.tree_mb:.0f}", f"{p.driver_mb:.0f}", f"{p.files}", f"{p.wall:.0f}"]
        for p in report.memory
    ]
    header = ["inputs", "pictures", "driver and children, MB", "driver, MB", "open files of the driver", "seconds"]
    note = (
        "`scan --engine local --workers 1` in parts of 512. One input in a hundred is a picture, the others are cut"
        " off and refused, so that 50,000 take minutes; peaks of the proportional set size, seen four times a second."
    )
    return "\n\n".join([_table(header, rows), note])


def _spread(value: Spread) -> str:
    return f"{value.median:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value < 1e6 else f"{value / 1e6:,.1f} million"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
