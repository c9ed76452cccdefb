"""AVIF and HEIC: items of an ISO base media file, and the box of C2PA."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cinemae.evidence.containers.blocks import MOST_BYTES, Buffer, Parts

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
MOST_BOXES, MOST_ITEMS, MOST_EXTENTS = 10_000, 10_000, 64
MOST_READ = 16  # items with metadata that are read
MOST_META = 8 << 20


def walk(data: Buffer, parts: Parts) -> None:
    """Collect the Exif and XMP items, and the presence of C2PA."""
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"uuid" and data[start : start + 16] == C2PA_UUID:
            if not parts.manifest_bytes:
                parts.add("c2pa", f"{parts.format} uuid box", b"")
                parts.manifest_bytes = end - start
        elif kind == b"meta":
            if end - start > MOST_META:
                parts.note(f"{parts.format}: its list of items is larger than is read")
            else:
                _items(data, start + 4, end, parts)


def _items(data: Buffer, start: int, end: int, parts: Parts) -> None:
    wanted: dict[int, str] = {}
    places: dict[int, list[tuple[int, int]]] = {}
    inside = 0
    for kind, first, last in _boxes(data, start, end):
        if kind == b"iinf":
            wanted = _wanted(data, first, last)
        elif kind == b"iloc":
            places = _places(data[first:last])
        elif kind == b"idat":
            inside = first
    for number, what in list(wanted.items())[:MOST_READ]:
        body = b""
        for place, size in places.get(number, []):
            if len(body) > MOST_BYTES:
                break
            at = place if place >= 0 else inside - 1 - place  # negative: counted inside of idat
            body += data[at : at + min(size, MOST_BYTES + 1)]
        if what == "xmp":
            parts.add("xmp", f"{parts.format} XMP item", body)
        elif len(body) > 4:
            skip = 4 + int.from_bytes(body[:4], "big")
            exif = body[skip:]
            parts.add("exif", f"{parts.format} Exif item", exif[6:] if exif.startswith(b"Exif\0\0") else exif)


def _wanted(data: Buffer, start: int, end: int) -> dict[int, str]:
    """Return the numbers of items that hold EXIF or XMP."""
    found: dict[int, str] = {}
    skip = 6 if data[start] == 0 else 8
    for count, (kind, first, last) in enumerate(_boxes(data, start + skip, end)):
        if kind != b"infe" or count > MOST_ITEMS:
            continue
        version = data[first]
        if version < 2:
            continue
        wide = 4 if version >= 3 else 2
        number = int.from_bytes(data[first + 4 : first + 4 + wide], "big")
        what = data[first + 6 + wide : first + 10 + wide]
        if what == b"Exif":
            found[number] = "exif"
        elif what == b"mime" and b"application/rdf+xml" in data[first : min(last, first + 1024)]:
            found[number] = "xmp"
    return found


def _places(box: bytes) -> dict[int, list[tuple[int, int]]]:
    """Return the extents of each item; a place inside of ``idat`` is given as -1 - place."""
    version, sizes = box[0], int.from_bytes(box[4:6], "big")
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    at, wide = 6, 4 if version == 2 else 2

    def number(count: int) -> int:
        nonlocal at
        if at + count > len(box):
            raise IndexError
        at += count
        return int.from_bytes(box[at - count : at], "big")

    found: dict[int, list[tuple[int, int]]] = {}
    for _ in range(min(number(wide), MOST_ITEMS)):
        item = number(wide)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)
        start = number(base)
        extents = []
        for _ in range(min(number(2), MOST_EXTENTS)):
            if version in (1, 2) and index:
                number(index)
            place, size = start + number(offset), number(length)
            extents.append((place if method == 0 else -1 - place, size))
        if method in (0, 1):
            found[item] = extents
    return found


def _boxes(data: Buffer, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the boxes in a range."""
    for _ in range(MOST_BOXES):
        if place + 8 > end:
            return
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", data[place + 8 : place + 16])
            head = 16
        last = end if size == 0 else place + size
        if size != 0 and (size < head or last > end):
            raise IndexError
        yield kind, place + head, last
        place = last
