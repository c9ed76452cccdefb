"""Charts before they are drawn: every position, interval and axis as numbers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["raw", "format", "history", "ai", "real", "first", "second", "third", "fourth", "faint", "facts"]
"""What a colour stands for: a protocol, a class, one of up to four families, or something in the background."""
Scale = Literal["linear", "probit"]


class Frozen(BaseModel):
    """What the parts of a report have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Series(Frozen):
    """A line, points with intervals, or bars.

    Attributes:
        role: What its colour stands for.
        name: Its name.
        x: Horizontal positions, (n,).
        y: Vertical positions, (n,).
        low: Lower ends of the intervals, (n,); empty for none.
        high: Upper ends.
        style: How it is drawn.
        label: Written beside its key, for example its area.
    """

    role: Role
    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    style: Literal["line", "step", "points", "bars", "line-points"] = "line"
    label: str = ""


class Axis(Frozen):
    """One axis.

    Attributes:
        title: What it measures, with the unit.
        low: Its lower end.
        high: Its upper end.
        scale: ``probit`` for a normal deviate.
        ticks: Where ticks stand; empty to choose.
        names: What is written there; empty for the numbers.
        percent: Whether the numbers are shares to be written in per cent.
    """

    title: str
    low: float
    high: float
    scale: Scale = "linear"
    ticks: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    percent: bool = False


class Mark(Frozen):
    """A line across a panel, or a shaded stretch.

    Attributes:
        axis: The axis that its position is on; ``diagonal`` for the line through equal values.
        at: Its position.
        to: Where the shaded stretch ends; None for a line.
    """

    axis: Literal["x", "y", "diagonal"]
    at: float = 0.0
    to: float | None = None


class Panel(Frozen):
    """One picture of a chart.

    Attributes:
        title: What stands above it.
        x: Horizontal axis.
        y: Vertical axis.
        series: What is drawn.
        marks: What is drawn behind.
        size: Width and height in inches at 72 points.
        keys: Where the series' labels are written; None for nowhere.
        forest: Whether y names rows, with the intervals along x.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    size: tuple[float, float] = (3.3, 2.9)
    keys: Literal["lower right", "upper right", "upper left", "lower left"] | None = "lower right"
    forest: bool = False


class Chart(Frozen):
    """Panels that are read together.

    Attributes:
        kind: ``chart``.
        id: Name that is unique in the report.
        title: Its title.
        caption: How to read it.
        legend: Roles and names, in order.
        panels: The panels.
    """

    kind: Literal["chart"] = "chart"
    id: str
    title: str
    caption: str
    legend: tuple[tuple[Role, str], ...] = ()
    panels: tuple[Panel, ...]
