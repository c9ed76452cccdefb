"""What the samples of an opened file mean, where Pillow doesn't say or would misread them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinemae.images import colour, png, primary
from cinemae.images.errors import UnsupportedModeError
from cinemae.images.identify import Opened
from cinemae.images.png import PngHeader

BITS_PER_SAMPLE = 258
_COLOUR_SPACE, _EXIF, _INTEROPERABILITY, _INDEX = 0xA001, 0x8769, 0xA005, 1
_GREY_ALPHA = 4


def prepare(opened: Opened, data: bytes) -> PngHeader | None:
    """Enter in ``info`` what an opened file says of its samples, before it is decoded.

    Args:
        opened: Its image gets the colour space and the transparent key that are stated; it gets notes.
        data: The whole file.

    Returns:
        What a PNG says; None for other formats.

    Raises:
        UnsupportedModeError: If the samples have no agreed meaning in 8 bits.
    """
    image = opened.image
    header = png.read_header(data) if image.format == "PNG" else None
    if header is not None and header.key is not None:
        image.info["transparency"] = _scaled_key(header)
    if image.format == "BMP":
        _enter_bmp_profile(image, data, opened.notes)
    try:
        space = _space(opened, header)
    except UnsupportedModeError:
        raise
    except ValueError as error:
        opened.notes.append(f"colours taken as sRGB: {error}")
        return header
    if space is not None:
        image.info |= {"icc_profile": space.profile, "space": space.name}
    return header


def finish(opened: Opened, data: bytes, header: PngHeader | None) -> Image.Image:
    """Return the decoded image with its samples as they are meant.

    Args:
        opened: Its image is decoded; it gets notes.
        data: The whole file.
        header: What :func:`prepare` returned.

    Raises:
        ValueError: If a crop makes no sense.
    """
    image, notes = opened.image, opened.notes
    if _deep_colour(image, header):
        notes.append("16-bit scaled to 8-bit")
    if header is not None and header.depth == 16 and header.kind == png.COLOUR and header.key is not None:
        return _with_deep_key(image, data, header.key)
    if header is not None and header.depth == 16 and header.kind == _GREY_ALPHA:  # Pillow has three equal channels
        return _like(image, Image.merge("LA", (image.getchannel("R"), image.getchannel("A"))))
    if opened.samples is not None and (opened.samples.white or opened.samples.inverted):
        white = opened.samples.white
        samples = np.asarray(image)
        if white is not None:
            samples = ((samples.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
            notes.append(f"{white.bit_length()}-bit scaled to 8-bit")
        if opened.samples.inverted:
            samples = _full_scale(samples) - samples
        return _like(image, Image.fromarray(samples))
    if image.format == "AVIF" and opened.collection is not None:  # libheif crops by itself
        box = primary.crop(opened.collection, *image.size)
        if box is not None:
            notes.append(f"cropped to {box[2] - box[0]}x{box[3] - box[1]}, as the file says")
            return _like(image, image.crop(box))
    return image


def _scaled_key(header: PngHeader) -> int | tuple[int, ...]:
    """Return the transparent key in the values that Pillow gives the samples."""
    assert header.key is not None
    if header.kind == png.COLOUR:
        return header.key
    return header.key[0] * 255 // ((1 << header.depth) - 1) if header.depth < 8 else header.key[0]


def _space(opened: Opened, header: PngHeader | None) -> colour.Space | None:
    """Return the colour space that is stated otherwise than by a profile."""
    image = opened.image
    cicp = opened.cicp if header is None else header.cicp
    if cicp is not None:
        if header is not None and (cicp[2], cicp[3]) != (0, 1):
            raise UnsupportedModeError("a PNG of narrow range or of colour differences is not supported")
        if header is not None:
            image.info.pop("icc_profile", None)  # cICP overrules it
        return colour.from_cicp(cicp[0], cicp[1], opened.notes)
    if image.info.get("icc_profile"):
        return None
    if header is not None and not header.profiled and (header.chromaticities or header.gamma):
        return colour.from_chromaticities(header.chromaticities, header.gamma)
    if header is None and image.mode == "RGB" and _is_adobe_rgb(image):
        return colour.adobe_rgb()
    return None


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Tell whether EXIF says what DCF cameras say of Adobe RGB: no known space, and the index R03."""
    if not image.info.get("exif"):
        return False
    try:
        exif = image.getexif()
        uncalibrated = exif.get_ifd(_EXIF).get(_COLOUR_SPACE) == 0xFFFF
        return uncalibrated and str(exif.get_ifd(_INTEROPERABILITY).get(_INDEX, "")).startswith("R03")
    except Exception:  # many kinds; a broken block is noted where its orientation is read
        return False


def _enter_bmp_profile(image: Image.Image, data: bytes, notes: list[str]) -> None:
    """Take a profile out of a BMP of version 5, which Pillow doesn't."""
    start, size = int.from_bytes(data[126:130], "little"), int.from_bytes(data[130:134], "little")
    kind = data[70:74] if int.from_bytes(data[14:18], "little") >= 124 else b""
    if kind == b"DEBM":
        image.info["icc_profile"] = data[14 + start : 14 + start + size]
    elif kind == b"KNIL":
        notes.append("colour profile in another file can't be used, taken as sRGB")


def _deep_colour(image: Image.Image, header: PngHeader | None) -> bool:
    """Tell whether colour samples are 16 bits wide; Pillow reads such as 8 bits without a word."""
    if image.mode.startswith("I"):
        return False
    if header is not None:
        return header.depth == 16
    return image.format == "TIFF" and 16 in tuple(getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, ()))


def _with_deep_key(image: Image.Image, data: bytes, key: tuple[int, ...]) -> Image.Image:
    """Make the pixels of a 16-bit colour transparent; Pillow keeps high bytes only, so the low ones are read, too."""
    factory, _ = Image.OPEN["PNG"]
    again = factory(io.BytesIO(data), "")
    # Samples are big-endian: read as little-endian ones, their low bytes are the high ones.
    again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]
    again.load()
    match = np.ones((image.height, image.width), bool)
    for place, value in enumerate(key):
        high, low = (np.asarray(one.getchannel(place)) for one in (image, again))
        match &= (high == value >> 8) & (low == value & 255)
    transparent = image.copy()
    transparent.info.pop("transparency", None)
    transparent.putalpha(Image.fromarray(np.where(match, 0, 255).astype(np.uint8)))
    return transparent


def _full_scale(samples: NDArray[Any]) -> Any:
    """Return the sample that means white."""
    return np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else samples.dtype.type(1)


def _like(image: Image.Image, other: Image.Image) -> Image.Image:
    """Return an image with what is known of another."""
    other.info = image.info
    return other
