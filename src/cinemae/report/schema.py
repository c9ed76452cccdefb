"""What a report says, before it is drawn: every number that it shows, as it is written to ``report.json``.

The page, the Markdown and the JSON are made from one :class:`Report`. A number that comes from another
file carries a JSON pointer (RFC 6901) to where it stands there.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cinemae.metrics.bootstrap import Interval
from cinemae.report.panels import Chart, Frozen, Role

Origin = Literal["evaluation", "audit", "scores"]


class Cell(Frozen):
    """One cell of a table.

    Attributes:
        text: As shown, without the interval.
        value: The number in full; None for words and where there is none.
        interval: 95 % interval; None if there is none.
        interval_text: As shown.
        origin: The file that the number stands in.
        pointer: JSON pointer to it there; empty for a number that was counted here.
    """

    text: str
    value: float | None = None
    interval: Interval | None = None
    interval_text: str = ""
    origin: Origin = "evaluation"
    pointer: str = ""


class Column(Frozen):
    """One column.

    Attributes:
        title: What stands above it.
        group: What stands above several of them; empty for nothing.
    """

    title: str
    group: str = ""


class Row(Frozen):
    """One row.

    Attributes:
        name: Its first cell.
        note: A word of caution beside it, for example that there are few images.
        cells: The others, one a column.
        mean: Whether it sums up rows above.
    """

    name: str
    cells: tuple[Cell, ...]
    note: str = ""
    mean: bool = False


class Table(Frozen):
    """A table whose first column is words and the others numbers.

    Attributes:
        kind: ``table``.
        id: Name that is unique in the report.
        title: Its title.
        note: How to read it.
        first: Title of the first column.
        columns: The other columns.
        rows: Its rows.
    """

    kind: Literal["table"] = "table"
    id: str
    title: str
    note: str = ""
    first: str = "generator"
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Picture(Frozen):
    """An image that was judged wrongly.

    Attributes:
        name: The image, as its set writes it.
        generator: Its comparison.
        source: Where it comes from.
        label: What it is.
        probability: What the head said.
        nll: Its conditional NLL in bits a sub-pixel, as re-measured; None without pictures.
        seen: What the MAE saw, as a data URI; empty without.
        map: The same under its map.
    """

    name: str
    generator: str
    source: str
    label: Literal["ai", "real"]
    probability: float
    nll: float | None = None
    seen: str = Field(default="", exclude=True)
    map: str = Field(default="", exclude=True)


class Gallery(Frozen):
    """The most wrong images of one class.

    Attributes:
        kind: ``gallery``.
        id: Name that is unique in the report.
        title: Its title.
        note: How to read it.
        pictures: The images, the worst first.
        scale: Ends of the map's colour scale, bits a sub-pixel.
        legend: The colour scale as a data URI; empty without pictures.
    """

    kind: Literal["gallery"] = "gallery"
    id: str
    title: str
    note: str
    pictures: tuple[Picture, ...]
    scale: Interval
    legend: str = Field(default="", exclude=True)


class Section(Frozen):
    """A part of the report.

    Attributes:
        id: Name that is unique in the report.
        title: Its title.
        text: Paragraphs.
        warnings: What must be known before the figures are believed.
        blocks: Charts, tables and galleries.
    """

    id: str
    title: str
    text: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    blocks: tuple[Chart | Table | Gallery, ...] = ()


class Tile(Frozen):
    """A number of the first screen.

    Attributes:
        title: Whose it is.
        cell: The number.
        what: What it is.
        second: A number below it.
        second_what: What that is.
        role: Its colour.
    """

    title: str
    cell: Cell
    what: str
    second: Cell
    second_what: str
    role: Role


class Finding(Frozen):
    """What was found, in words.

    Attributes:
        about: What it is about.
        text: The finding.
        bad: Whether it says where the detector fails.
    """

    about: str
    text: str
    bad: bool = False


class Fact(Frozen):
    """What was measured, on what, with what.

    Attributes:
        name: Of the fact.
        value: The fact.
        code: Whether it is to be copied: a hash, a command.
    """

    name: str
    value: str
    code: bool = False


class Report(Frozen):
    """A report.

    Attributes:
        version: Of the cinemae that wrote the report.
        title: Its title.
        measured: What was measured, in a sentence.
        summary: What was found.
        tiles: The first numbers.
        tiles_of: Whose they are.
        facts: What was measured, on what, with what.
        overview: What is shown right below them.
        sections: The rest.
    """

    version: str
    title: str
    measured: str
    summary: tuple[Finding, ...]
    tiles: tuple[Tile, ...]
    tiles_of: str
    facts: tuple[Fact, ...]
    overview: Section
    sections: tuple[Section, ...]

    def all_sections(self) -> tuple[Section, ...]:
        """Return the overview and the rest."""
        return (self.overview, *self.sections)
