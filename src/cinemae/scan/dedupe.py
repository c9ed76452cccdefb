"""Equal contents beside each other: every input is read and hashed once, then sorted by hash."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from cinemae.pipeline import ordered_map
from cinemae.scan.items import Item
from cinemae.scan.plan import Planned

READERS = 16


def equal_together(items: Iterable[Item], read: Callable[[Item], bytes]) -> Iterator[Planned]:
    """Yield the inputs in the order of their hashes, those with equal bytes in the order of their ids.

    Each but the first of equal ones names that first one. What can't be read comes at the beginning,
    without a hash; why is said when it is scored. The order is the same whatever order the items came in.

    The sort is SQLite's, in a temporary file: memory does not grow with the number of inputs, disk space
    does, by some hundred bytes an input.

    Args:
        items: Inputs.
        read: Returns an input's bytes; its OSErrors mean that it can't be read.
    """

    def hashed(item: Item) -> tuple[str | None, str, str]:
        try:
            digest = hashlib.sha256(read(item)).hexdigest()
        except OSError:  # scoring meets the same error, and records it
            digest = None
        return digest, item.id, item.model_dump_json(exclude_none=True)

    with tempfile.TemporaryDirectory(prefix="cinemae-scan-") as place, closing(_table(Path(place))) as table:
        rows = ordered_map(hashed, items, workers=READERS, ahead=2 * READERS)
        table.executemany("INSERT INTO hashes VALUES (?, ?, ?)", rows)
        table.execute("COMMIT")
        first: tuple[str, str] | None = None
        for sha256, name, text in table.execute("SELECT * FROM hashes ORDER BY sha256, id"):
            copy = first is not None and first[0] == sha256
            if sha256 is not None and not copy:
                first = (sha256, name)
            yield Planned(Item.model_validate_json(text), sha256, first[1] if first and copy else None)


def _table(folder: Path) -> sqlite3.Connection:
    table = sqlite3.connect(folder / "hashes.sqlite", isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
        table.execute(f"PRAGMA {pragma}")
    table.execute("CREATE TABLE hashes (sha256 TEXT, id TEXT, item TEXT)")
    table.execute("BEGIN")
    return table
