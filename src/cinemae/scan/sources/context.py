"""What the listings of all kinds of sources share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cinemae.naming import printable
from cinemae.scan.items import Item
from cinemae.scan.sources.access import Access

SHARDS = (".tar",)
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
TABLES = (".parquet", ".pq")
LISTS = (".txt", ".lst")


@dataclass(frozen=True)
class Context:
    """One listing.

    Attributes:
        access: How places are reached.
        since: Only what was modified then or later is wanted, in seconds since the epoch.
        left_out: Counts by kind what is found in folders and shards and is no input.
    """

    access: Access
    since: float | None = None
    left_out: Counter[str] = field(default_factory=Counter)

    def is_old(self, modified: float | None) -> bool:
        """Tell whether something is not wanted; what has no date is."""
        return self.since is not None and modified is not None and modified < self.since


def problem(name: str, place: str, reason: str) -> Item:
    """Return the item that stands for what could not be listed."""
    return Item(id=printable(name), kind="file", place=place, reason=printable(reason))
