"""Whatever else fsspec knows: Azure, SFTP, HDFS and so on, each with its own package.

What a store does when it is slow or fails for a moment is up to its package; ours are the tries on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import fsspec

from cinemae.leftout import HIDDEN, HIDDEN_FOLDER
from cinemae.scan.storage.base import MOST_BYTES, Entry, ReadOnlyStorage, StorageError, TooLargeError
from cinemae.scan.storage.retry import with_tries
from cinemae.scan.storage.uris import Address, encode_key

T = TypeVar("T")
_FINAL = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
_DATES = ("modified", "last_modified", "LastModified", "mtime", "created")  # each package has its own name for it


class OtherStorage(ReadOnlyStorage):
    """A folder or file of an fsspec file system."""

    why = "is only read from; write to a local folder, s3:// or gs://"

    def __init__(self, address: Address) -> None:
        """Connect.

        Raises:
            ValueError: If fsspec does not know the scheme.
        """
        self.uri, self._address = address.public, address
        try:
            self._system, self._root = fsspec.core.url_to_fs(address.full)
        except ValueError:
            raise ValueError(f"{address.scheme}:// is not a kind of storage that is known here") from None

    def place(self, path: str = "") -> str:
        """Return the URI."""
        root = self._address.path.rstrip("/")
        return self._address.at(f"{root}/{encode_key(path)}".lstrip("/")).public if path else self._address.public

    def children(self, path: str = "") -> Iterator[Entry]:
        """List one folder."""
        found = self._try(path, lambda: self._system.ls(self._full(path), detail=True, refresh=True))
        facts = {str(one["name"]).rstrip("/").rpartition("/")[2]: one for one in found}
        for name in sorted(facts):
            if name.startswith("."):
                self.leave_out(HIDDEN_FOLDER if facts[name]["type"] == "directory" else HIDDEN)
            else:
                yield _entry(f"{path}/{name}" if path else name, facts[name])

    def info(self, path: str = "") -> Entry | None:
        """Return what is there."""
        if not self._try(path, lambda: self._system.exists(self._full(path))):
            return None
        return _entry(path, self._try(path, lambda: self._system.info(self._full(path))))

    def read(self, path: str = "", offset: int = 0, size: int | None = None, *, limit: int = MOST_BYTES) -> bytes:
        """Read bytes."""

        def work() -> bytes:
            rest = max(0, int(self._system.size(self._full(path)) or 0) - offset)
            wanted = rest if size is None else size
            if wanted > limit:
                raise TooLargeError(self.place(path), f"{wanted:,} bytes are more than {limit:,}")
            data: bytes = self._system.cat_file(self._full(path), start=offset, end=offset + wanted)
            if len(data) < wanted:
                raise StorageError(self.place(path), f"ends after {len(data):,} of {wanted:,} bytes")
            return data

        return self._try(path, work)

    def _full(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root

    def _try(self, path: str, work: Callable[[], T]) -> T:
        return with_tries(
            work,
            self.place(path),
            passing=lambda error: not isinstance(error, _FINAL),
            secrets=self._address.secrets(),
        )


def _entry(path: str, facts: dict[str, Any]) -> Entry:
    if facts["type"] == "directory":
        return Entry(path, is_folder=True)
    date = next((facts[name] for name in _DATES if facts.get(name) is not None), None)
    seconds = date.timestamp() if isinstance(date, datetime) else date
    return Entry(path, size=facts.get("size"), modified=seconds if isinstance(seconds, int | float) else None)
