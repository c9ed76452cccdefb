"""Feature cache: a SQLite file of vectors, one a scale of an image.

A key names all that a vector depends on: the MAE's fingerprint with the scale's settings and the
precision (hashed), the image's sha256, and what was done to the image. So another MAE for one scale
leaves what was measured at the others in use.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from cinemae.likelihood.conditional import FloatArray


class FeatureCache:
    """Vectors on disk; safe against a kill at any moment, since each batch is one transaction.

    Attributes:
        path: The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file and its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = sqlite3.connect(path, timeout=60)
        self._db.execute("PRAGMA journal_mode=WAL")
        with self._db:
            self._db.execute("CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, vector BLOB NOT NULL)")

    def get(self, key: str) -> FloatArray | None:
        """Return a vector, or None if it was never measured."""
        row = self._db.execute("SELECT vector FROM features WHERE key = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], dtype="<f4")

    def put(self, items: dict[str, FloatArray]) -> None:
        """Store vectors in one transaction."""
        rows = [(key, np.ascontiguousarray(vector, dtype="<f4").tobytes()) for key, vector in items.items()]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", rows)

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self._db.execute("SELECT COUNT(*) FROM features").fetchone()[0])

    def __enter__(self) -> Self:
        """Return the cache; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._db.close()
