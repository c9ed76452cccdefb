"""Headers: which allowed format a file has, and decoding that never returns half an image.

``Image.open`` is not used: above Pillow's own pixel limit it warns or fails whatever our limit is,
and warnings can't be caught safely in threads. Pillow's global switches (``MAX_IMAGE_PIXELS``,
``LOAD_TRUNCATED_IMAGES``) are neither changed nor relied on: other libraries set them on import.

What can't be told: a JPEG that was cut and then closed with an end marker is whole to libjpeg, which
fills the rest with grey and only warns, where Pillow doesn't hear it.
"""

from __future__ import annotations

import importlib
import io
from functools import cache
from types import FunctionType

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cinemae.images.convert import UnsupportedModeError
from cinemae.images.errors import (
    CorruptImageError,
    ImageError,
    PixelLimitError,
    TruncatedImageError,
    UnsupportedFormatError,
)
from cinemae.images.png_text import without_large_text
from cinemae.images.structure import check_structure

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif")
) | {".heic", ".heif"}
HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"))
AVIF_BRANDS = frozenset((b"avif", b"avis"))
PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Avif")
ENDS_EARLY = (
    "truncated", "unexpected end", "end of file", "not enough", "incomplete", "too short", "read next frame",
    "unrecognized image contents",
)  # fmt: skip

_load = ImageFile.ImageFile.load
# Pillow's own loop with the one global that would let truncated and broken files pass as grey halves.
_STRICT_LOAD = FunctionType(
    _load.__code__, vars(ImageFile) | {"LOAD_TRUNCATED_IMAGES": False}, "load", _load.__defaults__, _load.__closure__
)


def identify(data: bytes, name: str) -> Image.Image:
    """Parse a file's header with the plugins of the allowed formats only; nothing is decoded.

    Args:
        data: The whole file.
        name: What errors call it.

    Raises:
        ImageError: If the format is not allowed, the header can't be read, or the file's parts
            can't be those of an image (:func:`cinemae.images.structure.check_structure`).
    """
    register_plugins()
    if _is_short(data):
        raise TruncatedImageError(name, "the file ends too early (before the end that its header states)")
    check_structure(data, name)
    data = without_large_text(data)
    brands = _brands(data)
    if brands & HEIF_BRANDS and not brands & AVIF_BRANDS and "HEIF" not in Image.OPEN:
        raise UnsupportedFormatError(name, "HEIC needs the extra: pip install 'cinemae[heic]'")
    cause: Exception | None = None
    for kind in ALLOWED_FORMATS:
        if kind not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[kind]
        answer = accept(data[:16]) if accept else True
        if not answer:
            continue
        if isinstance(answer, str):  # the plugin's reason, for example a Pillow built without AVIF
            raise UnsupportedFormatError(name, answer)
        try:
            return factory(io.BytesIO(data), "")
        except Exception as error:  # hostile bytes raise anything; the last cause is reported below
            cause = error
    if cause is not None:
        raise refusal(cause, name) from cause
    raise UnsupportedFormatError(
        name, "not an image of an allowed format (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIF)"
    )


@cache
def register_plugins() -> None:
    """Make Pillow know the allowed formats, and no more; HEIF if the extra is installed."""
    for plugin in PLUGINS:
        importlib.import_module(f"PIL.{plugin}ImagePlugin")
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return  # the extra is not installed: identify() refuses a HEIC file and names it
    register_heif_opener()


def load_strictly(image: Image.Image) -> None:
    """Decode an opened image, or raise; never fill what is missing with grey.

    Raises:
        Exception: Whatever the decoder raises.
    """
    if image.format == "HEIF" and ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UnsupportedModeError("HEIC can't be checked for truncation while LOAD_TRUNCATED_IMAGES is set")
    if isinstance(image, JpegImageFile) and image.fp is not None:
        # Its own reader appends an end marker to a file that has none when the switch is set.
        vars(image)["load_read"] = image.fp.read
    by_libtiff = isinstance(image, TiffImageFile) and image.use_load_libtiff
    if type(image).load is _load or (isinstance(image, TiffImageFile) and not by_libtiff):
        _STRICT_LOAD(image)
    else:  # libtiff, WebP and AVIF check for themselves, whatever the switch says
        image.load()


def refusal(error: Exception, name: str) -> ImageError:
    """Return the error of this package for one that a decoder raised."""
    if isinstance(error, ImageError):
        return error
    text = str(error) or type(error).__name__
    if isinstance(error, UnsupportedModeError):
        return UnsupportedFormatError(name, text)
    if "unknown pixel mode" in text or "unknown raw mode" in text:  # a sound TIFF of RGB floats, for example
        return UnsupportedFormatError(name, "samples of this kind are not supported")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return PixelLimitError(name, f"more pixels than Pillow allows ({text})")
    if isinstance(error, MemoryError):
        return PixelLimitError(name, "there is not enough memory to decode it")
    if isinstance(error, EOFError) or any(word in text.lower() for word in ENDS_EARLY):
        return TruncatedImageError(name, f"the file ends too early ({text})")
    return CorruptImageError(name, f"can't be decoded ({text})")


def _is_short(data: bytes) -> bool:
    """Tell whether a file ends before a place that its header names; Pillow doesn't look, or can't say why it fails."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data[:4] in (b"II*\0", b"MM\0*"):  # TIFF: the directory may lie behind the pixels
        return int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") >= len(data)
    return False


def _brands(data: bytes) -> frozenset[bytes]:
    """Return the brands that an ISO base media file (AVIF, HEIC) declares in its first box."""
    if data[4:8] != b"ftyp":
        return frozenset()
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return frozenset(box[start : start + 4] for start in range(0, len(box), 4) if start != 4)
