"""The ratios of a run as a picture: a point a contender, a line from quartile to quartile."""

from __future__ import annotations

from pathlib import Path

from .results import Report
from .rounds import PEAK


def draw(report: Report, path: Path) -> None:
    """Write a PNG with one panel a group."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    groups = report.groups
    heights = [len(group.entries) + 1 for group in groups]
    figure, axes = plt.subplots(
        len(groups), 1, figsize=(9, 0.38 * sum(heights) + 0.6), height_ratios=heights, squeeze=False
    )
    for axis, group in zip(axes[:, 0], groups, strict=True):
        entries = [entry for entry in group.entries if entry.name != PEAK][::-1]
        for place, entry in enumerate(entries):
            ours = entry.name.startswith(("cinemae", "Detector"))
            ratio, colour = entry.ratio, "#b5442e" if ours else "#44546a"
            axis.plot([ratio.low, ratio.high], [place, place], color=colour, linewidth=4, alpha=0.35)
            axis.plot(ratio.median, place, "o", color=colour)
            axis.annotate(
                f"{ratio.median:.2f}",
                (ratio.median, place),
                (0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
        axis.set_yticks(range(len(entries)), [entry.name for entry in entries], fontsize=8)
        axis.set_ylim(-0.6, len(entries) - 0.3)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.xaxis.set_minor_formatter(lambda value, _: "")
        _ticks(axis, [entry.ratio.low for entry in entries], [entry.ratio.high for entry in entries])
        axis.axvline(1, color="black", linewidth=0.6)
        axis.set_title(f"{group.name}: speed relative to {group.baseline}", fontsize=9, loc="left")
        axis.tick_params(axis="x", labelsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _ticks(axis: object, low: list[float], high: list[float]) -> None:
    """Mark the round numbers between the ends of a logarithmic axis."""
    left, right = min([*low, 1]) / 1.3, max([*high, 1]) * 1.3
    steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100]
    axis.set_xlim(left, right)  # type: ignore[attr-defined]
    axis.set_xticks([step for step in steps if left <= step <= right])  # type: ignore[attr-defined]
