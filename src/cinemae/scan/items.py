"""Items of a scan: one image by reference, small enough to be planned by the billion."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

_SPAN = 2**64


class Item(BaseModel):
    """One input of a scan: where its bytes are, not the bytes.

    Attributes:
        id: Name that is unique in the source: the path below the folder, ``shard.tar/member``, or a
            table's id, path or row.
        kind: How the bytes are found at ``place``.
        place: Absolute local path, or URI without user, password and query.
        offset: First byte of a tar member.
        size: Size of the member or the file in bytes, if known. A member has one.
        row: Row of a table, from 0.
        column: Column of that row with the bytes.
        modified: When the file, shard or table was last written, in seconds since the epoch, if known.
        via: Where the address with its user, password or query stands, if they are needed to fetch
            it: a line of a list or a cell of a table (:mod:`cinemae.scan.sources.references`). They
            are secrets, so they are read there again and stored nowhere.
        reason: Why there is nothing to read: what could not be listed is an item too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: Literal["file", "tar", "parquet"]
    place: str
    offset: int | None = None
    size: int | None = None
    row: int | None = None
    column: str | None = None
    modified: float | None = None
    via: str | None = None
    reason: str | None = None


class ItemError(OSError):
    """An item whose bytes can't be had.

    Attributes:
        name: The item's id.
        reason: Why, without secrets.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type[ItemError], tuple[str, str]]:
        """Keep both parts when the error crosses a process boundary."""
        return type(self), (self.name, self.reason)


class MissingItemError(ItemError):
    """The item was listed or named, but is not there."""


class OversizedItemError(ItemError):
    """The item has more bytes than the limit; they were not read."""


class ListingError(ItemError):
    """A folder, shard or table that could not be listed, or a part of one."""


class UniqueIds:
    """Makes ids unique: the second of a name gets ``#2``.

    Keeps 16 bytes an id in a temporary database, which lies on disk once it is large and which goes
    with the process. Two ids whose 64-bit hashes meet count as alike: one gets a suffix that it
    did not need.

    Example:
        >>> ids = UniqueIds()
        >>> [ids.take("a.jpg"), ids.take("a.jpg")]
        ['a.jpg', 'a.jpg#2']
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE ids (hash INTEGER PRIMARY KEY, uses INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def take(self, name: str) -> str:
        """Return the name, or the name with the first free suffix."""
        uses = self._uses(name)
        if uses == 0:
            self._set(name, 1)
            return name
        while self._uses(numbered := f"{name}#{uses + 1}"):
            uses += 1
        self._set(name, uses + 1)
        self._set(numbered, 1)
        return numbered

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()

    def _uses(self, name: str) -> int:
        found = self._database.execute("SELECT uses FROM ids WHERE hash = ?", (_key(name),)).fetchone()
        return int(found[0]) if found else 0

    def _set(self, name: str, uses: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO ids VALUES (?, ?)", (_key(name), uses))


def sample(items: Iterable[Item], fraction: float, *, seed: int = 0) -> Iterator[Item]:
    """Keep a share of the items, chosen by a hash of seed and id.

    The choice of one item depends on no other, so it is the same in every run and order, and a
    larger fraction keeps what a smaller one kept. What could not be listed is always kept.

    Args:
        items: Items.
        fraction: Share to keep, 0 to 1.
        seed: Another seed makes another choice.

    Raises:
        ValueError: If the fraction is not between 0 and 1.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"the fraction to sample must lie between 0 and 1, got {fraction}")
    below = fraction * _SPAN
    return (item for item in items if item.reason is not None or _hash(f"{seed}\n{item.id}") < below)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _key(name: str) -> int:
    return _hash(name) - _SPAN // 2  # SQLite's integers are signed
