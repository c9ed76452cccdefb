"""To 8-bit sRGB: orientation, colour profiles, sample depth, palettes and alpha, each on purpose."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

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
WHITE = (255, 255, 255, 255)
PROFILE_MODES = ("RGB", "CMYK", "L")


class UnsupportedModeError(ValueError):
    """Samples that have no agreed meaning as 8-bit colour."""


def orient(image: Image.Image) -> tuple[Image.Image, str]:
    """Apply the EXIF orientation.

    Returns:
        The image and what was done, or "" if nothing was.
    """
    orientation = image.getexif().get(ORIENTATION_TAG, 1)
    if orientation not in TURNS:
        return image, ""
    turn, words = TURNS[orientation]
    return image.transpose(turn), f"EXIF orientation {orientation} applied ({words})"


def to_rgb(image: Image.Image, notes: list[str], info: dict[Any, Any]) -> NDArray[np.uint8]:
    """Convert a loaded image to sRGB and flatten it on white.

    Args:
        image: Any mode.
        notes: Gets a sentence for each conversion that changes what is seen.
        info: The opened image's ``info``; a transposed copy may have lost it.

    Raises:
        UnsupportedModeError: For samples without a defined white, such as floats.
    """
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_eight_bit(image))
    transparent = "transparency" in info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    alpha = None
    if transparent:
        if "transparency" in info:
            image.info.setdefault("transparency", info["transparency"])
        rgba = image.convert("RGBA")
        alpha, image = rgba.getchannel("A"), rgba.convert("RGB")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    image = _to_srgb(image, info.get("icc_profile"), notes)
    if alpha is not None and alpha.getextrema() != (255, 255):
        white = Image.new("RGB", image.size, WHITE[:3])
        image = Image.composite(image, white, alpha)
        notes.append("alpha flattened on white")
    return np.array(image, dtype=np.uint8)


def _eight_bit(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode == "F":
        raise UnsupportedModeError("floating-point samples have no defined white")
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 65535:
        raise UnsupportedModeError("32-bit integer samples have no defined white")
    return ((samples + 128) // 257).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    if image.mode == "CMYK":
        notes.append("CMYK converted to RGB")
    if profile and image.mode in PROFILE_MODES:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = ImageCms.getProfileDescription(source).strip()
            if "srgb" not in name.lower():
                target = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
                if converted is not None:
                    notes.append(f"ICC profile {name!r} converted to sRGB")
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            notes.append(f"ICC profile can't be used, taken as sRGB ({error})")
    if image.mode not in ("RGB", "L", "CMYK", "YCbCr", "HSV"):
        raise UnsupportedModeError(f"samples of mode {image.mode} are not supported")
    return image.convert("RGB")
