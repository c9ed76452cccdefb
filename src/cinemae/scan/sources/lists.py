"""Lists: text files with one path or URI a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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

    A list that can't be read to its end gives a last line with a problem.

    Raises:
        StorageError: If it can't be opened.
    """
    with storage.open(path) as file:
        number = offset = 0
        while True:
            number += 1
            try:
                line = file.readline(LONGEST_LINE)
                size = len(line)
                if size == LONGEST_LINE and not line.endswith(b"\n"):
                    while (more := file.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
                        size += len(more)
                    yield ListLine(number, offset, size, problem=f"longer than {LONGEST_LINE:,} bytes")
                    offset += size + len(more)
                    continue
            except StorageError as error:
                yield ListLine(number, offset, 0, problem=f"{error.reason}; lines from here on are not listed")
                return
            if not line:
                return
            if (text := decode_line(line, first=number == 1)) and not text.startswith("#"):
                yield ListLine(number, offset, size, text)
            offset += size


def decode_line(line: bytes, *, first: bool = False) -> str:
    """Return a line's text; a file name that is no UTF-8 keeps its bytes."""
    return line.decode("utf-8", "surrogateescape").removeprefix("\ufeff" if first else "").strip()
