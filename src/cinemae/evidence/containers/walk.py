"""Which walk a file needs."""

from __future__ import annotations

import struct
from collections.abc import Callable

from cinemae.evidence.containers import bmff, gif, jpeg, png, riff, tiff
from cinemae.evidence.containers.blocks import Buffer, Parts

_AVIF, _HEIF = (b"avif", b"avis"), (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def walk(data: Buffer) -> Parts:
    """Collect the metadata of a file; what is broken is noted, and what was found before it is kept.

    Args:
        data: The whole file, in memory or mapped; only the parts that hold metadata are touched.
    """
    parts = Parts()
    parts.format, parts.mime, step = kind_of(data)
    if step is None:
        return parts
    try:
        step(data, parts)
    except (IndexError, OverflowError, struct.error):
        parts.note(f"the {parts.format} file's structure is broken: metadata behind that place are not read")
    return parts


def kind_of(data: Buffer) -> tuple[str, str, Callable[[Buffer, Parts], None] | None]:
    """Return a file's format and media type by its first bytes, empty if it is none of ours, and its walk, if any."""
    head = data[:32]
    if head.startswith(b"\xff\xd8"):
        return "JPEG", "image/jpeg", jpeg.walk
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", "image/png", png.walk
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP", "image/webp", riff.walk
    if head[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF", "image/tiff", tiff.walk
    if head[:4] == b"GIF8":
        return "GIF", "image/gif", gif.walk
    if head[:2] == b"BM":
        return "BMP", "image/bmp", None  # holds no metadata
    if head[4:8] == b"ftyp":
        if any(brand in head for brand in _AVIF):
            return "AVIF", "image/avif", bmff.walk
        if any(brand in head for brand in _HEIF):
            return "HEIC", "image/heic", bmff.walk
    return "", "", None
