"""TIFF: a file that is one EXIF structure; XMP, IPTC and C2PA are entries of its first directory."""

from __future__ import annotations

from cinemae.evidence.containers.blocks import MOST_BYTES, Buffer, Parts
from cinemae.evidence.exif import read_tags

_XMP, _IPTC, _PHOTOSHOP, _C2PA = 700, 33723, 34377, 52545


def walk(data: Buffer, parts: Parts) -> None:
    """Collect what the first directory holds."""
    tags = read_tags(data, most=MOST_BYTES)
    if _XMP in tags.raw:
        parts.add("xmp", "TIFF XMP", tags.raw[_XMP])
    for tag, where in ((_PHOTOSHOP, "TIFF Photoshop"), (_IPTC, "TIFF IPTC")):
        if tag in tags.raw:
            parts.add("iptc", where, tags.raw[tag])
    if _C2PA in tags.raw:
        parts.add("c2pa", "TIFF C2PA", b"")
        parts.manifest_bytes = int.from_bytes(tags.raw[_C2PA], "big")
    parts.exif = tags
