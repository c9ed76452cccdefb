"""Lists: text files with one path or URI a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from cinemae.scan.storage import Storage, StorageError

LONGEST_LINE = 1 << 16  # bytes; a longer one is no path


class ListLine(NamedTuple):
    """One line that is not empty.

    Attributes:
        number: From 1.
        offset: Its first byte.
        size: Its bytes.
        text: Its text, without spaces at the ends.
        problem: Why it can't be used.
    """

    number: int
    offset: int
    size: int
    text: str = ""
    problem: str | None = None


def read_lines(storage: Storage, path: str = "") -> Iterator[ListLine]:
    """Read the lines of a list; empty ones and those that begin with ``#`` are left out.

    The list is UTF-8, or UTF-16 or UTF-32 if its mark says so; a line of a UTF-8 list that is none keeps
    its bytes, since names of files may be any. A list that can't be read to its end gives a last line with a problem.

    Raises:
        StorageError: If it can't be opened.
    """
    with storage.open(path) as file:
        number = 0
        try:
            encoding = encoding_of(file.read(4))
            file.seek(0)
        except StorageError as error:
            yield ListLine(1, 0, 0, problem=f"{error.reason}; no line is listed")
            return
        for number, (offset, line) in enumerate(_lines(file, encoding), start=1):
            if isinstance(line, StorageError):
                yield ListLine(number, offset, 0, problem=f"{line.reason}; lines from here on are not listed")
                return
            if isinstance(line, int):
                yield ListLine(number, offset, line, problem=f"longer than {LONGEST_LINE:,} bytes")
                continue
            try:
                text = _decode(line, encoding, first=offset == 0)
            except UnicodeDecodeError as error:
                reason = f"not {encoding.upper()}, as the list's mark says ({error})"
                yield ListLine(number, offset, len(line), problem=reason)
                continue
            if text and not text.startswith("#"):
                yield ListLine(number, offset, len(line), text)


def _lines(file: BinaryIO, encoding: str) -> Iterator[tuple[int, bytes | int | StorageError]]:
    """Yield each line's first byte and its bytes; the number of bytes of one that is too long; or why reading ended."""
    end = "\n".encode(encoding)
    offset = 0
    while True:
        try:
            line = _line(file, end, LONGEST_LINE)
            if not line:
                return
            size = len(line)
            if size >= LONGEST_LINE and not line.endswith(end):
                while (more := _line(file, end, LONGEST_LINE)) and not more.endswith(end):
                    size += len(more)
                yield offset, size
                offset += size + len(more)
                continue
        except StorageError as error:
            yield offset, error
            return
        yield offset, line
        offset += size


def _line(file: BinaryIO, end: bytes, most: int) -> bytes:
    """Read up to the end of a line, whatever width its characters have, and about ``most`` bytes."""
    line = file.readline(most)
    while len(end) > 1 and line and len(line) < most:
        if line[-1:] == b"\n" or len(line) % len(end):  # the byte may be a half of a character
            line += file.read(-len(line) % len(end))
        if line.endswith(end) and len(line) % len(end) == 0:
            break
        more = file.readline(most - len(line))
        if not more:
            break
        line += more
    return line


def encoding_of(head: bytes) -> str:
    """Return the encoding that a list's first four bytes state; UTF-8 if they have no mark."""
    wide = ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"))
    narrow = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
    return next((name for mark, name in (*wide, *narrow) if head.startswith(mark)), "utf-8")


def read_line(storage: Storage, offset: int, size: int) -> str:
    """Read one line of a list again.

    Raises:
        StorageError: If it can't be read.
        ValueError: If the list is not what its mark says.
    """
    head = storage.read("", 0, min(4, offset + size))
    return _decode(storage.read("", offset, size), encoding_of(head), first=offset == 0)


def _decode(line: bytes, encoding: str, *, first: bool) -> str:
    """Return a line's text; a file name that is no UTF-8 keeps its bytes."""
    text = line.decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    return text.removeprefix("\ufeff" if first else "").strip()
