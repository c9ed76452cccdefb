"""Cells: numbers as they are shown, with the place in a file that they come from."""

from __future__ import annotations

from cinemae.metrics.bootstrap import Interval
from cinemae.metrics.schema import Figure
from cinemae.report.schema import Cell, Origin

MISSING = "\N{EN DASH}"


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def number_text(value: float, *, percent: bool = False, signed: bool = False) -> str:
    """Return a number as it is shown, with a real minus."""
    text = format(100 * value if percent else value, ("+" if signed else "") + (".1f" if percent else ".3f"))
    return text.replace("-", "\N{MINUS SIGN}")


def interval_text(interval: Interval, *, percent: bool = False, signed: bool = False) -> str:
    """Return an interval as it is shown."""
    low, high = (number_text(end, percent=percent, signed=signed) for end in interval)
    return f"{low} to {high}"


def figure_cell(
    figure: Figure | None,
    place: str,
    *,
    percent: bool = False,
    signed: bool = False,
    interval: bool = True,
    origin: Origin = "evaluation",
) -> Cell:
    """Return the cell of a figure.

    Args:
        figure: The figure; None for one that is not defined.
        place: JSON pointer to it.
        percent: Show it in per cent.
        signed: Write a plus.
        interval: Show its interval, if it has one.
        origin: The file that it stands in.
    """
    if figure is None:
        return Cell(text=MISSING)
    shown = figure.interval if interval else None
    return Cell(
        text=number_text(figure.value, percent=percent, signed=signed),
        value=figure.value,
        interval=shown,
        interval_text=interval_text(shown, percent=percent, signed=signed) if shown else "",
        origin=origin,
        pointer=pointer_to_value(place),
    )


def pointer_to_value(place: str) -> str:
    """Return where a figure's number is."""
    return f"{place}/value"


def count_cell(value: int, place: str, origin: Origin = "evaluation") -> Cell:
    """Return the cell of a count."""
    return Cell(text=f"{value}", value=value, origin=origin, pointer=place)
