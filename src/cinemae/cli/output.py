"""Writing verdicts as they come: a table, JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

from cinemae.evidence.schema import Evidence
from cinemae.leftout import LeftOutCounts
from cinemae.naming import guarded
from cinemae.verdict import Verdict

SCORE_COLUMNS = ("verdict", "P(ai)", "bits/dim", "size", "format", "bytes", "seconds")
WIDTHS = (12, 6, 8, 11, 6, 9, 7)
COLOURS = {"ai": "bold red", "real": "green", "inconclusive": "yellow", "refused": "magenta"}
COLOURS |= {"partly_ai": "bold red", "conflict": "bold yellow"}


class Writer(Protocol):
    """Takes verdicts one by one; what it was given is written whole and flushed."""

    def write(self, verdict: Verdict) -> None:
        """Write one verdict."""
        ...

    def finish(self, left_out: LeftOutCounts) -> None:
        """Say at the end what folders held that is no input; called only if there was something."""
        ...


class JsonWriter:
    """One JSON object a line, in the schema of :class:`~cinemae.verdict.Verdict`.

    If folders held files that are no inputs, a last line counts them: ``{"left_out": {...}}``, the schema of
    :class:`~cinemae.leftout.LeftOutCounts`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, verdict: Verdict) -> None:
        """Write one line."""
        self.stream.write(verdict.model_dump_json() + "\n")
        self.stream.flush()

    def finish(self, left_out: LeftOutCounts) -> None:
        """Write a last line with the counts."""
        self.stream.write(f'{{"left_out":{left_out.model_dump_json()}}}\n')
        self.stream.flush()


class CsvWriter:
    """A header and one row a verdict; columns are the schema's fields with those of some spread out.

    A text that a spreadsheet would take for a formula gets an apostrophe before it
    (:func:`cinemae.naming.guarded`). ``band`` becomes ``band_low`` and ``band_high``, ``error`` becomes
    ``error_type`` and ``error_message``, ``conclusion`` its own three
    fields, ``evidence`` the generator, its findings as JSON, and what contradicts; ``notes`` are joined by ``; ``. None
    is an empty cell.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.rows = csv.DictWriter(stream, list(csv_row(Verdict(path=""))), lineterminator="\n")
        self.rows.writeheader()
        stream.flush()

    def write(self, verdict: Verdict) -> None:
        """Write one row."""
        row = csv_row(verdict)
        self.rows.writerow({name: guarded(value) if isinstance(value, str) else value for name, value in row.items()})
        self.stream.flush()

    def finish(self, left_out: LeftOutCounts) -> None:
        """Write nothing: a row is an input; standard error says it."""


class TableWriter:
    """A readable line a verdict, in columns of fixed width so that no line waits for the next ones.

    Below it stands the conclusion, if the file says anything of itself. On a terminal it is coloured, and printed above
    a progress bar that shares the console.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._print(aligned(SCORE_COLUMNS, "path"), "bold")

    def write(self, verdict: Verdict) -> None:
        """Print one line."""
        label, line = table_line(verdict)
        self._print(line, COLOURS[label], len(label))
        if (told := conclusion_line(verdict)) is not None:
            self._print(f"  -> {told}", "italic")

    def finish(self, left_out: LeftOutCounts) -> None:
        """Print nothing: a line is an input; standard error says it."""

    def _print(self, line: str, style: str, styled: int | None = None) -> None:
        from rich.text import Text

        text = Text(line)
        text.stylize(style, 0, styled)
        self.console.print(text, soft_wrap=True)
        self.console.file.flush()


def make_writer(kind: str, stream: TextIO | None = None) -> Writer:
    """Return the writer of a kind: ``table``, ``json`` or ``csv``; it writes to standard output by default."""
    out = stream or sys.stdout
    if isinstance(out, io.TextIOWrapper):
        # Names may hold any character, whatever the locale's encoding has.
        encoding = None if kind == "table" else "utf-8"
        out.reconfigure(encoding=encoding, errors="backslashreplace", newline="\n" if kind != "table" else None)
    kinds: dict[str, Callable[[TextIO], Writer]] = {"table": TableWriter, "json": JsonWriter, "csv": CsvWriter}
    return kinds[kind](out)


def csv_row(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as a flat row; see :class:`CsvWriter`."""
    row: dict[str, object] = verdict.model_dump(exclude={"error", "band", "notes", "evidence", "conclusion"})
    row["band_low"], row["band_high"] = verdict.band or (None, None)
    row["notes"] = "; ".join(verdict.notes)
    row["error_type"] = verdict.error and verdict.error.type
    row["error_message"] = verdict.error and verdict.error.message
    together, evidence = verdict.conclusion, verdict.evidence or Evidence()
    row["conclusion"] = together and together.verdict
    row["conclusion_basis"] = together and together.basis
    row["conclusion_text"] = together and together.text
    row["generator"] = next((one.generator for one in evidence.findings if one.generator), None)
    found = [one.model_dump(exclude_none=True) for one in evidence.findings]
    row["findings"] = json.dumps(found, ensure_ascii=False) if found else None
    row["contradictions"] = "; ".join(evidence.contradictions)
    row["evidence_notes"] = "; ".join(evidence.notes)
    return row


def conclusion_line(verdict: Verdict) -> str | None:
    """Return the conclusion as one line for people; None if it says no more than the verdict does."""
    if verdict.conclusion is None or verdict.evidence is None:
        return None
    if not (verdict.evidence.findings or verdict.evidence.contradictions or verdict.evidence.notes):
        return None
    notes = f"; not read: {'; '.join(verdict.evidence.notes[:3])}" if verdict.evidence.notes else ""
    return one_line(verdict.conclusion.text + notes)


def table_line(verdict: Verdict) -> tuple[str, str]:
    """Return a verdict's label and its line of the table.

    An input that was scored and whose map can't be written has its numbers, and the error at the end.
    """
    if verdict.error is not None and verdict.verdict is None:
        label = "refused"
        cells = [label, *["-"] * (len(SCORE_COLUMNS) - 2), f"{verdict.seconds:.2f}"]
        last = verdict.error.message
    else:
        label = verdict.verdict or (verdict.conclusion and verdict.conclusion.verdict) or "inconclusive"
        cells = [
            label,
            _number(verdict.probability, 3),
            _number(verdict.bits_per_dim, 3),
            "-" if verdict.width is None else f"{verdict.width}x{verdict.height}",
            verdict.format or "-",
            "-" if verdict.file_bytes is None else readable_bytes(verdict.file_bytes),
            f"{verdict.seconds:.2f}",
        ]
        last = verdict.path if verdict.error is None else verdict.error.message
        last += f"  ({'; '.join(verdict.notes)})" if verdict.notes else ""
    return label, aligned(cells, one_line(last))


def aligned(cells: Sequence[str], last: str) -> str:
    """Return cells at their columns' widths, words to the left and numbers to the right, and a last one."""
    words = {SCORE_COLUMNS.index("verdict"), SCORE_COLUMNS.index("format")}
    padded = [
        cell.ljust(width) if number in words else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    ]
    return "  ".join([*padded, last])


def one_line(text: str) -> str:
    """Escape control characters: a file's name must neither break the table nor steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def readable_bytes(count: int) -> str:
    """Return a number of bytes for people: ``812 B``, ``34.1 kB``, ``2.5 MB``."""
    for unit, size in (("MB", 1_000_000), ("kB", 1000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
