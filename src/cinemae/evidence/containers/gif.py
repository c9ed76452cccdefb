"""GIF: XMP in an application extension; its comments."""

from __future__ import annotations

from cinemae.evidence.containers.blocks import MOST_BYTES, Buffer, Parts

_XMP, _COMMENT = b"!\xff\x0bXMP DataXMP", b"!\xfe"
_MAGIC = b"\x01\xff\xfe\xfd"  # begins the trailer that lets a reader of blocks step over the packet


def walk(data: Buffer, parts: Parts) -> None:
    """Collect the XMP packet and the comment before the first frame."""
    start = data.find(_XMP)
    if start >= 0:
        start += len(_XMP)
        end = data.find(_MAGIC, start, start + MOST_BYTES)
        if end < 0:
            parts.note("GIF XMP: its end is missing, or it is larger than is read")
        else:
            parts.add("xmp", "GIF XMP", data[start:end])
    after = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 128 else 0)
    if data[after : after + 2] == _COMMENT:
        size = data[after + 2]
        parts.add("comment", "GIF comment", data[after + 3 : after + 3 + size])
