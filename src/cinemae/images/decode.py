"""Decoding: a path, bytes, file object, PIL image or array becomes a checked RGB image.

Only an allow-list of formats is tried, the size is checked from the header before anything is
decoded, and whatever goes wrong becomes one :class:`ImageError` that names the input. Pillow's
global switches are neither changed nor relied on, so threads don't disturb each other.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from cinemae.images.convert import UnsupportedModeError, orient, to_rgb
from cinemae.images.errors import (
    CorruptImageError,
    ImageError,
    PixelLimitError,
    TooSmallError,
    TruncatedImageError,
    UnreadableFileError,
    UnsupportedFormatError,
)

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .webp .gif .bmp .dib .tif .tiff .avif .heic .heif".split()
)
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[np.uint8]


class ImageFacts(BaseModel):
    """What is known of an image beside its pixels.

    Attributes:
        width: Width in pixels, after orientation.
        height: Height in pixels, after orientation.
        format: File format, for example ``JPEG``; None for pixels that came without a file.
        mode: Pillow's mode as stored, for example ``CMYK``.
        file_bytes: Size of the file in bytes.
        sha256: Hash of the file's bytes; of the pixels if there was no file.
        frames: Frames in the file; only the first is decoded.
        notes: What was done on the way to RGB.
    """

    model_config = ConfigDict(frozen=True)

    width: int
    height: int
    format: str | None
    mode: str
    file_bytes: int | None
    sha256: str
    frames: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedImage:
    """A decoded image.

    Attributes:
        name: The input, as its caller named it.
        pixels: (height, width, 3) sRGB.
        facts: What is known beside the pixels.
    """

    name: str
    pixels: NDArray[np.uint8]
    facts: ImageFacts


class ImageLimits(BaseModel):
    """What an image must keep to.

    Attributes:
        max_pixels: Most pixels a header may declare.
        min_side: Shortest allowed side in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(default=100_000_000, ge=1)
    min_side: int = Field(default=32, ge=2)


def load_image(
    source: Source, *, name: str | None = None, limits: ImageLimits | None = None, reduce_to: int | None = None
) -> LoadedImage:
    """Decode and check one image.

    Args:
        source: A path, a file's bytes, a binary file object, a PIL image, or an array: uint8,
            (height, width), (height, width, 3) RGB or (height, width, 4) RGBA.
        name: What errors and results call it; default is the path, or the kind of source.
        limits: What it must keep to.
        reduce_to: Short side that the caller will resize to anyway. A JPEG more than twice as
            large may then be decoded at a reduced scale, never below twice this side. Leave it
            None for anything that looks at native pixels.

    Raises:
        ImageError: One of its classes for every reason to refuse; the message names the input.
    """
    limits = limits or ImageLimits()
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "<array>", limits)
    if isinstance(source, Image.Image):
        return _from_pil(source, name or getattr(source, "filename", "") or "<image>", limits)
    data, name = _read(source, name)
    image, frames = _open(data, name, limits)
    stored = image.mode
    width, height = image.size
    deep = _sixteen_bit(data, image)
    notes = []
    if reduce_to is not None and image.format == "JPEG" and min(image.size) > 2 * reduce_to:
        scale = 2 * reduce_to / min(image.size)
        image.draft(None, (round(image.width * scale), round(image.height * scale)))
    if frames > 1:
        notes.append(f"first of {frames} frames")
    if deep:
        notes.append("16-bit scaled to 8-bit")
    try:
        image.load()
        oriented, turned = orient(image)
        pixels = to_rgb(oriented, notes, image.info)
    except Exception as error:  # a decoder meets hostile bytes: whatever it raises is a refusal, with its cause
        raise _refusal(error, name) from error
    if turned:
        notes.append(turned)
        if "90" in turned:
            width, height = height, width
    facts = ImageFacts(
        width=width,
        height=height,
        format=image.format,
        mode=stored,
        file_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        frames=frames,
        notes=tuple(notes),
    )
    return LoadedImage(name, pixels, facts)


def header_size(source: Source, *, name: str | None = None) -> tuple[int, int]:
    """Return width and height as stored, from the header alone, without any limit.

    Raises:
        ImageError: If the file can't be read or is not an image.
    """
    data, name = _read(source, name)  # type: ignore[arg-type]
    size: tuple[int, int] = _identify(data, name).size
    return size


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), name or "<bytes>"
    elif isinstance(source, str | os.PathLike):
        name = name or os.fspath(source)
        try:
            data = Path(source).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
            reason = getattr(error, "strerror", None) or str(error)
            raise UnreadableFileError(name, f"can't be read: {reason}") from error
    else:
        name = name or str(getattr(source, "name", "<stream>"))
        data = source.read()
    if not data:
        raise UnreadableFileError(name, "the file is empty")
    return data, name


def _identify(data: bytes, name: str) -> Image.Image:
    """Parse the header with the allowed plugins only.

    ``Image.open`` would warn above Pillow's own pixel limit and fail above twice that, whatever
    our limit is; its registry of plugins is what it uses itself.
    """
    _register_plugins()
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise TruncatedImageError(name, "the file ends too early (shorter than its RIFF header says)")
    cause: Exception | None = None
    for kind in ALLOWED_FORMATS:
        if kind not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[kind]
        verdict = accept(data[:16]) if accept else True
        if not verdict or isinstance(verdict, str):
            continue
        try:
            return factory(io.BytesIO(data), "")
        except Exception as error:  # hostile bytes again; the last cause is reported below
            cause = error
    if cause is not None:
        raise _refusal(cause, name) from cause
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        raise UnsupportedFormatError(name, "HEIC needs the extra: pip install 'cinemae[heic]'")
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        raise UnsupportedFormatError(name, "this Pillow was built without AVIF")
    raise UnsupportedFormatError(name, "not an image of an allowed format (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC)")


def _register_plugins() -> None:
    if "HEIF" in Image.OPEN:
        return
    Image.init()
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return  # the extra is not installed: a HEIC file is refused by name in _identify
    register_heif_opener()


def _open(data: bytes, name: str, limits: ImageLimits) -> tuple[Image.Image, int]:
    image = _identify(data, name)
    _check_size(image.width, image.height, name, limits)
    try:
        frames = int(getattr(image, "n_frames", 1))
        image.seek(0)
    except Exception as error:  # counting frames walks through hostile bytes
        raise _refusal(error, name) from error
    return image, frames


def _check_size(width: int, height: int, name: str, limits: ImageLimits) -> None:
    if width * height > limits.max_pixels:
        raise PixelLimitError(name, f"{width}x{height} pixels are more than the limit of {limits.max_pixels:,}")
    if min(width, height) < limits.min_side:
        raise TooSmallError(name, f"{width}x{height} pixels; the short side must be at least {limits.min_side}")


def _refusal(error: Exception, name: str) -> ImageError:
    if isinstance(error, ImageError):
        return error
    text = str(error) or type(error).__name__
    if isinstance(error, UnsupportedModeError):
        return UnsupportedFormatError(name, text)
    ends = ("truncated", "unexpected end", "end of file", "not enough", "incomplete", "too short", "read next frame")
    if isinstance(error, EOFError) or any(word in text.lower() for word in ends):
        return TruncatedImageError(name, f"the file ends too early ({text})")
    return CorruptImageError(name, f"can't be decoded ({text})")


def _sixteen_bit(data: bytes, image: Image.Image) -> bool:
    """Tell whether samples are 16 bits wide; Pillow reads RGB ones as 8-bit without a word."""
    if image.mode.startswith("I"):
        return True
    if image.format == "PNG":
        return data[24] == 16
    if image.format == "TIFF":
        return 16 in tuple(getattr(image, "tag_v2", {}).get(258, ()))
    return False


def _from_pil(image: Image.Image, name: str, limits: ImageLimits) -> LoadedImage:
    _check_size(image.width, image.height, name, limits)
    notes: list[str] = []
    try:
        copied = image.copy()  # decodes a lazily opened file, and leaves the caller's image alone
        oriented, turned = orient(copied)
        pixels = to_rgb(oriented, notes, image.info)
    except Exception as error:  # a lazily opened file decodes hostile bytes here
        raise _refusal(error, name) from error
    notes += [turned] if turned else []
    return _from_pixels(pixels, name, image.format, image.mode, notes)


def _from_array(array: NDArray[np.uint8], name: str, limits: ImageLimits) -> LoadedImage:
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not shaped:
        raise UnsupportedFormatError(
            name, f"arrays must be uint8 of shape (H, W), (H, W, 3) or (H, W, 4), got {array.dtype} {array.shape}"
        )
    _check_size(array.shape[1], array.shape[0], name, limits)
    notes: list[str] = []
    image = Image.fromarray(np.ascontiguousarray(array))
    return _from_pixels(to_rgb(image, notes, {}), name, None, image.mode, notes)


def _from_pixels(
    pixels: NDArray[np.uint8], name: str, kind: str | None, mode: str, notes: list[str]
) -> LoadedImage:
    facts = ImageFacts(
        width=pixels.shape[1],
        height=pixels.shape[0],
        format=kind,
        mode=mode,
        file_bytes=None,
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        notes=tuple(notes),
    )
    return LoadedImage(name, pixels, facts)
