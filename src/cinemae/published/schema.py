"""What a published table is: sources, columns, and rows that may be incomplete or contradicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

MARKS: Mapping[str, str] = {
    "P": "read in the project's own file or page",
    "S": "second-hand: someone else quotes it",
    "T": "said in an issue thread",
}
"""How a figure is known. One that we computed from others (a mean of a row) has no source: the row has."""

TOLERANCE = 0.5
"""A stated mean further than this from the mean of its own row, in points, is flagged. Below it are roundings."""

Value = float | None


class Shares(NamedTuple):
    """Accuracies of one generator, in [0, 1].

    Attributes:
        both: Share of all images on the right side.
        ai: The same among AI-generated images; None without any.
        real: The same among real images; None without any.
    """

    both: float
    ai: float | None = None
    real: float | None = None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(_Frozen):
    """Where a figure stands.

    Attributes:
        mark: How it is known: a key of ``MARKS``.
        text: Paper, figure, README or thread.
        url: Where that is.
    """

    mark: Literal["P", "S", "T"]
    text: str
    url: str | None = None


class Column(_Frozen):
    """One column of a table.

    Attributes:
        title: As published.
        generator: What ``cinemae.datasets`` calls that generator.
        share: Which accuracy stands in it: over both classes, or one of them.
    """

    title: str
    generator: str
    share: Literal["both", "ai", "real"] = "both"


class Note(_Frozen):
    """A remark on a row, and who says so if it isn't the row's own source."""

    text: str
    source: str | None = None


class Report(_Frozen):
    """What another source states for the same row.

    Attributes:
        source: Its id.
        values: In the table's columns; None if it gives a mean only.
        mean: Its mean.
        note: A remark.
    """

    source: str
    values: tuple[Value, ...] | None = None
    mean: Value = None
    note: str = ""


class Row(_Frozen):
    """One detector's figures.

    Attributes:
        method: The detector, and who measured it if there are several.
        source: Id of where the figures stand.
        values: Accuracies in per cent in the table's columns; None where none is public.
        mean: The mean as stated; None if none is.
        mean_over: Whether the stated mean is over all columns, or over the given ones.
        sources: Ids for single figures (by column title) that stand elsewhere.
        kind: A paper's own figures (or those that it prints for others), or a later re-measurement.
        comparable: Whether it was trained and tested by the table's protocol; None: not known.
        reason: Why it is not, or not known.
        notes: Remarks.
        conflicts: What other sources state.
    """

    method: str
    source: str
    values: tuple[Value, ...] | None = None
    mean: Value = Field(default=None, ge=0, le=100)
    mean_over: Literal["all", "given"] = "all"
    sources: dict[str, str] = Field(default_factory=dict)
    kind: Literal["paper", "reproduction"] = "paper"
    comparable: bool | None = True
    reason: str = ""
    notes: tuple[Note, ...] = ()
    conflicts: tuple[Report, ...] = ()

    @model_validator(mode="after")
    def _says_why(self) -> Row:
        if (self.comparable is True) == bool(self.reason):
            raise ValueError(f"{self.method}: a reason belongs to what isn't comparable, and only to that")
        if self.mean is None and not any(value is not None for value in self.values or ()):
            raise ValueError(f"{self.method}: neither a figure nor a mean")
        return self

    @property
    def recomputed(self) -> Value:
        """The mean of the row's own figures; None if one that it goes over isn't public."""
        given = [value for value in self.values or () if value is not None]
        if not given or (self.mean_over == "all" and len(given) < len(self.values or ())):
            return None
        return sum(given) / len(given)

    @property
    def mean_differs(self) -> bool:
        """Whether the stated mean doesn't follow from the row (see ``TOLERANCE``)."""
        if self.mean is None or self.recomputed is None:
            return False
        return abs(self.recomputed - self.mean) > TOLERANCE

    def cited(self) -> Iterator[str]:
        """Yield the ids of all sources that the row rests on, its own first."""
        yield self.source
        yield from self.sources.values()
        yield from (note.source for note in self.notes if note.source)
        yield from (report.source for report in self.conflicts)


class PublishedTable(_Frozen):
    """A benchmark's published figures.

    Attributes:
        title: The benchmark.
        protocol: What all comparable rows were trained and tested on.
        source: Id of who says so.
        averaged: Whether the columns' mean is what detectors are ranked by.
        columns: In the published order.
        rows: In the order in which they are shown.
        sources: What the rows cite, and perhaps more, by id.
    """

    title: str
    protocol: str
    source: str
    averaged: bool
    columns: tuple[Column, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)
    sources: dict[str, Source]

    @model_validator(mode="after")
    def _fits(self) -> PublishedTable:
        titles = {column.title for column in self.columns}
        if len(titles) < len(self.columns):
            raise ValueError(f"{self.title}: two columns have the same title")
        if len({row.method for row in self.rows}) < len(self.rows):
            raise ValueError(f"{self.title}: two rows have the same method")
        for row in self.rows:
            for values in (row.values, *(report.values for report in row.conflicts)):
                if values is not None and len(values) != len(self.columns):
                    raise ValueError(f"{row.method}: {len(values)} figures for {len(self.columns)} columns")
                if not all(0 <= value <= 100 for value in values or () if value is not None):
                    raise ValueError(f"{row.method}: a figure is not in per cent")
            if unknown := set(row.sources) - titles:
                raise ValueError(f"{row.method}: no column is called {', '.join(sorted(unknown))}")
            if unknown := set(row.cited()) - set(self.sources):
                raise ValueError(f"{row.method}: no source is called {', '.join(sorted(unknown))}")
        if self.source not in self.sources:
            raise ValueError(f"{self.title}: no source is called {self.source}")
        return self

    def source_of(self, row: Row, column: str) -> Source:
        """Return where a row's figure in a column stands."""
        return self.sources[row.sources.get(column, row.source)]
