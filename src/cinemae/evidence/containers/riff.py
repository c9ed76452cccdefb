"""WebP: the chunks of a RIFF file."""

from __future__ import annotations

from cinemae.evidence.containers.blocks import MOST_BYTES, MOST_STEPS, Buffer, Parts


def walk(data: Buffer, parts: Parts) -> None:
    """Collect EXIF, XMP and the presence of C2PA."""
    place = 12
    for _ in range(MOST_STEPS):
        if place + 8 > len(data):
            return
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + size
        if end > len(data):
            raise IndexError
        if kind == b"EXIF":
            body = data[place + 8 : min(end, place + 9 + MOST_BYTES)]
            parts.add("exif", "WebP EXIF", body[6:] if body.startswith(b"Exif\0\0") else body)
        elif kind == b"XMP ":
            parts.add("xmp", "WebP XMP", data[place + 8 : min(end, place + 9 + MOST_BYTES)])
        elif kind == b"C2PA":
            parts.add("c2pa", "WebP C2PA", b"")
            parts.manifest_bytes = size
        elif kind == b"VP8L":  # lossless: signature, 14 + 14 bits of size, then the bit for alpha
            parts.alpha = bool(data[place + 12] & 0x10)
        place = end + (size & 1)
    parts.note(f"more than {MOST_STEPS:,} chunks: the others are not read")
