"""The report as tables, and their place in the documentation."""

from __future__ import annotations

from .results import Group, Machine, Report, Spread
from .rounds import PEAK


def to_markdown(report: Report) -> str:
    """Return the whole report."""
    parts = [_machine(report.machine, report)]
    if report.targets:
        rows = [
            [target.name, target.wanted, target.got, "yes" if target.met else "**no**"] for target in report.targets
        ]
        parts.append(_section("Targets", _table(["what", "wanted", "got", "met"], rows)))
    parts += [_group(group) for group in report.groups]
    if report.memory:
        rows = [[f"{p.images:,}", f"{p.peak_mb:.0f}", f"{p.seconds:.0f}"] for p in report.memory]
        parts.append(_section("memory: `cinemae detect --json`", _table(["images", "peak MB", "seconds"], rows)))
    if report.sizes:
        rows = [
            [size.name, f"{size.megabytes:.0f}", ", ".join(f"{key} {value:.0f}" for key, value in size.largest.items())]
            for size in report.sizes
        ]
        parts.append(_section("installed size", _table(["what", "MB", "largest parts"], rows)))
    return "\n\n".join(parts) + "\n"


def _machine(machine: Machine, report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB; {', '.join(machine.flags) or 'no AVX2'}."
        f" {versions}. Networks in {report.precision}; {report.rounds} rounds; load {machine.load} before the first."
    )


def _group(group: Group) -> str:
    shares = any(entry.share for entry in group.entries)
    header = ["", "ms an image", "images/s", "speed [quartiles]", *(["of peak GEMM"] if shares else [])]
    rows = []
    for entry in group.entries:
        if entry.name == PEAK:
            continue
        seconds = entry.seconds_per_image.median
        row = [entry.name, f"{1000 * seconds:.4g}", f"{1 / seconds:.3g}", _speed(entry.ratio)]
        rows.append([*row, *([_percent(entry.share)] if shares else [])])
    lines = [f"Speed is relative to *{group.baseline}*, round by round."]
    peak = next((entry for entry in group.entries if entry.name == PEAK), None)
    if peak is not None and peak.flops is not None:
        rate = peak.flops / peak.seconds_per_image.median
        lines.append(f"Peak GEMM beside them: {rate / 1e9:.0f} GFLOP/s.")
    lines += [f"{note[0].upper()}{note[1:]}." for note in group.notes]
    body = "\n\n".join([_table(header, rows), " ".join(lines)])
    return _section(f"`{group.name}`: {group.title}", body)


def _speed(ratio: Spread) -> str:
    return f"{ratio.median:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _percent(share: Spread | None) -> str:
    return "" if share is None else f"{100 * share.median:.0f} %"


def _section(title: str, body: str) -> str:
    return f"### {title[0].upper()}{title[1:]}\n\n{body}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
