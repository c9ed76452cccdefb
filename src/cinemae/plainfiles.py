"""Files of other people: only regular ones are opened, and text is read by its marks or refused by name.

A named pipe without a writer blocks whoever opens it, a device such as ``/dev/zero`` has no end, and neither is
a picture or a table. So what a path stands for is looked at before it is opened.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
from typing import BinaryIO

KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# UTF-32's first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class NotAFileError(OSError):
    """Something that is there and is no regular file: a pipe, a socket, a device."""


class EncodingError(ValueError):
    """A text that is neither UTF-8 nor has a mark that says what it is; the message names file and line."""


def open_plain(path: str | os.PathLike[str], *, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading, and nothing else; never waits for anybody.

    Args:
        path: The file; links are followed.
        buffering: As for ``open``.

    Raises:
        NotAFileError: If it is a pipe, a socket or a device.
        FileNotFoundError: If it is not there; a link that leads nowhere is said to be one.
        OSError: If it can't be opened for another reason.
        ValueError: If the path has a null byte.
    """
    _require_plain(stat_of(path).st_mode, path)
    # Were it replaced by a pipe just now, O_NONBLOCK would still keep us from waiting; files don't know it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        _require_plain(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb", buffering=buffering)
    except BaseException:
        os.close(handle)
        raise


def stat_of(path: str | os.PathLike[str]) -> os.stat_result:
    """Look at what a path leads to.

    Raises:
        FileNotFoundError: If nothing is there; a link that leads nowhere is said to be one.
        OSError: If it can't be looked at.
        ValueError: If the path has a null byte.
    """
    try:
        return os.stat(path)  # noqa: PTH116 (bytes are paths, too)
    except FileNotFoundError:
        if os.path.islink(path):  # noqa: PTH114 (Path.is_symlink raises for a name that is too long)
            raise FileNotFoundError(errno.ENOENT, "a link that leads nowhere", os.fspath(path)) from None
        raise


def read_plain(path: str | os.PathLike[str], *, most: int | None = None) -> bytes:
    """Read a regular file.

    Args:
        path: The file.
        most: Most bytes; a larger file is not read at all.

    Raises:
        OSError: As :func:`open_plain`, or if it is larger.
        ValueError: If the path has a null byte.
    """
    with open_plain(path) as file:
        if most is not None and os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"larger than the limit of {most:,} bytes", os.fspath(path))
        return file.read()


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a regular file of text: UTF-8, or what the mark at its beginning says (UTF-8, UTF-16 or UTF-32).

    Line ends stay as they are.

    Raises:
        EncodingError: If it is neither; the message names the file, the line and the byte.
        OSError: As :func:`open_plain`.
    """
    return decode_text(read_plain(path), str(path))


def decode_text(data: bytes, name: str) -> str:
    """Decode the bytes of a text file as :func:`read_text` does.

    Raises:
        EncodingError: If that can't be done.
    """
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise EncodingError(
                f"{name}: begins with the mark of {encoding[:6].upper()} and is not ({error})"
            ) from error
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"not UTF-8 (byte 0x{data[error.start]:02x}); save it as UTF-8, or as UTF-16 with its mark"
        raise EncodingError(f"{name}, line {line}: {wrong}") from error
    if "\0" in text:  # UTF-16 without a mark, or no text at all
        line = text.count("\n", 0, text.index("\0")) + 1
        raise EncodingError(f"{name}, line {line}: has null bytes; if it is UTF-16, save it with its mark, or as UTF-8")
    return text


def _require_plain(mode: int, path: str | os.PathLike[str]) -> None:
    for is_kind, what in KINDS:
        if is_kind(mode):
            raise NotAFileError(errno.EINVAL, f"{what}, not a file", os.fspath(path))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise NotAFileError(errno.EINVAL, "not a regular file", os.fspath(path))
