"""JPEG: application segments before the pixels."""

from __future__ import annotations

import struct

from cinemae.evidence.containers.blocks import MOST_BYTES, MOST_STEPS, Buffer, Parts

_XMP, _XMP_MORE = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1"
_HEAD = 40  # of an extended packet: digest, whole length, offset


def walk(data: Buffer, parts: Parts) -> None:
    """Collect EXIF, XMP (extended too), IPTC, comments, MPF and the presence of C2PA."""
    place, more = 2, bytearray()
    for _ in range(MOST_STEPS):
        if data[place] != 0xFF:
            raise IndexError
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in (0xDA, 0xD9):
            break
        if 0xD0 <= marker <= 0xD7 or marker == 0x01:
            place += 2
            continue
        (size,) = struct.unpack(">H", data[place + 2 : place + 4])
        end = place + 2 + size
        if end > len(data):
            raise IndexError
        if marker == 0xFE or 0xE1 <= marker <= 0xED:
            _segment(marker, data[place + 4 : end], parts, more)
        place = end
    else:
        parts.note(f"more than {MOST_STEPS:,} segments: the others are not read")
    if more:
        parts.add("xmp", "JPEG APP1 extended XMP", bytes(more))


def _segment(marker: int, body: bytes, parts: Parts, more: bytearray) -> None:
    if marker == 0xFE:
        parts.add("comment", "JPEG comment", body)
    elif marker == 0xE1 and body.startswith(b"Exif\0"):
        parts.add("exif", "JPEG APP1 EXIF", body[6:])
    elif marker == 0xE1 and body.startswith(_XMP):
        parts.add("xmp", "JPEG APP1 XMP", body[len(_XMP) :])
    elif marker == 0xE1 and body.startswith(_XMP_MORE):
        if len(more) + len(body) <= MOST_BYTES:
            more += body[len(_XMP_MORE) + _HEAD :]
        else:
            parts.note("extended XMP: larger than is read")
    elif marker == 0xE2 and body.startswith(b"MPF\0"):
        parts.add("mpf", "JPEG APP2 MPF", body[4:])
    elif marker == 0xE2 and body.startswith(_GAIN_MAP):
        parts.add("gain_map", "JPEG APP2 ISO 21496-1", b"")
    elif marker == 0xEB and body.startswith(b"JP"):
        _manifest(body, parts)
    elif marker == 0xED and body.startswith(b"Photoshop 3.0\0"):
        parts.add("iptc", "JPEG APP13 IPTC", body[14:])


def _manifest(body: bytes, parts: Parts) -> None:
    """Note a C2PA store; its later segments repeat the header of the first one only."""
    if parts.manifest_bytes == 0 and b"c2pa" in body[:200]:
        parts.add("c2pa", "JPEG APP11 JUMBF", b"")
        parts.manifest_bytes = int.from_bytes(body[8:12], "big") or len(body)
