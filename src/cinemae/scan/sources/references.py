"""Paths and URIs that stand in a list or in a table: where they lead, and what may be shown of them."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from cinemae.naming import forward
from cinemae.scan.storage.uris import Address, encode_key, is_uri

_LINE = re.compile(r"(\d+)\+(\d+)@(.*)", re.DOTALL)
_CELL = re.compile(r"(\d+):([^@]*)@(.*)", re.DOTALL)


class Line(NamedTuple):
    """Where in a list an address stands: its first byte and its bytes."""

    place: str
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.offset}+{self.size}@{self.place}"


class Cell(NamedTuple):
    """Where in a table an address stands."""

    place: str
    row: int
    column: str

    def __str__(self) -> str:
        return f"{self.row}:{quote(self.column, safe='')}@{self.place}"


def parse_via(text: str) -> Line | Cell:
    """Read what ``str`` of a line or cell has written.

    Raises:
        ValueError: If it is neither.
    """
    if found := _LINE.fullmatch(text):
        return Line(found[3], int(found[1]), int(found[2]))
    if found := _CELL.fullmatch(text):
        return Cell(found[3], int(found[1]), unquote(found[2]))
    raise ValueError("neither a line of a list nor a cell of a table")


class Reference(NamedTuple):
    """Where a text leads.

    Attributes:
        name: The text without secrets, for an id.
        address: With secrets.
    """

    name: str
    address: Address


def resolve(text: str, base: Address) -> Reference:
    """Find out where a text leads; a relative path begins at the folder of the list or table that has it.

    Args:
        text: Path or URI.
        base: The list or table.

    Raises:
        ValueError: If it is a URI without a valid host.
    """
    if is_uri(text):
        address = Address.of(text)
        return Reference(address.public if address.scheme else text, address)
    folder = base.path.rpartition("/")[0]
    if not base.scheme:
        text = forward(text, folder or ".")
    if not base.scheme or text.startswith("/"):
        return Reference(text, Address("", "", text if text.startswith("/") else f"{folder or '.'}/{text}"))
    written = quote(text) if base.scheme in ("http", "https") else encode_key(text)
    return Reference(text, Address(base.scheme, base.host, f"{folder}/{written}".lstrip("/")))
