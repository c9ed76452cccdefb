"""To 8-bit sRGB: orientation, colour profiles, sample depth, palettes and alpha, each on purpose."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from cinemae.images.errors import UnsupportedModeError

ORIENTATION_TAG = 0x0112
TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored"),
    3: (Image.Transpose.ROTATE_180, "turned by 180 degrees"),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, "flipped"),
    5: (Image.Transpose.TRANSPOSE, "mirrored and turned by 90 degrees"),
    6: (Image.Transpose.ROTATE_270, "turned by 90 degrees"),
    7: (Image.Transpose.TRANSVERSE, "mirrored and turned by 90 degrees"),
    8: (Image.Transpose.ROTATE_90, "turned by 90 degrees"),
}
WHITE = (255, 255, 255)
ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")
PROFILE_MODES = ("RGB", "CMYK", "L")
STRIP = 256  # rows that Pillow hands over at a time: a whole image would be there three times for a moment
SAME_COLOUR = 2  # of 255: what rounding makes of sRGB profiles that differ only in how they are written


def stated_orientation(image: Image.Image, notes: list[str]) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none or its block is broken, which is noted."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception as error:  # many kinds; a broken block beside sound pixels is common on the web
        notes.append(f"EXIF can't be read, orientation left as stored ({error})")
        return 1
    return value if value in TURNS else 1


def orient(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an image upright, given its EXIF orientation."""
    return image if orientation == 1 else image.transpose(TURNS[orientation][0])


def orientation_note(orientation: int) -> list[str]:
    """Return what is said of an orientation that was applied; nothing for 1."""
    return [] if orientation == 1 else [f"EXIF orientation {orientation} applied ({TURNS[orientation][1]})"]


def to_rgb(image: Image.Image, notes: list[str], info: dict[Any, Any]) -> NDArray[np.uint8]:
    """Convert a loaded image to sRGB and flatten it on white.

    Args:
        image: Any mode.
        notes: Gets a sentence for each conversion that changes what is seen.
        info: The opened image's ``info``; a transposed copy may have lost it. ``space`` names a profile
            that stands for something else in the file.

    Raises:
        UnsupportedModeError: For samples without a defined white, such as floats beyond 0 to 1.
    """
    key = info.get("transparency")
    if image.mode.startswith(("I", "F")):
        samples = np.asarray(image)
        alpha = Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8)) if isinstance(key, int) else None
        image = Image.fromarray(_eight_bit(samples, image.mode, notes))
    else:
        image, alpha = _split_alpha(image, key)
    image = _to_srgb(image, info.get("icc_profile"), notes, info.get("space"))
    if alpha is not None and alpha.getextrema() != (255, 255):
        white = Image.new("RGB", image.size, WHITE)
        white.paste(image, mask=alpha)
        image = white
        notes.append("alpha flattened on white")
    return _to_array(image)


def _to_array(image: Image.Image) -> NDArray[np.uint8]:
    """Copy an RGB image into an array of its own."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP):
        bottom = min(top + STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _split_alpha(image: Image.Image, key: object) -> tuple[Image.Image, Image.Image | None]:
    """Return the opaque image, in a mode that a profile can apply to, and its alpha if it has one."""
    if image.mode in ("La", "RGBa"):  # colours stored multiplied by alpha
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if key is None and image.mode not in ALPHA_MODES:
        return (image.convert({"1": "L", "P": "RGB"}[image.mode]) if image.mode in ("1", "P") else image), None
    if image.mode == "LA":  # kept grey: a profile of greys applies to nothing else
        return image.getchannel("L"), image.getchannel("A")
    if key is not None and image.mode in ("1", "L"):
        grey = image.convert("L")
        return grey, grey.point([0 if shade == key else 255 for shade in range(256)])
    if key is not None:
        image.info.setdefault("transparency", key)
    rgba = image if image.mode == "RGBA" and key is None else image.convert("RGBA")
    return rgba.convert("RGB"), rgba.getchannel("A")


def _eight_bit(samples: NDArray[Any], mode: str, notes: list[str]) -> NDArray[np.uint8]:
    """Scale the full range of the samples to 0..255, rounded; never stretch it to what one image uses."""
    low, high = samples.min(), samples.max()
    if mode == "F":
        if not (low >= 0 and high <= 1):  # false for NaN too
            raise UnsupportedModeError("floating-point samples beyond 0 to 1 have no defined white")
        notes.append("floating-point samples, 0 to 1, scaled to 8-bit")
        shades: NDArray[np.uint8] = np.rint(samples * 255).astype(np.uint8)
        return shades
    if low < 0 or high > 65535:
        raise UnsupportedModeError("integer samples beyond 0 to 65535 have no defined white")
    notes.append("16-bit scaled to 8-bit")
    scaled: NDArray[np.uint8] = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return scaled


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str], space: str | None) -> Image.Image:
    if image.mode == "CMYK":
        notes.append("CMYK converted to RGB")
    if space and image.mode == "L":  # such a profile is one of colours
        image = image.convert("RGB")
    if profile and image.mode in PROFILE_MODES:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            described = ImageCms.getProfileDescription(source).strip()[:60]
            transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
            # Profiles' names can't be trusted ("linear sRGB"), but what they do to colours can.
            # Pixels that are sRGB already are kept bit by bit: rounding would add traces of its own.
            if not _keeps_colours(transform, image.mode):
                converted = ImageCms.applyTransform(image, transform)
                if converted is not None:
                    notes.append(
                        f"{f'colours of {space}' if space else f'ICC profile {described!r}'} converted to sRGB"
                    )
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            notes.append(f"ICC profile can't be used, taken as sRGB ({error})")
    if image.mode not in ("RGB", "L", "CMYK", "YCbCr", "HSV"):
        raise UnsupportedModeError(f"samples of mode {image.mode} are not supported")
    return image if image.mode == "RGB" else image.convert("RGB")


def _keeps_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Tell whether a transform to sRGB leaves a lattice of colours as they are."""
    if mode == "CMYK":
        return False
    steps = np.arange(256) if mode == "L" else np.linspace(0, 255, 9).round()
    axes = (steps,) if mode == "L" else (steps, steps, steps)
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(1, -1, len(axes)).astype(np.uint8)
    probe = Image.fromarray(lattice[..., 0] if mode == "L" else lattice)
    result = ImageCms.applyTransform(probe, transform)
    if result is None:  # only for a transform in place
        return False
    moved = np.abs(np.asarray(result).astype(int) - np.asarray(probe.convert("RGB")).astype(int))
    return int(moved.max()) <= SAME_COLOUR
