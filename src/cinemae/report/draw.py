"""Panels as SVG: vector, text as text, the same bytes for the same numbers."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from html import escape
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from cinemae.report.panels import Axis, Mark, Panel, Role, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Mapping[Role, str] = {
    "raw": "#6b6b6b",
    "format": "#0072b2",
    "history": "#c8500a",
    "ai": "#a8327e",
    "real": "#1b7f79",
    "first": "#0072b2",
    "second": "#c8500a",
    "third": "#1b7f79",
    "fourth": "#a8327e",
    "facts": "#6b6b6b",
    "faint": "#b9b9b9",
}
"""Told apart with any kind of colour blindness; each goes with a dash and a marker of its own."""
DASHES: Mapping[Role, Any] = {
    "raw": (0, (1.2, 1.2)),
    "facts": (0, (1.2, 1.2)),
    "format": (0, (4, 1.4)),
    "second": (0, (4, 1.4)),
    "third": (0, (1.2, 1.2)),
    "fourth": (0, (5, 1.2, 1.2, 1.2)),
}
MARKERS: Mapping[Role, str] = {
    "raw": "s", "facts": "s", "format": "D", "history": "o", "first": "o", "second": "D", "third": "s", "fourth": "^",
    "real": "s",
}  # fmt: skip
_INK, _LINE, _GRID, _SHADE = "#333333", "#8a8a8a", "#e6e6e6", "#efece4"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, and is wider than what a browser will take
    "font.size": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "text.color": _INK,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "path.simplify": True,
}
_LEAST = 1e-4  # beyond the ends of any axis: a line leaves its panel there
_normal = NormalDist()


def draw_panel(panel: Panel, name: str) -> str:
    """Draw one panel as an SVG element to stand in an HTML page.

    Args:
        panel: The panel.
        name: Letters, digits and dashes, unique in the page: the SVG's own names start with it.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # only measured: the browser draws the text
        figure = Figure(figsize=panel.size, layout="constrained")
        axes = figure.add_subplot()
        if panel.title:
            axes.set_title(panel.title, loc="left", fontsize=8, fontweight="bold", color=_INK)
        _set_axis(axes, "x", panel.x)
        _set_axis(axes, "y", panel.y)
        for mark in panel.marks:
            _draw_mark(axes, mark, panel)
        for series in panel.series:
            _draw_series(axes, series, panel)
        _write_keys(axes, panel)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _embedded(stream.getvalue(), name, panel.title or panel.y.title)


def position(value: float, axis: Axis) -> float:
    """Return where a value lies on an axis, in the axis's own units."""
    if axis.scale == "linear":
        return value
    return _normal.inv_cdf(min(max(value, _LEAST), 1 - _LEAST))


def _positions(values: tuple[float, ...], axis: Axis) -> Any:
    return np.array([position(value, axis) for value in values])


def _set_axis(axes: Axes, which: str, axis: Axis) -> None:
    horizontal = which == "x"
    (axes.set_xlabel if horizontal else axes.set_ylabel)(axis.title)
    limits = position(axis.low, axis), position(axis.high, axis)
    (axes.set_xlim if horizontal else axes.set_ylim)(*limits)
    axes.grid(True, axis="x" if horizontal else "y", color=_GRID, linewidth=0.6)
    place = axes.xaxis if horizontal else axes.yaxis
    if axis.ticks:
        texts = axis.names or tuple(f"{100 * tick:g}" if axis.percent else f"{tick:g}" for tick in axis.ticks)
        place.set_ticks(_positions(axis.ticks, axis), labels=list(texts))
    elif axis.percent:
        place.set_major_formatter(lambda value, _: f"{100 * value:g}")
    if axis.names and not horizontal:
        axes.tick_params(axis="y", length=0)


def _draw_mark(axes: Axes, mark: Mark, panel: Panel) -> None:
    if mark.axis == "diagonal":
        low = max(panel.x.low, panel.y.low), min(panel.x.high, panel.y.high)
        axes.plot(_positions(low, panel.x), _positions(low, panel.y), color=_LINE, linewidth=0.7, linestyle=(0, (2, 2)))
        return
    span = axes.axvspan if mark.axis == "x" else axes.axhspan
    line = axes.axvline if mark.axis == "x" else axes.axhline
    at = position(mark.at, panel.x if mark.axis == "x" else panel.y)
    if mark.to is not None:
        span(at, position(mark.to, panel.x if mark.axis == "x" else panel.y), color=_SHADE, linewidth=0)
    else:
        line(at, color=_LINE, linewidth=0.9)


def _draw_series(axes: Axes, series: Series, panel: Panel) -> None:
    colour = COLOURS[series.role]
    x, y = _positions(series.x, panel.x), _positions(series.y, panel.y)
    across = panel.x if panel.forest else panel.y
    low, high = _positions(series.low, across), _positions(series.high, across)
    marker = MARKERS.get(series.role, "o")
    if not x.size:
        return
    if series.style == "bars":
        half = (x[1] - x[0]) / 2 if len(x) > 1 else 0.5
        edges = np.append(x - half, x[-1] + half)
        axes.stairs(y, edges, color=colour, fill=True, alpha=0.22)
        axes.stairs(y, edges, color=colour, linewidth=1.3)
        return
    if series.style in ("points", "line-points"):
        if low.size:
            middle = x if panel.forest else y
            ends = np.stack([np.maximum(middle - low, 0), np.maximum(high - middle, 0)])
            across_x, across_y = (ends, None) if panel.forest else (None, ends)
            axes.errorbar(x, y, across_y, across_x, fmt="none", ecolor=colour, elinewidth=1.1, capsize=0)
        axes.plot(x, y, marker, color=colour, markersize=3.6, markeredgewidth=0)
        if series.style == "points":
            return
    elif low.size:
        axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
    drawn = "steps-post" if series.style == "step" else "default"
    width = 0.6 if series.role == "faint" else 1.4
    axes.plot(x, y, color=colour, linewidth=width, linestyle=DASHES.get(series.role, "-"), drawstyle=drawn)


def _write_keys(axes: Axes, panel: Panel) -> None:
    """Write each labelled series' name and number in its colour, one below the other in a corner."""
    labelled = [series for series in panel.series if series.label]
    if panel.keys is None or not labelled:
        return
    lower, left = panel.keys.startswith("lower"), panel.keys.endswith("left")
    for number, series in enumerate(reversed(labelled) if lower else labelled):
        offset = 4 + 9.5 * number
        axes.annotate(
            f"{series.name} {series.label}",
            (0 if left else 1, 0 if lower else 1),
            xycoords="axes fraction",
            xytext=(4 if left else -2, offset if lower else -offset),
            textcoords="offset points",
            ha="left" if left else "right",
            va="bottom" if lower else "top",
            fontsize=7.5,
            color=COLOURS[series.role],
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
        )


def _embedded(svg: str, name: str, label: str) -> str:
    """Leave out the prologue and fixed sizes, and make the names unique in a page with other pictures."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    box = re.search(r'viewBox="([\d. ]+)"', body)
    opening = f'<svg viewBox="{box[1] if box else ""}" role="img" aria-label="{escape(label)}">'
    body = opening + body[body.index(">") + 1 :]
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    return re.sub(r'(?:xlink:)?href="#([^"]+)"', rf'href="#{name}-\1"', body).strip()
