"""What every storage can do, whatever it stands on."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from os import PathLike
from typing import BinaryIO, NamedTuple

MOST_BYTES = 1 << 30
_BUFFER = 1 << 19  # of a remote file that is read piece by piece: headers of small tar members share a request


class StorageError(OSError):
    """A storage operation that failed, after the tries that it was worth.

    Attributes:
        place: Path or URI, without secrets.
        reason: Why, without secrets.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason

    def __reduce__(self) -> tuple[type[StorageError], tuple[str, str]]:
        """Keep both parts when the error crosses a process boundary."""
        return type(self), (self.place, self.reason)


class MissingError(StorageError):
    """There is no such file or folder."""


class TooLargeError(StorageError):
    """More bytes than the caller's limit; they were not read."""


class Entry(NamedTuple):
    """A file or a folder.

    Attributes:
        path: Below the storage's root, with ``/``.
        is_folder: Whether it is a folder.
        size: In bytes, if known.
        modified: In seconds since the epoch, if known.
        problem: Why this folder could not be listed; only :meth:`Storage.walk` gives these.
    """

    path: str
    is_folder: bool = False
    size: int | None = None
    modified: float | None = None
    problem: str | None = None


class Storage(ABC):
    """A folder or a file, local or remote, and what lies below it.

    Paths are relative to it, with ``/``; ``""`` is the folder or the file itself. Operations may be
    used in several threads. Remote ones are tried again, with pauses, when the failure may pass.

    Attributes:
        uri: Absolute local path, or URI without user, password and query.
        left_out: Counts by kind what listings leave out, if somebody wants to know (:mod:`cinemae.leftout`).
    """

    uri: str
    left_out: Counter[str] | None = None

    def leave_out(self, kind: str) -> None:
        """Count something that a listing leaves out."""
        if self.left_out is not None:
            self.left_out[kind] += 1

    @staticmethod
    def of(place: str | PathLike[str]) -> Storage:
        """Open a place; nothing is read yet.

        Args:
            place: Local path, ``s3://``, ``gs://``, ``http(s)://`` or another scheme of fsspec. The
                query of an S3 or GCS URI has options (see :mod:`cinemae.scan.storage.arrow`).

        Raises:
            ValueError: If the URI can't be used; the message repeats no secret.
            ImportError: If the storage needs a package that is not installed.
        """
        from cinemae.scan.storage.open import open_storage

        return open_storage(place)

    @abstractmethod
    def place(self, path: str = "") -> str:
        """Return the absolute path or URI of something below, without secrets; :meth:`of` reads it."""

    @abstractmethod
    def children(self, path: str = "") -> Iterator[Entry]:
        """List one folder, sorted by name; hidden names (with a dot first) and linked folders are left out.

        Raises:
            StorageError: If it can't be listed; MissingError if it is not there.
        """

    @abstractmethod
    def info(self, path: str = "") -> Entry | None:
        """Return what is there, or None if nothing is.

        Raises:
            StorageError: If that can't be found out.
        """

    @abstractmethod
    def read(self, path: str = "", offset: int = 0, size: int | None = None, *, limit: int = MOST_BYTES) -> bytes:
        """Read bytes.

        Args:
            path: The file.
            offset: First byte.
            size: Number of bytes, or None for all up to the end.
            limit: Most bytes to read.

        Returns:
            Exactly ``size`` bytes, or the rest of the file.

        Raises:
            MissingError: If the file is not there.
            TooLargeError: If it is more than ``limit`` bytes.
            StorageError: If it can't be read, or ends before ``size`` bytes.
        """

    @abstractmethod
    def write_atomically(self, path: str, data: bytes) -> None:
        """Write a file so that it is there as a whole or not at all, even if the process is killed.

        Folders are made as needed; a file that is there is replaced.

        Raises:
            StorageError: If it can't be written.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is fine.

        Raises:
            StorageError: If it can't be removed.
        """

    def clean(self, folder: str = "") -> int:
        """Remove what writers that were killed left in a folder; returns the number of files."""
        return 0

    def exists(self, path: str = "") -> bool:
        """Tell whether a file or folder is there.

        Raises:
            StorageError: If that can't be found out.
        """
        return self.info(path) is not None

    def names(self, folder: str = "", *, suffix: str = "") -> list[str]:
        """Return the sorted names of a folder's files with this suffix; none if there is no folder.

        Raises:
            StorageError: If it can't be listed.
        """
        try:
            found = [entry.path.rpartition("/")[2] for entry in self.children(folder) if not entry.is_folder]
        except MissingError:
            return []
        return [name for name in found if name.endswith(suffix)]

    def walk(self, path: str = "") -> Iterator[Entry]:
        """List the files below a folder, folder by folder, each sorted by name.

        In memory are the names of the folders from the root to the current one. A folder that can't
        be listed is an entry with its ``problem``.

        Raises:
            StorageError: If ``path`` itself can't be listed.
        """
        stack = [(path, self.children(path))]
        while stack:
            folder, entries = stack[-1]
            try:
                entry = next(entries, None)
            except StorageError as error:
                if folder == path:
                    raise
                stack.pop()
                yield Entry(folder, is_folder=True, problem=error.reason)
                continue
            if entry is None:
                stack.pop()
            elif entry.is_folder:
                stack.append((entry.path, self.children(entry.path)))
            else:
                yield entry

    def open(self, path: str = "") -> BinaryIO:
        """Open a file for reading, piece by piece and in any order.

        Raises:
            StorageError: If it is not there, or later if a piece can't be read.
        """
        return io.BufferedReader(Pieces(self, path), _BUFFER)


class Pieces(io.RawIOBase):
    """A file whose pieces are read from a storage as they are asked for."""

    def __init__(self, storage: Storage, path: str) -> None:
        found = storage.info(path)
        if found is None:
            raise MissingError(storage.place(path), "no such file")
        if found.is_folder or found.size is None:
            raise StorageError(storage.place(path), "a folder" if found.is_folder else "its size can't be found out")
        self._storage, self._path, self._size, self._at = storage, path, found.size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Return the next byte's place."""
        return self._at

    def readinto(self, buffer: object, /) -> int:
        """Read the next bytes into a buffer; 0 at the end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        size = max(0, min(len(view), self._size - self._at))
        view[:size] = self._storage.read(self._path, self._at, size, limit=size) if size else b""
        self._at += size
        return size


class ReadOnlyStorage(Storage):
    """Storage that nothing is written to: it isn't known whether a half written file could be seen there.

    Attributes:
        why: What is said to who tries.
    """

    why: str

    def write_atomically(self, path: str, data: bytes) -> None:
        """Fail.

        Raises:
            StorageError: Always.
        """
        raise StorageError(self.place(path), self.why)

    def remove(self, path: str) -> None:
        """Fail.

        Raises:
            StorageError: Always.
        """
        raise StorageError(self.place(path), self.why)
