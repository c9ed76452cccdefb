"""Corruptions by lossy formats, and by the chains of them that a screenshot or an upload goes through."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from cinemae.alignment.operations import Codec, Pixels, draw_integer, recode
from cinemae.corruptions.geometry import LEAST_SIDE, resized

FIRST_QUALITIES = (60, 95)  # of a double JPEG's first one
SCREENS = (0.6, 1.25)  # by how much a screen scales what it shows
LONG_SIDES = (1080, 2048)  # that sharing sites reduce an upload to, in pixels
UPLOAD_QUALITIES = (70, 85)


def jpeg(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Save as a JPEG with 4:2:0 chroma; severity is the quality."""
    return np.array(_jpeg(Image.fromarray(pixels), severity))


def double_jpeg(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Save as a JPEG of drawn quality, cut 0 to 7 pixels at the top and left, save again; severity is the last quality.

    The cut puts the second JPEG's blocks across those of the first.
    """
    u, down, across = rng.random(3).tolist()
    first = _jpeg(Image.fromarray(pixels), draw_integer(u, FIRST_QUALITIES))
    top, left = (
        int(place * 8) if side >= LEAST_SIDE + 7 else 0
        for place, side in zip((down, across), pixels.shape[:2], strict=True)
    )
    return np.array(_jpeg(first.crop((left, top, first.width, first.height)), severity))


def webp(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Save as a lossy WebP; severity is the quality."""
    return np.array(recode(Image.fromarray(pixels), Codec(format="WEBP", quality=round(severity))))


def avif(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Save as an AVIF with 4:2:0 chroma; severity is the quality."""
    buffer = io.BytesIO()
    # One thread: images are measured in parallel already.
    Image.fromarray(pixels).save(buffer, "AVIF", quality=round(severity), subsampling="4:2:0", max_threads=1)
    with Image.open(buffer) as decoded:
        return np.array(decoded.convert("RGB"))


def screenshot(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Resample as a screen does (bilinear, drawn factor), store as PNG, then as JPEG; severity is its quality.

    The PNG is lossless, so that it needs not be made.
    """
    low, high = SCREENS
    shown = resized(Image.fromarray(pixels), low + float(rng.random()) * (high - low), Image.Resampling.BILINEAR)
    return np.array(_jpeg(shown, severity))


def social(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Upload once or several times: reduce to a drawn long side, save as a JPEG of drawn quality; severity counts them.

    Images that are smaller than that already are only compressed.
    """
    image = Image.fromarray(pixels)
    for side, quality in rng.random((round(severity), 2)).tolist():
        limit = LONG_SIDES[draw_integer(side, (0, len(LONG_SIDES) - 1))]
        image = resized(image, min(limit / max(image.size), 1.0), Image.Resampling.LANCZOS)
        image = _jpeg(image, draw_integer(quality, UPLOAD_QUALITIES))
    return np.array(image)


def _jpeg(image: Image.Image, quality: float) -> Image.Image:
    return recode(image, Codec(format="JPEG", quality=round(quality), subsampling="4:2:0"))
