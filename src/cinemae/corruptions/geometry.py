"""Corruptions that move or resample pixels: scaling, crop, rotation."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cinemae.alignment.operations import Pixels

LEAST_SIDE = 64
"""No image is brought to a short side below this, in pixels; a smaller one keeps its size."""


def scale(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Resample the image with a Lanczos filter; severity is the factor of both sides."""
    return np.array(resized(Image.fromarray(pixels), severity, Image.Resampling.LANCZOS))


def rescale(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Reduce the image by a factor and enlarge it to its old size again, both bicubic; severity is the factor."""
    image = Image.fromarray(pixels)
    small = resized(image, severity, Image.Resampling.BICUBIC)
    return np.array(small.resize(image.size, Image.Resampling.BICUBIC))


def crop(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Cut a part at a drawn place, without resampling; severity is the share of each side that stays."""
    down, across = rng.random(2).tolist()
    least = min(LEAST_SIDE, *pixels.shape[:2])
    height, width = (max(round(side * severity), least) for side in pixels.shape[:2])
    top, left = int(down * (pixels.shape[0] - height + 1)), int(across * (pixels.shape[1] - width + 1))
    return pixels[top : top + height, left : left + width].copy()


def rotate(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Turn the image (bicubic), cut the largest upright part; severity is the angle in degrees, its sign is drawn."""
    angle = severity if rng.random() < 0.5 else -severity
    image = Image.fromarray(pixels)
    turned = image.rotate(angle, Image.Resampling.BICUBIC)
    width, height = inscribed(image.width, image.height, severity)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.array(turned.crop((left, top, left + width, top + height)))


def inscribed(width: int, height: int, degrees: float) -> tuple[int, int]:
    """Return the size of the largest upright rectangle of the same shape inside a turned one.

    Args:
        width: In pixels.
        height: In pixels.
        degrees: Angle, 0 to 45.
    """
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    # A rectangle of k (w, h) fits if k (w cos + h sin) <= w and k (w sin + h cos) <= h.
    share = min(width / (width * cosine + height * sine), height / (width * sine + height * cosine))
    # One pixel less on each side: the outermost ones are interpolated with the void.
    inset = 2 if degrees else 0
    return max(int(width * share) - inset, 1), max(int(height * share) - inset, 1)


def resized(image: Image.Image, factor: float, resample: Image.Resampling) -> Image.Image:
    """Resample an image by a factor, but to no short side below ``LEAST_SIDE``."""
    short = min(image.size)
    bounded = max(factor, min(LEAST_SIDE / short, 1.0))
    size = (max(round(image.width * bounded), 1), max(round(image.height * bounded), 1))
    return image if size == image.size else image.resize(size, resample)
