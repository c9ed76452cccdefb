"""File facts: what is known of an image from its header, before a pixel is decoded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cinemae.audit.jpeg import file_quality, progressive, subsampling
from cinemae.images.convert import ALPHA_MODES
from cinemae.images.identify import identify
from cinemae.images.samples import BITS_PER_SAMPLE

Value = float | str
Group = Literal["file", "history", "pixels"]

_EXIF_DIRECTORY, _ICC_TAG, _XMP_TAG, _DESCRIPTION = 34665, 34675, 700, 270
_PNG_CHUNKS = {b"eXIf": "exif", b"iCCP": "icc", b"tEXt": "text", b"zTXt": "text", b"iTXt": "text"}
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_LARGEST_MULTIPLE = 256


class Fact(NamedTuple):
    """What one fact or statistic is.

    Attributes:
        name: Its name in tables.
        group: ``file`` (the header), ``history`` (traces of earlier compression in the pixels) or
            ``pixels`` (other statistics of pixels that say nothing of what is shown).
        meaning: One line for the reader of a table.
        words: Whether its values are words, not numbers.
    """

    name: str
    group: Group
    meaning: str
    words: bool = False


FILE_FACTS = (
    Fact("format", "file", "file format", words=True),
    Fact("width", "file", "width in pixels, as stored"),
    Fact("height", "file", "height in pixels, as stored"),
    Fact("aspect", "file", "width / height"),
    Fact("megapixels", "file", "width x height"),
    Fact("side_multiple", "file", "largest power of two, up to 256, that divides both sides"),
    Fact("bytes_per_pixel", "file", "file size / number of pixels"),
    Fact("bit_depth", "file", "bits a sample"),
    Fact("channels", "file", "samples a pixel"),
    Fact("alpha", "file", "has transparency"),
    Fact("jpeg_quality", "file", "JPEG quality 1 to 100, nearest standard tables"),
    Fact("jpeg_standard", "file", "the JPEG's tables are exactly the standard ones"),
    Fact("chroma", "file", "chroma subsampling of a JPEG", words=True),
    Fact("progressive", "file", "progressive JPEG"),
    Fact("exif", "file", "has EXIF"),
    Fact("icc", "file", "has a colour profile"),
    Fact("xmp", "file", "has XMP"),
    Fact("text", "file", "has a comment or a text chunk"),
)
"""Facts of a file, in the order of the tables. What a format does not have is not a number, or ``none``."""


def read_facts(data: bytes, name: str) -> dict[str, Value]:
    """Read the facts of one file; nothing is decoded.

    Args:
        data: The whole file.
        name: What errors call it.

    Returns:
        A value for every one of ``FILE_FACTS``: a number (0 or 1 for no and yes) or a word; not a
        number where the format has no such thing.

    Raises:
        ImageError: If the header can't be read.
    """
    image = identify(data, name)
    width, height = image.size
    values: dict[str, Value] = {
        "format": str(image.format),
        "width": float(width),
        "height": float(height),
        "aspect": width / height,
        "megapixels": width * height / 1e6,
        "side_multiple": float(math.gcd(width, height, _LARGEST_MULTIPLE)),
        "bytes_per_pixel": len(data) / (width * height),
        "bit_depth": float(_bit_depth(image, data)),
        "channels": float(len(image.getbands())),
        "alpha": float(image.mode in ALPHA_MODES or "transparency" in image.info),
    }
    values |= _jpeg_facts(image) if isinstance(image, JpegImageFile) else _NO_JPEG
    present = _metadata(image, data)
    return values | {kind: float(kind in present) for kind in ("exif", "icc", "xmp", "text")}


_NO_JPEG: Mapping[str, Value] = {
    "jpeg_quality": math.nan,
    "jpeg_standard": math.nan,
    "chroma": "none",
    "progressive": math.nan,
}


def _jpeg_facts(image: JpegImageFile) -> dict[str, Value]:
    quality = file_quality(image)
    return {
        "jpeg_quality": math.nan if quality is None else float(quality.quality),
        "jpeg_standard": math.nan if quality is None else float(quality.exact),
        "chroma": subsampling(image),
        "progressive": float(progressive(image)),
    }


def _bit_depth(image: Image.Image, data: bytes) -> int:
    """Return the bits of a sample as stored; of a palette, those of its index."""
    if image.format == "PNG":
        return data[24]
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(BITS_PER_SAMPLE, (8,))))
    if image.mode == "1":
        return 1
    return int(image.info.get("bit_depth", 8))


def _metadata(image: Image.Image, data: bytes) -> set[str]:
    """Return which of exif, icc, xmp and text the file has."""
    if image.format == "PNG":  # Pillow reads what comes before the pixels only
        return _png_metadata(data)
    info: Mapping[Any, Any] = image.info
    present = {"exif": info.get("exif"), "icc": info.get("icc_profile"), "xmp": info.get("xmp")}
    present["text"] = info.get("comment")
    if isinstance(image, TiffImageFile):
        tags = {"exif": _EXIF_DIRECTORY, "icc": _ICC_TAG, "xmp": _XMP_TAG, "text": _DESCRIPTION}
        present = {kind: tag in image.tag_v2 for kind, tag in tags.items()}
    return {kind for kind, value in present.items() if value}


def _png_metadata(data: bytes) -> set[str]:
    """Walk through all chunks of a PNG, those after the pixels too."""
    found = set()
    at = 8
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind in _PNG_CHUNKS:
            is_xmp = kind == b"iTXt" and data[at + 8 : at + 8 + len(_XMP_KEYWORD)] == _XMP_KEYWORD
            found.add("xmp" if is_xmp else _PNG_CHUNKS[kind])
        at += 12 + length  # length, name and checksum
    return found
