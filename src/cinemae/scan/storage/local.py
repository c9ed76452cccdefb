"""The local file system."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR
from typing import BinaryIO, NoReturn

from cinemae.leftout import HIDDEN, HIDDEN_FOLDER, LINKED_FOLDER
from cinemae.plainfiles import open_plain
from cinemae.scan.storage.base import MOST_BYTES, Entry, MissingError, Storage, StorageError, TooLargeError
from cinemae.scan.storage.uris import local_place

_TEMPORARY = ".part-being-written"
_JUST_BEGUN = 60.0  # seconds that an empty temporary file is left alone: its writer may be about to lock it
_TRIES = 3


class LocalStorage(Storage):
    """A local folder or file."""

    def __init__(self, root: str) -> None:
        self.uri = local_place(root)
        self._root = Path(os.path.abspath(root))  # noqa: PTH100 (Path.resolve follows links)

    def place(self, path: str = "") -> str:
        """Return the absolute path."""
        return local_place(str(self._root / path))

    def children(self, path: str = "") -> Iterator[Entry]:
        """List one folder."""
        try:
            with os.scandir(self._root / path) as found:
                names = sorted((entry.name, _folder(entry)) for entry in found)
        except OSError as error:
            self._fail(path, error)
        for name, folder in names:
            below = f"{path}/{name}" if path else name
            if name.startswith("."):
                self.leave_out(HIDDEN_FOLDER if folder else HIDDEN)
                continue
            if folder is None:
                self.leave_out(LINKED_FOLDER)
                continue
            yield Entry(below, is_folder=True) if folder else self._file(below)

    def info(self, path: str = "") -> Entry | None:
        """Return what is there."""
        try:
            found = (self._root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._fail(path, error)
        return Entry(path, S_ISDIR(found.st_mode), found.st_size, found.st_mtime)

    def read(self, path: str = "", offset: int = 0, size: int | None = None, *, limit: int = MOST_BYTES) -> bytes:
        """Read bytes; the file is closed again at once."""
        try:
            with open_plain(self._root / path, buffering=0) as file:
                rest = max(0, os.fstat(file.fileno()).st_size - offset)
                wanted = rest if size is None else size
                if wanted > limit:
                    raise TooLargeError(self.place(path), f"{wanted:,} bytes are more than {limit:,}")
                file.seek(offset)
                data = _read(file, wanted)
        except StorageError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a null byte in the name
            self._fail(path, error)
        if len(data) < wanted:
            raise StorageError(self.place(path), f"ends after {len(data):,} of {wanted:,} bytes")
        return data

    def open(self, path: str = "") -> BinaryIO:
        """Open a file."""
        try:
            return open_plain(self._root / path)
        except (OSError, ValueError) as error:
            self._fail(path, error)

    def write_atomically(self, path: str, data: bytes) -> None:
        """Write a file under a temporary name, to the disk, and rename it."""
        target = self._root / path
        for attempt in range(_TRIES):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _replace(target, data)
            except FileNotFoundError as error:  # a clean() that began in the instant before our lock took the file
                if attempt == _TRIES - 1:
                    self._fail(path, error)
            except OSError as error:
                self._fail(path, error)
            else:
                return

    def remove(self, path: str) -> None:
        """Remove a file."""
        try:
            (self._root / path).unlink(missing_ok=True)
        except OSError as error:
            self._fail(path, error)

    def clean(self, folder: str = "") -> int:
        """Remove temporary files whose writer is no more: it would hold their lock."""
        removed = 0
        try:
            for file in (self._root / folder).glob(f".*{_TEMPORARY}"):
                removed += _remove_if_dead(file)
        except OSError as error:
            self._fail(folder, error)
        return removed

    def _file(self, path: str) -> Entry:
        try:
            found = (self._root / path).stat()
        except OSError:  # a link to nothing, or gone since: whoever reads it gets the error
            return Entry(path)
        return Entry(path, size=found.st_size, modified=found.st_mtime)

    def _fail(self, path: str, error: OSError | ValueError) -> NoReturn:
        kind = MissingError if isinstance(error, FileNotFoundError | NotADirectoryError) else StorageError
        text = error.strerror if isinstance(error, OSError) else None
        raise kind(self.place(path), text or str(error)) from error


def _folder(entry: os.DirEntry[str]) -> bool | None:
    """Tell folders (True) from files (False); None is a link to a folder, which could lead round in circles."""
    if entry.is_symlink():
        try:
            return None if entry.is_dir() else False
        except OSError:  # a circle of links
            return False
    return entry.is_dir()


def _read(file: BinaryIO, size: int) -> bytes:
    """Read up to ``size`` bytes; one read call gives 2 GiB at most, or less on some network drives."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _replace(target: Path, data: bytes) -> None:
    """Write beside the target and rename; a kill leaves a hidden file without a lock."""
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}{_TEMPORARY}")
    try:
        with temporary.open("xb", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name too, not only what it stands for
    finally:
        os.close(folder)


def _remove_if_dead(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(opened.fileno())
            if found.st_size == 0 and time.time() - found.st_mtime < _JUST_BEGUN:
                return False
            file.unlink()
    except (BlockingIOError, FileNotFoundError):  # being written, or just done
        return False
    return True
