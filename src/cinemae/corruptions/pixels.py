"""Corruptions that keep an image's size: blur, noise, sharpening, colour, text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from cinemae.alignment.operations import Pixels

_WORDS = ("breaking", "look", "at", "this", "share", "now", "real", "photo", "unbelievable", "today", "news", "@user")


def blur(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Blur with a Gaussian; severity is its standard deviation in pixels."""
    return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(severity)))


def noise(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise, independent in every sub-pixel; severity is its standard deviation in grey levels of 255."""
    return _rounded(pixels + severity * rng.standard_normal(pixels.shape))


def sharpen(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Apply an unsharp mask of radius 1.5 pixels; severity is its strength in per cent."""
    mask = ImageFilter.UnsharpMask(radius=1.5, percent=round(severity), threshold=0)
    return np.array(Image.fromarray(pixels).filter(mask))


def saturation(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Scale the distance of every colour from its grey; severity 0 is grey, 1 changes nothing."""
    return np.array(ImageEnhance.Color(Image.fromarray(pixels)).enhance(severity))


def hue(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Turn all colours about the grey axis, keeping their mean; severity is the angle in degrees, its sign is drawn."""
    angle = np.deg2rad(severity) * (1 if rng.random() < 0.5 else -1)
    # Rodrigues' rotation about (1, 1, 1) / sqrt(3).
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(angle) * np.eye(3) + (1 - np.cos(angle)) / 3 + np.sin(angle) * cross
    return _rounded(pixels @ turn.T)


def gamma(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Raise every value, as a fraction of 255, to a power; a severity below 1 brightens."""
    table = _rounded(255 * np.linspace(0, 1, 256) ** severity)
    return table[pixels]


def text(pixels: Pixels, severity: float, rng: np.random.Generator) -> Pixels:
    """Write a line of drawn words in white with a black rim; severity is the font's size in per cent of the height."""
    image = Image.fromarray(pixels)
    size = max(image.height * severity / 100, 4)
    words = " ".join(_WORDS[number] for number in rng.integers(0, len(_WORDS), 4))
    place = (0.05 * image.width, float(rng.random()) * max(image.height - 1.5 * size, 0))
    ImageDraw.Draw(image).text(
        place,
        words,
        fill="white",
        font=ImageFont.load_default(size),
        stroke_width=max(size / 12, 1),
        stroke_fill="black",
    )
    return np.array(image)


def _rounded(values: NDArray[np.float64]) -> Pixels:
    out: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return out
