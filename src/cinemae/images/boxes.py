"""The boxes of HEIC and AVIF: which pictures a file lists, and which it calls primary; read within bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

MOST_BOXES = 20_000
MOST_ITEMS = 5_000
MOST_LINKS = 20_000


@dataclass
class Item:
    """One item of the file.

    Attributes:
        kind: ``hvc1``, ``av01``, ``grid`` and so on.
        hidden: Whether it is not meant to be shown by itself.
        extents: Where its bytes lie: method (0 file, 1 the data box), offset, length (0 to the end).
        properties: Its properties, name and body, in order.
        links: What it refers to: the kind of link, and the items.
    """

    kind: bytes = b""
    hidden: bool = False
    extents: list[tuple[int, int, int]] = field(default_factory=list)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    links: list[tuple[bytes, list[int]]] = field(default_factory=list)

    def get(self, name: bytes) -> bytes | None:
        """Return the body of its first property of this name."""
        return next((body for kind, body in self.properties if kind == name), None)

    @property
    def size(self) -> tuple[int, int] | None:
        """Declared width and height, or None."""
        body = self.get(b"ispe")
        return None if body is None or len(body) < 12 else struct.unpack_from(">II", body, 4)


@dataclass(frozen=True)
class Collection:
    """The pictures of a file.

    Attributes:
        primary: Number of the item that the file calls primary, or None if there is no list of items.
        items: All items by their number.
        data: The whole file.
        stored: The bytes of its data box.
        sequence: Whether the file has tracks, that is, a film.
        major: The brand that it names first.
    """

    primary: int | None
    items: dict[int, Item]
    data: bytes
    stored: bytes
    sequence: bool
    major: bytes

    def shown(self) -> list[int]:
        """Return the pictures that stand for themselves, in the order of the file: no parts, previews or masks."""
        parts = {to for item in self.items.values() for kind, tos in item.links if kind == b"dimg" for to in tos}
        pictures = (b"hvc1", b"av01", b"grid", b"iovl", b"iden", b"jpeg", b"avc1", b"unci", b"j2k1")
        return [
            number
            for number, item in self.items.items()
            if item.kind in pictures
            and (number == self.primary or (not item.hidden and number not in parts))
            and not any(kind in (b"thmb", b"auxl") for kind, _ in item.links)
        ]

    def content(self, number: int) -> bytes:
        """Return the bytes of an item."""
        sources = {0: self.data, 1: self.stored}
        parts = []
        for method, offset, length in self.items[number].extents:
            source = sources.get(method, b"")
            parts.append(source[offset : offset + length if length else None])
        return b"".join(parts)


def read_collection(data: bytes) -> Collection | None:
    """Read the items of an ISO base media file; None if it has none that can be read.

    Args:
        data: The whole file.
    """
    if data[4:8] != b"ftyp":
        return None
    items: dict[int, Item] = {}
    primary, stored, sequence = None, b"", False
    with suppress(
        IndexError, struct.error, TooManyBoxesError
    ):  # broken boxes: the decoder says what is wrong with them
        budget = BoxBudget(MOST_BOXES)
        for kind, start, end in find_boxes(data, 0, len(data), budget):
            sequence |= kind == b"moov"
            if kind != b"meta":
                continue
            properties: list[tuple[bytes, bytes]] = []
            for inner, at, stop in find_boxes(data, start + 4, end, budget):
                if inner == b"pitm":
                    primary = _number(data, at + 4, 4 if data[at] else 2)
                elif inner == b"idat":
                    stored = data[at:stop]
                elif inner == b"iinf":
                    _read_kinds(data, at, stop, items, budget)
                elif inner == b"iloc":
                    _read_places(data, at, items)
                elif inner == b"iref":
                    _read_links(data, at, stop, items, budget)
                elif inner == b"iprp":
                    for part, first, last in find_boxes(data, at, stop, budget):
                        if part == b"ipco":
                            properties = [(name, data[a:b]) for name, a, b in find_boxes(data, first, last, budget)]
                        elif part == b"ipma":
                            _read_properties(data, first, items, properties)
    return Collection(primary, items, data, stored, sequence, data[8:12])


class TooManyBoxesError(Exception):
    """More boxes than a file of pictures needs."""


class BoxBudget:
    """How many boxes may still be read.

    Args:
        left: Their number.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self) -> None:
        """Count one.

        Raises:
            TooManyBoxesError: If there was none left.
        """
        self.left -= 1
        if self.left < 0:
            raise TooManyBoxesError


def find_boxes(data: bytes, start: int, end: int, budget: BoxBudget) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the bodies of the boxes between two places.

    Raises:
        IndexError: If the data end inside a box's head.
        TooManyBoxesError: If there are more than may be read.
    """
    while start + 8 <= end:
        budget.spend()
        size, head = _number(data, start, 4), 8
        if size == 1:
            size, head = _number(data, start + 8, 8), 16
        stop = min(start + size, end) if size else end
        if stop < start + head:
            return
        yield data[start + 4 : start + 8], start + head, stop
        start = stop


def _number(data: bytes, start: int, size: int) -> int:
    """Read an unsigned number; nothing is 0."""
    if start + size > len(data):
        raise IndexError(start)
    return int.from_bytes(data[start : start + size], "big")


def _read_kinds(data: bytes, start: int, end: int, items: dict[int, Item], budget: BoxBudget) -> None:
    for kind, at, _ in find_boxes(data, start + (8 if data[start] else 6), end, budget):
        if kind == b"infe" and data[at] >= 2:
            wide = 2 if data[at] == 2 else 4
            item = items.setdefault(_number(data, at + 4, wide), Item())
            item.kind, item.hidden = data[at + 6 + wide : at + 10 + wide], bool(data[at + 3] & 1)


def _read_places(data: bytes, start: int, items: dict[int, Item]) -> None:
    version, sizes = data[start], data[start + 4 : start + 6]
    offset_size, length_size, base_size, index_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15
    wide = 4 if version == 2 else 2
    at = start + 6 + wide
    for _ in range(min(_number(data, start + 6, wide), MOST_ITEMS)):
        number, at = _number(data, at, wide), at + wide
        method = 0
        if version:
            method, at = data[at + 1] & 15, at + 2
        base, at = _number(data, at + 2, base_size), at + 2 + base_size
        count, at = _number(data, at, 2), at + 2
        item = items.setdefault(number, Item())
        for _ in range(min(count, MOST_ITEMS)):
            at += index_size if version else 0
            offset = _number(data, at, offset_size)
            length = _number(data, at + offset_size, length_size)
            at += offset_size + length_size
            item.extents.append((method, base + offset, length))


def _read_links(data: bytes, start: int, end: int, items: dict[int, Item], budget: BoxBudget) -> None:
    wide, left = 4 if data[start] else 2, MOST_LINKS
    for kind, at, _ in find_boxes(data, start + 4, end, budget):
        count = min(_number(data, at + wide, 2), left)
        left -= count
        linked = [_number(data, at + wide + 2 + wide * place, wide) for place in range(count)]
        items.setdefault(_number(data, at, wide), Item()).links.append((kind, linked))


def _read_properties(data: bytes, start: int, items: dict[int, Item], properties: list[tuple[bytes, bytes]]) -> None:
    wide, broad = 4 if data[start] else 2, 2 if data[start + 3] & 1 else 1
    at = start + 8
    for _ in range(min(_number(data, start + 4, 4), MOST_ITEMS)):
        item, count, at = items.setdefault(_number(data, at, wide), Item()), data[at + wide], at + wide + 1
        for _ in range(count):
            index, at = _number(data, at, broad) & (0x7FFF if broad == 2 else 0x7F), at + broad
            if 0 < index <= len(properties):
                item.properties.append(properties[index - 1])
