"""What the clients send: photographs in every format, and bodies that must be refused."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket")
FORMATS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("JPEG", "jpg", {"quality": 90}),
    ("JPEG", "jpg", {"quality": 75, "progressive": True}),
    ("PNG", "png", {"compress_level": 4}),
    ("WEBP", "webp", {"quality": 85}),
    ("JPEG", "jpg", {"quality": 95, "subsampling": 0}),
    ("GIF", "gif", {}),
    ("TIFF", "tif", {"compression": "tiff_lzw"}),
    ("BMP", "bmp", {}),
)


@dataclass(frozen=True)
class Refused:
    """A file that is no picture to score.

    Attributes:
        data: The file's bytes.
        error: Class of the refusal.
        status: HTTP status of the refusal.
    """

    data: bytes
    error: str
    status: int


def good_images(count: int, sides: tuple[int, int], seed: int = 0) -> dict[str, bytes]:
    """Return different files by name: cut-outs of photographs, in all formats in turn.

    Args:
        count: How many.
        sides: Least and most length of the long side, in pixels.
        seed: Of places, sizes and turns.
    """
    rng = np.random.default_rng(seed)
    files = {}
    for number in range(count):
        photo = Image.fromarray(getattr(skimage.data, PHOTOS[number % len(PHOTOS)])())
        share = rng.uniform(0.6, 1.0)
        width, height = round(photo.width * share), round(photo.height * share)
        left, top = rng.integers(0, photo.width - width + 1), rng.integers(0, photo.height - height + 1)
        part = photo.crop((left, top, left + width, top + height))
        scale = rng.integers(sides[0], sides[1] + 1) / max(part.size)
        part = part.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
        kind, suffix, options = FORMATS[number % len(FORMATS)]
        stream = io.BytesIO()
        part.save(stream, kind, **options)
        files[f"{number:03d}.{suffix}"] = stream.getvalue()
    return files


def refused_images() -> dict[str, Refused]:
    """Return files that must be refused, by what is wrong with them."""
    photo = Image.fromarray(skimage.data.chelsea())
    jpeg, png, tiny = io.BytesIO(), io.BytesIO(), io.BytesIO()
    photo.save(jpeg, "JPEG")
    photo.save(png, "PNG")
    photo.resize((16, 16)).save(tiny, "PNG")
    broken = bytearray(png.getvalue())
    broken[len(broken) // 2] ^= 0xFF
    return {
        "text": Refused(b"This is a text, whatever its name says. " * 50, "UnsupportedFormatError", 415),
        "cut": Refused(jpeg.getvalue()[: len(jpeg.getvalue()) // 2], "TruncatedImageError", 422),
        "bomb": Refused(_bomb(), "PixelLimitError", 413),
        "empty": Refused(b"", "UnreadableFileError", 400),
        "tiny": Refused(tiny.getvalue(), "TooSmallError", 422),
        "broken": Refused(bytes(broken), "CorruptImageError", 422),
    }


def _bomb() -> bytes:
    """A few bytes that declare billions of pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
