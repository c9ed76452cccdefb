"""IPTC's older form, IIM: datasets in Photoshop's resource blocks or bare."""

from __future__ import annotations

import struct

from cinemae.evidence.words import decode

MOST_RESOURCES, MOST_DATASETS = 1_000, 2_000
_IPTC = 0x0404
NAMES = {
    5: "ObjectName", 25: "Keywords", 40: "SpecialInstructions", 65: "OriginatingProgram", 80: "By-line",
    105: "Headline", 110: "Credit", 115: "Source", 116: "Copyright", 120: "Caption",
}  # fmt: skip


def read_iptc(data: bytes) -> dict[str, list[str]]:
    """Return the datasets of record 2 by name; what is broken ends the reading.

    Args:
        data: Photoshop's resources (``8BIM``), or datasets.
    """
    return _datasets(_resource(data) if data.startswith(b"8BIM") else data)


def _resource(data: bytes) -> bytes:
    place = 0
    for _ in range(MOST_RESOURCES):
        if data[place : place + 4] != b"8BIM" or place + 12 > len(data):
            return b""
        (number,) = struct.unpack(">H", data[place + 4 : place + 6])
        name = data[place + 6] + 1
        start = place + 6 + name + (name & 1)
        size = int.from_bytes(data[start : start + 4], "big")
        if number == _IPTC:
            return data[start + 4 : start + 4 + size]
        place = start + 4 + size + (size & 1)
    return b""


def _datasets(data: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    place = 0
    for _ in range(MOST_DATASETS):
        if place + 5 > len(data) or data[place] != 0x1C:
            break
        record, number = data[place + 1], data[place + 2]
        size = int.from_bytes(data[place + 3 : place + 5], "big")
        if size & 0x8000:  # an extended length, which no text needs
            break
        if record == 2 and number in NAMES:
            found.setdefault(NAMES[number], []).append(decode(data[place + 5 : place + 5 + size]))
        place += 5 + size
    return found
