"""A detector's scores, one an image, from a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from cinemae.alignment import Protocol
from cinemae.datasets import LabelledImage, ManifestError
from cinemae.naming import printable, unguarded
from cinemae.plainfiles import EncodingError, read_text

NAMES = ("name", "path")
"""Columns that may hold the image's name."""
SCORES = ("score", "probability")
"""Columns that may hold its score; the second pair of names is that of ``cinemae detect --csv``."""


@dataclass(frozen=True)
class Scores:
    """Scores by protocol and image.

    Attributes:
        by_protocol: Score by the image's name, higher = more likely AI-generated.
        empty: Rows without a score (an input that the detector refused).
    """

    by_protocol: Mapping[Protocol, Mapping[str, float]] = field(default_factory=dict)
    empty: int = 0

    def of(self, images: Sequence[LabelledImage], protocol: Protocol) -> list[float] | None:
        """Return the scores of images under a protocol, not a number for those without one.

        Args:
            images: The images; their name in the set, or their path, is looked up.
            protocol: The protocol.

        Returns:
            None if there are no scores of that protocol.

        Raises:
            ManifestError: If there are, but none is of any of these images.
        """
        known = self.by_protocol.get(protocol)
        if known is None:
            return None
        found = [known.get(printable(image.key), known.get(image.place, math.nan)) for image in images]
        if all(math.isnan(score) for score in found):
            raise ManifestError(
                f"the scores are of other images: none is called {images[0].key!r}, the first of the set"
            )
        return found


def read_scores(file: Path, *, head: str | None = None) -> Scores:
    """Read a CSV file with the columns ``name`` and ``score`` and, if it likes, ``protocol``.

    The name is the image's path as the set writes it (``LabelledImage.name``), or its path on this
    machine. A score is any finite number, higher = more likely AI-generated. Without a protocol the
    scores are those of the files as they are, ``raw``. What ``cinemae evaluate --out`` writes is such a
    file: rows with a ``corruption`` are left out, and where ``head`` names several, one must be chosen.

    Args:
        file: The file.
        head: Read the scores of this head only.

    Raises:
        ManifestError: If a column is missing, a score is no number, a protocol is unknown, an
            image has two scores, or there is none of the head or several heads to choose from; the
            message names the line.
        OSError: If the file can't be read.
    """
    by_protocol: dict[Protocol, dict[str, float]] = {}
    empty, heads = 0, dict[str, None]()
    try:
        text = read_text(file)
    except EncodingError as error:
        raise ManifestError(str(error)) from error
    with io.StringIO(text, newline="") as stream:
        reader = csv.DictReader(stream)
        columns = reader.fieldnames or ()
        name_column, score_column = (_column(columns, wanted, file) for wanted in (NAMES, SCORES))
        for row in reader:
            place = f"{file}, line {reader.line_num}"
            heads[row.get("head") or ""] = None
            if row.get("corruption") or (head is not None and row.get("head") != head):
                continue
            if head is None and len(heads) > 1:
                raise ManifestError(f"{place}: scores of a second head, {row['head']!r}: choose one")
            text = (row[score_column] or "").strip()
            if not text:
                empty += 1
                continue
            scores = by_protocol.setdefault(_protocol(row.get("protocol"), place), {})
            number = _number(text, place)
            if scores.setdefault(unguarded(row[name_column]), number) != number:  # a set may list an image twice
                raise ManifestError(f"{place}: a second score of {row[name_column]!r}")
    if head is not None and head not in heads:
        raise ManifestError(f"{file}: no scores of the head {head!r}; there are {', '.join(map(repr, heads))}")
    if not by_protocol:
        raise ManifestError(f"{file}: no scores")
    return Scores(by_protocol, empty)


def _column(columns: Sequence[str], wanted: Sequence[str], file: Path) -> str:
    for column in wanted:
        if column in columns:
            return column
    raise ManifestError(f"{file}: no column {' or '.join(map(repr, wanted))}; columns are {', '.join(columns)}")


def _protocol(text: str | None, place: str) -> Protocol:
    for known in get_args(Protocol):
        if (text or "raw").strip() == known:
            protocol: Protocol = known
            return protocol
    raise ManifestError(f"{place}: unknown protocol {text!r}; known are {', '.join(get_args(Protocol))}")


def _number(text: str, place: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ManifestError(f"{place}: the score {text!r} is not a finite number")
    return number
