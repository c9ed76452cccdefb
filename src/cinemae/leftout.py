"""What a listing leaves out: counted by kind, so that nothing vanishes without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

HIDDEN, HIDDEN_FOLDER, LINKED_FOLDER = "hidden", "hidden folder", "linked folder"
NO_SUFFIX, OUR_MAP = "no suffix", "map of cinemae's"
_LONGEST = 12  # letters of a suffix; what is longer is a part of a name with a dot in it


class LeftOutCounts(BaseModel):
    """Files and folders that were found and are no inputs.

    Attributes:
        count: How many.
        kinds: How many of each kind: a suffix in lower case (``.pdf``), ``hidden``, ``no suffix`` and the like.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    kinds: dict[str, int]


class LeftOut:
    """Counts what is left out, each path once."""

    def __init__(self) -> None:
        self._counter: Counter[str] = Counter()
        self._seen: set[int] = set()

    def add(self, path: str, kind: str | None = None) -> None:
        """Count a path.

        Args:
            path: What is left out.
            kind: Its kind; None takes it from the name.
        """
        if (key := hash(path)) not in self._seen:
            self._seen.add(key)
            self._counter[kind or kind_of(path)] += 1

    def counts(self) -> LeftOutCounts | None:
        """Return the counts, most frequent kinds first; None if nothing was left out."""
        return as_counts(self._counter)


def as_counts(kinds: Mapping[str, int]) -> LeftOutCounts | None:
    """Return counts by kind with their sum, most frequent kinds first; None if there are none."""
    ordered = dict(sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0])))
    return LeftOutCounts(count=sum(ordered.values()), kinds=ordered) if ordered else None


def kind_of(path: str) -> str:
    """Return the kind of a file that is no image by its name: hidden, its suffix, or that it has none.

    Example:
        >>> kind_of("a/report.PDF"), kind_of("a/.DS_Store"), kind_of("README")
        ('.pdf', 'hidden', 'no suffix')
    """
    name = PurePosixPath(path.replace("\\", "/")).name
    if name.startswith("."):
        return HIDDEN
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if 1 < len(suffix) <= _LONGEST and suffix.isprintable() else NO_SUFFIX


def sentence(found: LeftOutCounts, most: int = 8) -> str:
    """Return counts as a part of a sentence: ``left out: 3 (2 .pdf, 1 hidden)``."""
    kinds = [f"{count:,} {kind}" for kind, count in found.kinds.items()]
    more = [f"{len(kinds) - most} more kinds"] if len(kinds) > most else []
    return f"left out as no images: {found.count:,} ({', '.join(kinds[:most] + more)})"
