"""Scores of an evaluation, one a row: which head said what of which image, under which protocol and corruption."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemae.alignment import Protocol
from cinemae.naming import guarded, printable, unguarded
from cinemae.plainfiles import EncodingError, read_text

SCORES_FILE = "scores.csv"
"""What ``cinemae evaluate --out`` calls the file."""


class ScoresError(ValueError):
    """A file of scores that can't be read; the message names the line."""


class ImageScore(BaseModel):
    """One head's probability of one image.

    Attributes:
        name: The image, as its set writes it (``LabelledImage.key``).
        generator: The comparison that it belongs to.
        label: ``ai`` or ``real``.
        source: Where the image comes from.
        split: ``train`` or ``val``.
        head: Name of the head in the evaluation.
        protocol: Alignment before it was scored.
        corruption: What happened to it after that, as ``jpeg:50``; empty for nothing.
        probability: P(AI-generated), 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    generator: str
    label: Literal["ai", "real"]
    source: str
    split: Literal["train", "val"]
    head: str
    protocol: Protocol
    corruption: str = ""
    probability: float = Field(ge=0, le=1)


COLUMNS = tuple(ImageScore.model_fields)


def write_scores(file: Path, scores: Iterable[ImageScore]) -> None:
    """Write scores as CSV; probabilities keep all their digits, and no name is one that a spreadsheet would run.

    Raises:
        OSError: If the file can't be written.
    """
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(COLUMNS)
        for score in scores:
            values = [getattr(score, column) for column in COLUMNS]
            rows.writerow([guarded(printable(value)) if isinstance(value, str) else repr(value) for value in values])


def read_image_scores(file: Path) -> list[ImageScore]:
    """Read a file written by :func:`write_scores`, in its order.

    Raises:
        ScoresError: If a column is missing or unknown, or a value is none of what it may be.
        OSError: If the file can't be read.
    """
    try:
        text = read_text(file)
    except EncodingError as error:
        raise ScoresError(str(error)) from error
    with io.StringIO(text, newline="") as stream:
        reader = csv.DictReader(stream)
        if set(reader.fieldnames or ()) != set(COLUMNS):
            given = ", ".join(reader.fieldnames or ()) or "none"
            raise ScoresError(f"{file}: columns must be {', '.join(COLUMNS)}; they are {given}")
        found = []
        for row in reader:
            try:
                found.append(ImageScore.model_validate(_plain(row)))
            except ValidationError as error:
                first = error.errors()[0]
                column = ".".join(map(str, first["loc"])) or "row"
                raise ScoresError(f"{file}, line {reader.line_num}: {column}: {first['msg']}") from error
    return found


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Take the guards off a row's texts; what is no text, where values are missing or too many, stays."""
    return {name: unguarded(value) if isinstance(value, str) else value for name, value in row.items()}
