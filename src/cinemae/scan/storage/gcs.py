"""Google Cloud Storage: as S3, but for its folders.

pyarrow sees a folder there only if something has made an object of that name, which most uploads don't. So
what is below a folder is asked for as a whole: a listing costs some hundred bytes of memory an object.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyarrow import fs

from cinemae.leftout import HIDDEN
from cinemae.scan.storage.arrow import ArrowStorage, entry_of
from cinemae.scan.storage.base import Entry


class GcsStorage(ArrowStorage):
    """A bucket, or a folder or object in one."""

    def children(self, path: str = "") -> Iterator[Entry]:
        """List one folder; what is below it is looked through."""
        below = f"{path}/" if path else ""
        found: dict[str, Entry] = {}
        for entry in self._below(path):
            name, slash, _ = entry.path.removeprefix(below).partition("/")
            if name.startswith("."):
                self.leave_out(HIDDEN)
            else:
                found[name] = Entry(below + name, is_folder=True) if slash or entry.is_folder else entry
        yield from (found[name] for name in sorted(found))

    def walk(self, path: str = "") -> Iterator[Entry]:
        """List the files below a folder, with one request for each thousand."""
        below = f"{path}/" if path else ""
        for entry in sorted(self._below(path), key=lambda entry: entry.path.split("/")):
            names = entry.path.removeprefix(below).split("/")
            if entry.is_folder:
                continue
            if any(name.startswith(".") for name in names):
                self.leave_out(HIDDEN)
            else:
                yield entry

    def _below(self, path: str) -> list[Entry]:
        root = self._full("")
        selector = fs.FileSelector(self._full(path), allow_not_found=False, recursive=True)
        found = self._try(path, lambda: self._system.get_file_info(selector))
        return [entry_of(info.path.removeprefix(root).strip("/"), info) for info in found]
