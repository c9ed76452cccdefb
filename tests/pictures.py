"""Files of every kind that the decoder meets, made from one photograph; none is stored or downloaded."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms
from skimage import data

ORIENTATION = 0x0112
PNG_START = b"\x89PNG\r\n\x1a\n"


@cache
def photo(height: int = 120, width: int = 160) -> np.ndarray:
    """A part of scikit-image's photograph of the cat Chelsea, (height, width, 3) uint8, not writable."""
    part = np.ascontiguousarray(data.chelsea()[60 : 60 + height, 90 : 90 + width])
    part.setflags(write=False)
    return part


def encode(pixels: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """Write pixels as a file of this kind, in memory."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: np.ndarray, *extra: bytes) -> bytes:
    """A PNG of 8 or 16 bits, grey or RGB, with extra chunks; Pillow writes no RGB of 16 bits."""
    depth = samples.dtype.itemsize * 8
    colour = 2 if samples.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in samples.astype(samples.dtype.newbyteorder(">")))
    body = chunk(b"IDAT", zlib.compress(rows))
    return PNG_START + chunk(b"IHDR", header) + b"".join(extra) + body + chunk(b"IEND", b"")


def png_bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A few bytes that declare billions of pixels and hold none of them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def bombs() -> dict[str, bytes]:
    """Headers of every format that declare far more than 100 MP."""
    small = photo(40, 40)
    jpeg, gif, bmp = (bytearray(encode(small, kind)) for kind in ("JPEG", "GIF", "BMP"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    webp = bytearray(encode(small, "WEBP", exif=oriented_exif(1)))  # EXIF makes it an extended file
    webp[24:30] = (15_999).to_bytes(3, "little") * 2
    return {
        "PNG": png_bomb(),
        "JPEG": bytes(jpeg),
        "GIF": bytes(gif),
        "BMP": bytes(bmp),
        "WEBP": bytes(webp),
        "TIFF": tiff_bomb(),
    }


def tiff_bomb() -> bytes:
    """A TIFF whose single directory declares 60,000 pixels a side."""
    tags = ((256, 60_000), (257, 60_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 60_000), (279, 9))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def oriented_exif(orientation: int) -> bytes:
    """An EXIF block that states an orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


def animation(kind: str, frames: int = 3, **options: Any) -> bytes:
    """An animated file; its first frame is the photograph, the others are negatives of it."""
    first, other = Image.fromarray(photo()), Image.fromarray(255 - photo())
    others = [Image.fromarray(np.roll(np.asarray(other), shift, axis=0)) for shift in range(1, frames)]
    return encode(first, kind, save_all=True, append_images=others, **options)


def cmyk(pixels: np.ndarray) -> Image.Image:
    """The simplest CMYK image of an RGB one."""
    return Image.fromarray(pixels).convert("CMYK")


def tiff(samples: np.ndarray, **options: Any) -> bytes:
    """A TIFF of whatever samples, 16 bits, floats and signed ones too."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="rgb" if samples.ndim == 3 else "minisblack", **options)
    return stream.getvalue()


def srgb_profile() -> bytes:
    """The ICC profile of sRGB, as Pillow makes it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An ICC profile that still calls itself sRGB, but whose red and blue have changed places."""
    profile = bytearray(srgb_profile())
    count = int.from_bytes(profile[128:132], "big")
    places = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)
