"""Sound files of every allowed format, from a photograph of scikit-image; the fuzzer's starting points."""

from __future__ import annotations

import io
import re
import struct
import zlib
from importlib.util import find_spec
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, features
from skimage import data

PNG_START = b"\x89PNG\r\n\x1a\n"
ORIENTATION = 0x0112


def sound_files() -> dict[str, bytes]:
    """Return small files by a name that tells their kind; the same in every process."""
    photo = np.ascontiguousarray(data.chelsea()[60:120, 90:170])
    image = Image.fromarray(photo)
    alpha = Image.fromarray(np.dstack([photo, np.arange(60 * 80, dtype=np.uint8).reshape(60, 80)]))
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # when it was made
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "a description"
    meta: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": bytes(profile)}
    files = {
        "jpeg": _encode(image, "JPEG", quality=90),
        "jpeg-meta": _encode(image, "JPEG", comment=b"a comment", **meta),
        "jpeg-progressive": _encode(image, "JPEG", progressive=True, quality=80),
        "jpeg-restart": _encode(image, "JPEG", restart_marker_rows=1),
        "jpeg-grey": _encode(image.convert("L"), "JPEG"),
        "jpeg-cmyk": _encode(image.convert("CMYK"), "JPEG"),
        "mpo": _animation(image, "MPO"),
        "png": _encode(image, "PNG"),
        "png-meta": _encode(image, "PNG", dpi=(72, 72), **meta),
        "png-alpha": _encode(alpha, "PNG"),
        "png-palette": _encode(image.convert("P"), "PNG", transparency=3),
        "png-1-bit": _encode(image.convert("1"), "PNG"),
        "png-grey-16": _encode(Image.fromarray(photo[..., 0].astype(np.uint16) * 257), "PNG"),
        "png-rgb-16": _deep_png(photo),
        "apng": _animation(image, "PNG"),
        "webp": _encode(image, "WEBP"),
        "webp-lossless": _encode(alpha, "WEBP", lossless=True),
        "webp-meta": _encode(alpha, "WEBP", **meta),
        "webp-animation": _animation(image, "WEBP"),
        "gif": _encode(image, "GIF"),
        "gif-animation": _animation(image, "GIF", transparency=3, comment=b"a comment"),
        "bmp": _encode(image, "BMP"),
        "bmp-palette": _encode(image.convert("P"), "BMP"),
        "bmp-rle": _run_length_bmp(photo[..., 0]),
        "tiff": _encode(image, "TIFF"),
        "tiff-pages": _animation(image, "TIFF"),
        "tiff-meta": _encode(image, "TIFF", compression="tiff_lzw", **meta),
        "tiff-jpeg": _encode(image, "TIFF", compression="jpeg"),
        "tiff-deflate": _encode(alpha, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-packbits": _encode(image.convert("P"), "TIFF", compression="packbits"),
        "tiff-fax": _encode(image.convert("1"), "TIFF", compression="group4"),
        "tiff-16": _tiff(photo.astype(np.uint16) * 257),
        "tiff-float": _tiff(photo[..., 0].astype(np.float32) / 255),
        "tiff-tiles": _tiff(np.tile(photo, (2, 2, 1)), tile=(32, 32)),
        "tiff-planes": _tiff(np.moveaxis(photo, 2, 0).copy(), planarconfig="separate"),
        "tiff-big": _tiff(photo, bigtiff=True),
        "tiff-motorola": _tiff(photo, byteorder=">"),
    }
    files |= _unusual(photo, image)
    if features.check("avif"):
        files |= {
            "avif-deep-colours": _recoloured(_encode(image, "AVIF", speed=10), 12, 13),
            "avif-alpha-animation": _without_times(_animation(alpha, "AVIF", speed=10)),
            "avif": _encode(image, "AVIF", speed=10),
            "avif-meta": _encode(alpha, "AVIF", speed=10, **meta),
            "avif-animation": _without_times(_animation(image, "AVIF", speed=10)),
        }
    if find_spec("pillow_heif"):  # the extra
        import pillow_heif

        pillow_heif.register_heif_opener()
        files |= {
            "heic": _encode(image, "HEIF", quality=80),
            "heic-meta": _encode(alpha, "HEIF", quality=80, **meta),
            "heic-images": _animation(image, "HEIF", quality=80),
            "heic-second": _animation(image, "HEIF", quality=80, primary_index=1),
            "heic-grey": _encode(image.convert("L"), "HEIF", quality=80),
            "heic-wide": _recoloured(_encode(image, "HEIF", quality=80), 9, 13),
            "heic-deep": _deep_heic(photo),
            "heic-tiles": _tiled_heic(photo),
        }
    return files


def _unusual(photo: NDArray[np.uint8], image: Image.Image) -> dict[str, bytes]:
    """Files whose meaning is not what their first bytes suggest: previews, keys, packed samples, missing ends."""
    grey = photo[..., 0]
    jpeg = _encode(image, "JPEG", quality=90)
    pages = io.BytesIO()
    with tifffile.TiffWriter(pages) as writer:
        writer.write(photo[::4, ::4].copy(), photometric="rgb", subfiletype=1)
        writer.write(photo, photometric="rgb", subifds=1)
        writer.write(photo[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    rows = b"".join(b"\0" + bytes(row[::2] // 16 * 16 + row[1::2] // 16) for row in grey)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 80, 60, 4, 0, 0, 0, 0)), (b"tRNS", b"\0\5"), (b"gAMA", b"\0\0\x80\0")]
    return {
        "jpeg-unclosed": jpeg[:-2],
        "tiff-preview-first": pages.getvalue(),
        "tiff-white-is-zero": _tiff(grey.astype(np.uint16) * 257, photometric="miniswhite"),
        "png-grey-4-key": _png([*chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]),
    }


def _recoloured(data: bytes, primaries: int, transfer: int) -> bytes:
    """State another colour space where a HEIC or AVIF states one."""
    place = data.index(b"colrnclx") + 8
    return data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :]


def _deep_heic(photo: NDArray[np.uint8]) -> bytes:
    import pillow_heif

    stream = io.BytesIO()
    pillow_heif.encode("RGB;16", (80, 60), (photo.astype("<u2") * 257).tobytes(), stream, quality=80)
    return stream.getvalue()


def _tiled_heic(photo: NDArray[np.uint8]) -> bytes:
    import pillow_heif

    stream = io.BytesIO()
    large = Image.fromarray(np.tile(photo, (3, 3, 1)))
    pillow_heif.from_pillow(large).save(stream, quality=60, tile_size=128)
    return stream.getvalue()


def mend_png(data: bytes) -> bytes:
    """Return a PNG with the right CRC behind every chunk whose length can be believed; other bytes as they are."""
    mended, place = bytearray(data), len(PNG_START)
    while place + 12 <= len(mended):
        end = place + 8 + int.from_bytes(mended[place : place + 4], "big")
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = zlib.crc32(mended[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(mended)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _animation(image: Image.Image, kind: str, **options: Any) -> bytes:
    others = [image.transpose(turn) for turn in (Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM)]
    return _encode(image, kind, save_all=True, append_images=others, **options)


def _without_times(data: bytes) -> bytes:
    """Clear when a film was made: the same file every time."""
    cleared = bytearray(data)
    for box in re.finditer(rb"mvhd|tkhd|mdhd", data):
        times = box.start() + 8  # its name, version and flags
        cleared[times : times + 16] = bytes(16)
    return bytes(cleared)


def _tiff(samples: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, **{"photometric": "rgb" if samples.ndim == 3 else "minisblack", **options})
    return stream.getvalue()


def _deep_png(photo: NDArray[np.uint8]) -> bytes:
    """An RGB PNG of 16 bits with a transparent colour, which Pillow doesn't write."""
    height, width = photo.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in (photo.astype(">u2") * 257))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"tRNS", struct.pack(">3H", 1, 2, 3)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return _png(chunks)


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(struct.pack(">I", len(part)) + kind + part + bytes(4) for kind, part in chunks)
    return mend_png(PNG_START + body)


def _run_length_bmp(grey: NDArray[np.uint8]) -> bytes:
    """A BMP with 8-bit runs, which Pillow reads with a loop in Python."""
    height, width = grey.shape
    rows = [b"".join(bytes((1, value)) for value in row) + b"\0\0" for row in grey[::-1]]
    pixels = b"".join(rows) + b"\0\1"
    palette = b"".join(bytes((value, value, value, 0)) for value in range(256))
    start = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(pixels), 2835, 2835, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + palette + pixels
