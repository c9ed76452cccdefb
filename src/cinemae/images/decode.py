"""Decoding: a path, bytes, file object, PIL image or array becomes a checked RGB image.

Only an allow-list of formats is tried, the size is checked from the header before anything is
decoded, and whatever goes wrong becomes one :class:`ImageError` that names the input. Nothing global
is changed, so threads don't disturb each other.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from cinemae.images.convert import orient, orientation_note, stated_orientation, to_rgb
from cinemae.images.errors import PixelLimitError, TooSmallError, UnreadableFileError, UnsupportedFormatError
from cinemae.images.identify import (
    ALLOWED_FORMATS,
    IMAGE_SUFFIXES,
    Opened,
    identify,
    load_strictly,
    note_others,
    open_primary,
    refusal,
)
from cinemae.images.primary import is_turned
from cinemae.images.samples import finish, prepare
from cinemae.images.structure import check_pixels
from cinemae.plainfiles import open_plain

__all__ = [
    "ALLOWED_FORMATS", "IMAGE_SUFFIXES", "ImageFacts", "ImageLimits", "LoadedImage", "header_size", "load_image",
    "read_file",
]  # fmt: skip

FileSource = str | os.PathLike[str] | bytes | BinaryIO
Source = FileSource | Image.Image | NDArray[np.uint8]


class ImageFacts(BaseModel):
    """What is known of an image beside its pixels.

    Attributes:
        width: Width in pixels, after orientation.
        height: Height in pixels, after orientation.
        format: File format, for example ``JPEG``; None for pixels that came without a file.
        mode: Pillow's mode as stored, for example ``CMYK``.
        file_bytes: Size of the file in bytes.
        sha256: Hash of the file's bytes; of the pixels if there was no file.
        frames: Pictures or frames in the file; only the primary one is decoded.
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
        max_bytes: Most bytes read of a file; no pipe or device can fill the memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(default=100_000_000, ge=1)
    min_side: int = Field(default=32, ge=2)
    max_bytes: int = Field(default=1 << 30, ge=1)


def load_image(
    source: Source, *, name: str | None = None, limits: ImageLimits | None = None, reduce_to: int | None = None
) -> LoadedImage:
    """Decode and check one image.

    Args:
        source: A path, a file's bytes, a binary file object (read from where it stands to its end),
            a PIL image, or an array: uint8, (height, width), (height, width, 3) RGB or
            (height, width, 4) RGBA.
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
    data, name = _read(source, name, limits.max_bytes)
    opened = open_primary(data, name)
    image, stored = opened.image, opened.image.mode
    check_size(*image.size, name, limits)
    check_pixels(data, name)
    try:
        note_others(opened, data, name)
        width, height = image.size
        decoded, orientation = _decode(opened, data, reduce_to)
        if image.format != "JPEG":  # what was decoded counts, and not what was declared; a JPEG may be reduced
            check_size(*decoded.size, name, limits)
            width, height = decoded.size
        pixels = to_rgb(orient(decoded, orientation), opened.notes, decoded.info)
    except Exception as error:  # a decoder meets hostile bytes: whatever it raises is a refusal, with its cause
        raise refusal(error, name) from error
    if orientation >= 5:
        width, height = height, width
    facts = ImageFacts(
        width=width,
        height=height,
        format=image.format,
        mode=stored,
        file_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        frames=opened.frames,
        notes=tuple(opened.notes),
    )
    return LoadedImage(name, pixels, facts)


def read_file(
    source: Source, *, name: str | None = None, limits: ImageLimits | None = None
) -> tuple[bytes, str] | None:
    """Return a file's bytes and what errors call it; None for pixels that came without a file.

    Raises:
        UnreadableFileError: If it can't be read, is empty or too large.
    """
    if isinstance(source, np.ndarray | Image.Image):
        return None
    return _read(source, name, (limits or ImageLimits()).max_bytes)


def header_size(source: FileSource, *, name: str | None = None) -> tuple[int, int]:
    """Return width and height from the header alone, before any EXIF orientation and without a pixel limit.

    Raises:
        ImageError: If the file can't be read or is not an image.
    """
    data, name = _read(source, name, ImageLimits().max_bytes)
    return identify(data, name).size


def check_size(width: int, height: int, name: str, limits: ImageLimits) -> None:
    """Compare a size with the limits.

    Raises:
        PixelLimitError: If it has too many pixels.
        TooSmallError: If a side is too short.
    """
    if width * height > limits.max_pixels:
        raise PixelLimitError(name, f"{width}x{height} pixels are more than the limit of {limits.max_pixels:,}")
    if min(width, height) < limits.min_side:
        raise TooSmallError(name, f"{width}x{height} pixels; the short side must be at least {limits.min_side}")


def _read(source: FileSource, name: str | None, most: int) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), name or "<bytes>"
    elif isinstance(source, str | os.PathLike):
        name = name or os.fsdecode(source)
        try:
            with open_plain(source) as file:
                if os.fstat(file.fileno()).st_size > most:  # not a byte of it has to be read to know that
                    raise UnreadableFileError(name, f"larger than the limit of {most:,} bytes")
                data = _read_stream(file, most)
        except UnreadableFileError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
            raise _unreadable(error, name) from error
    elif hasattr(source, "read"):
        name = name or str(getattr(source, "name", "<stream>"))
        try:
            data = _read_stream(source, most)
        except (OSError, ValueError) as error:  # ValueError: the file object is closed
            raise _unreadable(error, name) from error
        except TypeError as error:  # joining text
            raise UnreadableFileError(name, "can't be read: not opened in binary mode") from error
    else:
        raise UnreadableFileError(name or "<source>", f"can't be read: a {type(source).__name__} is not an image")
    if not data:
        raise UnreadableFileError(name, "the file is empty")
    if len(data) > most:
        raise UnreadableFileError(name, f"larger than the limit of {most:,} bytes")
    return data, name


def _read_stream(stream: BinaryIO, most: int) -> bytes:
    """Read to the end, but at most one byte beyond the limit; a raw stream gives less than asked for."""
    parts, left = [], most + 1
    while left > 0 and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _unreadable(error: Exception, name: str) -> UnreadableFileError:
    return UnreadableFileError(name, f"can't be read: {getattr(error, 'strerror', None) or error}")


def _decode(opened: Opened, data: bytes, reduce_to: int | None) -> tuple[Image.Image, int]:
    """Decode an opened file; return its image, as its format means it, and the orientation that is left to apply."""
    image, notes = opened.image, opened.notes
    if reduce_to is not None and image.format == "JPEG" and min(image.size) > 2 * reduce_to:
        scale = 2 * reduce_to / min(image.size)
        image.draft(None, (round(image.width * scale), round(image.height * scale)))
    header = prepare(opened, data)
    # Pillow turns a TIFF upright itself while it loads it, and its size is that of the upright image.
    before = stated_orientation(image, notes) if image.format == "TIFF" else 1
    notes += load_strictly(image)
    orientation = 1 if before > 1 else stated_orientation(image, notes)
    decoded = finish(opened, data, header)
    # The HEIC plugin does the same as Pillow for TIFF, and leaves word of it; it counts what the file's own boxes say.
    turned = opened.collection is not None and is_turned(opened.collection)
    heic = image.info.get("original_orientation") if turned else None
    notes += orientation_note(max(before, orientation, heic or 1))
    return decoded, orientation


def _from_pil(image: Image.Image, name: str, limits: ImageLimits) -> LoadedImage:
    check_size(image.width, image.height, name, limits)
    notes: list[str] = []
    try:
        copied = image.copy()  # decodes a lazily opened file, and leaves the caller's image alone
        orientation = stated_orientation(copied, notes)
        pixels = to_rgb(orient(copied, orientation), notes, image.info)
    except Exception as error:  # a lazily opened file decodes hostile bytes here
        raise refusal(error, name) from error
    notes += orientation_note(orientation)
    return _from_pixels(pixels, name, image.format, image.mode, notes)


def _from_array(array: NDArray[np.uint8], name: str, limits: ImageLimits) -> LoadedImage:
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not shaped:
        raise UnsupportedFormatError(
            name, f"arrays must be uint8 of shape (H, W), (H, W, 3) or (H, W, 4), got {array.dtype} {array.shape}"
        )
    check_size(array.shape[1], array.shape[0], name, limits)
    notes: list[str] = []
    image = Image.fromarray(np.ascontiguousarray(array))
    return _from_pixels(to_rgb(image, notes, {}), name, None, image.mode, notes)


def _from_pixels(pixels: NDArray[np.uint8], name: str, kind: str | None, mode: str, notes: list[str]) -> LoadedImage:
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
