"""What ``cinemae detect`` is given: files, folders, globs, URLs and standard input become sources.

:func:`expand` lists the inputs without opening any, so that their number is known;
:func:`open_inputs` opens them one after the other. What can't be opened is a source too, one that
raises an :class:`OSError` when it is read: the detector reports it in its place in the stream,
like a file that can't be decoded.
"""

from __future__ import annotations

import glob
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cinemae.cli.download import DownloadError, download
from cinemae.images import IMAGE_SUFFIXES, ImageLimits
from cinemae.leftout import HIDDEN_FOLDER, LINKED_FOLDER, OUR_MAP, LeftOut
from cinemae.maps.marks import is_map
from cinemae.naming import printable
from cinemae.plainfiles import read_plain

STDIN = "-"
_MOST = ImageLimits().max_bytes + 1  # enough for the decoder to see that it is too much
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive


@dataclass(frozen=True)
class Input:
    """One input, not yet opened.

    Attributes:
        name: As given, or as found in a folder.
        kind: How it is opened.
        reason: Why it is refused, for ``refused``.
    """

    name: str
    kind: Literal["path", "stdin", "url", "refused"] = "path"
    reason: str = ""


class NamedBytes(io.BytesIO):
    """Bytes in memory with the name of the input that they came from."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


class RefusedInput(NamedBytes):
    """A source that can't be opened: reading it fails with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(b"", name)
        self.reason = reason

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail.

        Raises:
            OSError: Always.
        """
        raise OSError(self.reason)


def expand(arguments: Iterable[str], *, allow_url: bool = False, left_out: LeftOut | None = None) -> list[Input]:
    """List the inputs behind the arguments, in their order.

    A folder gives the image files below it (by suffix, sorted; hidden ones, linked folders and maps that
    cinemae drew are left out), a pattern what it matches, ``-`` standard input. A path that exists is
    never taken for a pattern. A file that several arguments lead to is listed once, unless it is named
    outright more than once.

    Args:
        arguments: As given on the command line.
        allow_url: Whether URLs are inputs.
        left_out: Counts what folders hold beside images.
    """
    skipped = LeftOut() if left_out is None else left_out
    listed: Counter[str] = Counter()
    named: Counter[str] = Counter()
    out: list[Input] = []

    def found(items: Iterable[Input]) -> None:
        for item in items:
            key = _place(item.name)
            if item.kind == "refused" or not listed[key]:
                listed[key] += 1
                out.append(item)

    for argument in arguments:
        if argument == STDIN:
            out.append(Input(STDIN, "stdin"))
        elif _URL.match(argument):
            out.append(_url(argument, allow_url))
        elif _is_folder(argument):
            found(_walk(argument, skipped) or [Input(argument, "refused", "no image file in this folder")])
        elif not os.path.lexists(argument) and glob.has_magic(argument):
            found(_match(argument, skipped) or [Input(argument, "refused", "nothing matches this pattern")])
        else:
            key = _place(argument)
            named[key] += 1
            if listed[key] < named[key]:
                listed[key] += 1
                out.append(Input(argument))
    return out


def open_inputs(inputs: Iterable[Input]) -> Iterator[str | NamedBytes]:
    """Open inputs lazily, in order; none is ever left out.

    Standard input and URLs are read here rather than by the detector's decoding thread, so that
    Ctrl-C ends the wait for them.
    """
    for item in inputs:
        if item.kind == "stdin":
            yield NamedBytes(sys.stdin.buffer.read(_MOST), item.name)
        elif item.kind == "url":
            try:
                yield NamedBytes(download(item.name), item.name)
            except DownloadError as error:
                yield RefusedInput(item.name, str(error))
        elif item.kind == "refused":
            yield RefusedInput(printable(item.name), item.reason)
        elif printable(item.name) != item.name:
            yield _unprintable(item.name)
        else:
            yield item.name


def _unprintable(name: str) -> NamedBytes:
    """Open a file whose name is no text; its verdict must still be JSON."""
    try:
        return NamedBytes(read_plain(name, most=_MOST - 1), printable(name))
    except OSError as error:
        return RefusedInput(printable(name), error.strerror or str(error))


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (Path.is_dir raises for a name that is too long)


def _place(path: str) -> str:
    """Return what tells two ways to write a path alike; links are not followed, they are other files."""
    return os.path.abspath(path)  # noqa: PTH100 (Path.resolve follows links)


def _url(argument: str, allowed: bool) -> Input:
    if not allowed:
        return Input(argument, "refused", "URLs are fetched only with --allow-url")
    if not argument.lower().startswith(("http://", "https://")):
        return Input(argument, "refused", "only http and https URLs are fetched")
    return Input(argument, "url")


def _walk(folder: str, left_out: LeftOut) -> list[Input]:
    """List the image files below a folder; a folder in it that can't be listed is a refused input."""
    out: list[Input] = []

    def blocked(error: OSError) -> None:
        out.append(Input(str(error.filename), "refused", error.strerror or str(error)))

    for place, folders, files in os.walk(folder, onerror=blocked):
        _prune(place, folders, left_out)
        for name in sorted(files):
            path = str(Path(place) / name)
            if name.startswith(".") or Path(name).suffix.lower() not in IMAGE_SUFFIXES:
                left_out.add(path)
            elif is_map(path):
                left_out.add(path, OUR_MAP)
            else:
                out.append(Input(path))
    return out


def _prune(place: str, folders: list[str], left_out: LeftOut) -> None:
    """Take the folders that are not entered out of a list, and count them."""
    for name in folders:
        path = str(Path(place) / name)
        if name.startswith("."):
            left_out.add(path, HIDDEN_FOLDER)
        elif os.path.islink(path):  # noqa: PTH114 (Path.is_symlink raises for a name that is too long)
            left_out.add(path, LINKED_FOLDER)
    folders[:] = sorted(name for name in folders if not name.startswith("."))


def _match(pattern: str, left_out: LeftOut) -> list[Input]:
    """List what a pattern matches, files whatever their suffix: whoever writes ``*`` means them."""
    out: list[Input] = []
    for path in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 (Path.glob takes no absolute pattern)
        out += _walk(path, left_out) if _is_folder(path) else [Input(path)]
    return out
