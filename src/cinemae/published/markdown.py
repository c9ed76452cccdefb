"""A published table in Markdown, with our rows under it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from string import ascii_lowercase

from cinemae.metrics.tables import markdown_table
from cinemae.published.schema import MARKS, PublishedTable, Row, Value
from cinemae.published.tables import table

_NO = "†"
_UNKNOWN = "(?)"


def markdown(name: str, ours: Mapping[str, Mapping[str, float]], *, reproductions: bool = True) -> str:
    """Return a published table with our rows last, in bold, and what each row rests on.

    Args:
        name: The table.
        ours: Label of the row -> accuracies in per cent by column title; columns may be missing.
        reproductions: Whether later re-measurements are shown, too.

    Raises:
        ValueError: If there is no such table or column, or a figure is not in [0, 100].
    """
    published = table(name)
    for label, figures in ours.items():
        _check(published, label, figures)
    rows = [row for row in published.rows if reproductions or row.kind == "paper"]
    letters = _letters(published, rows)
    notes = [_notes(published, row, letters) for row in rows]
    numbers: dict[str, int] = {}
    for lines in notes:
        for line in lines:
            numbers.setdefault(line, len(numbers) + 1)
    body = [
        [
            _method(row),
            *_values(published, row),
            ", ".join([letters[source] for source in _figure_sources(row)] + [str(numbers[line]) for line in lines]),
        ]
        for row, lines in zip(rows, notes, strict=True)
    ]
    body += [_our_row(published, label, figures) for label, figures in ours.items()]
    titles = [column.title for column in published.columns] + (["mean"] if published.averaged else [])
    return (
        "\n".join(
            [
                f"{published.title}: {published.protocol} (source {letters[published.source]}).",
                "",
                markdown_table(["method", *titles, "source, notes"], body).rstrip("\n"),
                "",
                *_legend(rows),
                *(f"- {letters[key]}: {_source(published, key)}" for key in letters),
                "",
                *(f"{number}. {line}" for line, number in numbers.items()),
            ]
        ).rstrip("\n")
        + "\n"
    )


def _check(published: PublishedTable, label: str, figures: Mapping[str, float]) -> None:
    titles = [column.title for column in published.columns]
    for title, figure in figures.items():
        if title not in titles:
            near = difflib.get_close_matches(title, titles, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(titles)}"
            raise ValueError(f"{label}: {published.title} has no column {title}; {hint}")
        if not 0 <= figure <= 100:
            raise ValueError(f"{label}: {figure} in {title} is not in per cent")


def _letters(published: PublishedTable, rows: Sequence[Row]) -> dict[str, str]:
    """Source id -> letter, in the order in which a reader meets them."""
    ids = dict.fromkeys([published.source, *(source for row in rows for source in row.cited())])
    return {source: _letter(number) for number, source in enumerate(ids)}


def _letter(number: int) -> str:
    """Number from 0 -> a, b, ... z, aa, ab, ..."""
    first, last = divmod(number, len(ascii_lowercase))
    return (_letter(first - 1) if first else "") + ascii_lowercase[last]


def _figure_sources(row: Row) -> list[str]:
    return list(dict.fromkeys([row.source, *row.sources.values()]))


def _method(row: Row) -> str:
    if row.comparable is True:
        return row.method
    return f"{row.method} {_NO if row.comparable is False else _UNKNOWN}"


def _decimals(values: Sequence[Value]) -> int:
    """Digits after the point of the most exact figure: the others were stated as exactly."""
    given = [repr(value).partition(".")[2] for value in values if value is not None]
    return max((len(digits) for digits in given), default=1)


def _text(value: Value, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _values(published: PublishedTable, row: Row) -> list[str]:
    values = row.values if row.values is not None else (None,) * len(published.columns)
    digits = _decimals(values)
    texts = [_text(value, digits) for value in values]
    if not published.averaged:
        return texts
    mean = _text(row.mean, max(digits, _decimals([row.mean])))
    if row.mean is None and row.recomputed is not None:
        mean = f"({row.recomputed:.1f})"
    if row.mean_differs:
        mean = f"{mean} (**{row.recomputed:.1f}**)"
    return [*texts, mean]


def _our_row(published: PublishedTable, label: str, figures: Mapping[str, float]) -> list[str]:
    values = [figures.get(column.title) for column in published.columns]
    given = [value for value in values if value is not None]
    row = [f"**{label}**", *(f"**{value:.1f}**" if value is not None else "" for value in values)]
    if published.averaged:
        mean = f"**{sum(given) / len(given):.1f}**" if given else ""
        missing = len(values) - len(given)
        row.append(f"{mean} ({len(given)} of {len(values)})" if given and missing else mean)
    return [*row, "this run"]


def _notes(published: PublishedTable, row: Row, letters: Mapping[str, str]) -> list[str]:
    """What is to be said of a row, a line each; every line names no row, so that rows can share it."""
    lines = []
    if row.comparable is not True:
        lines.append(f"{'Not' if row.comparable is False else 'Perhaps not'} comparable: {row.reason}.")
    if row.mean_differs:
        lines.append(f"The stated mean, {row.mean}, does not follow from the row, which gives {row.recomputed:.2f}.")
    for title, source in row.sources.items():
        lines.append(f"{title}: from {letters[source]}.")
    for note in row.notes:
        text = note.text[0].upper() + note.text[1:]
        lines.append(f"{text} ({letters[note.source]})." if note.source else f"{text}.")
    for report in row.conflicts:
        figures = "/".join(_text(value, _decimals(report.values)) for value in report.values) if report.values else ""
        mean = f"mean {report.mean}" if report.mean is not None else ""
        stated = ", ".join(part for part in (figures, mean, report.note) if part)
        lines.append(f"{letters[report.source]} states for {row.method}: {stated}.")
    return lines


def _legend(rows: Sequence[Row]) -> list[str]:
    lines = ["Empty: not public. In brackets: the mean of the row's figures, where none is stated or another one is."]
    if any(row.comparable is False for row in rows):
        lines.append(f"{_NO}: other data or another protocol.")
    if any(row.comparable is None for row in rows):
        lines.append(f"{_UNKNOWN}: whether it is the same protocol is not known.")
    marks = "; ".join(f"[{mark}] {text}" for mark, text in MARKS.items())
    return [f"{' '.join(lines)} Sources: {marks}.", ""]


def _source(published: PublishedTable, key: str) -> str:
    source = published.sources[key]
    return f"[{source.mark}] {source.text}" + (f", <{source.url}>" if source.url else "")
