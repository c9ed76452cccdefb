"""Pictures with a legend: the map over its image, and view, prediction and map next to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cinemae.images import resized_box
from cinemae.maps.colours import SCALE, colourise, opacity, strength
from cinemae.maps.patches import parts_of, reconstruction, view

if TYPE_CHECKING:
    from cinemae.detector import Scored

LONG_SIDE = (448, 1024)  # of an overlay: small images are enlarged so that the legend can be read
PANEL = 384  # side of a panel of a side-by-side
MAX_ALPHA = 0.75
_LEGEND = 44
_CAPTION = 26
_MARGIN = 8
_INK, _PAPER = (235, 235, 235), (24, 24, 28)


def overlay(scored: Scored, *, resize: int = 256) -> Image.Image:
    """Draw the image under its anomaly map, with a legend below.

    A patch is the more opaque the stronger its anomaly; one that cost what its model expected, or
    less, is left nearly clear. Blocks are drawn as they were scored, without smoothing.

    Args:
        scored: A scored image with one view at the semantic scale.
        resize: Short side before the centre crop, of the model's semantic scale.

    Raises:
        ValueError: If the input was refused.
    """
    image, likelihood = parts_of(scored)
    height, width = image.pixels.shape[:2]
    low, high = LONG_SIDE
    zoom = min(max(max(width, height), low), high) / max(width, height)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    drawn = Image.fromarray(image.pixels).resize(size, Image.Resampling.LANCZOS)
    position = strength(likelihood.per_patch(likelihood.gap))
    crop = likelihood.values.shape[0]
    box = resized_box(width, height, resize=resize, crop=crop)
    left, top, right, bottom = (round(edge * zoom) for edge in box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)  # of a very thin picture hardly anything is left
    place = (right - left, bottom - top)
    tint = Image.fromarray(colourise(position)).resize(place, Image.Resampling.NEAREST)
    alpha = Image.fromarray(np.rint(255 * MAX_ALPHA * opacity(position)).astype(np.uint8))
    drawn.paste(tint, (left, top), alpha.resize(place, Image.Resampling.NEAREST))
    ImageDraw.Draw(drawn).rectangle((left, top, right - 1, bottom - 1), outline=_INK)
    canvas = Image.new("RGB", (max(drawn.width, LONG_SIDE[0]), drawn.height + _LEGEND), _PAPER)
    canvas.paste(drawn, ((canvas.width - drawn.width) // 2, 0))
    _draw_legend(canvas, drawn.height)
    return canvas


def side_by_side(scored: Scored) -> Image.Image:
    """Draw the semantic view, what the MAE predicted of it, and the anomaly, next to each other.

    Args:
        scored: A scored image.

    Raises:
        ValueError: If the input was refused.
    """
    _, likelihood = parts_of(scored)
    seen = view(scored)
    anomaly = Image.fromarray(colourise(strength(likelihood.per_patch(likelihood.gap))))
    panels = (
        (f"view, {seen.width}x{seen.height}", seen, Image.Resampling.BICUBIC),
        ("predicted by the MAE", reconstruction(scored), Image.Resampling.BICUBIC),
        ("anomaly", anomaly, Image.Resampling.NEAREST),
    )
    width = len(panels) * PANEL + (len(panels) - 1) * _MARGIN
    canvas = Image.new("RGB", (width, _CAPTION + PANEL + _LEGEND), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (caption, picture, filtering) in enumerate(panels):
        left = number * (PANEL + _MARGIN)
        draw.text((left + _MARGIN, 4), caption, fill=_INK, font=_font(14))
        canvas.paste(picture.resize((PANEL, PANEL), filtering), (left, _CAPTION))
    _draw_legend(canvas, _CAPTION + PANEL, _verdict_line(scored))
    return canvas


def _verdict_line(scored: Scored) -> str:
    verdict = scored.verdict
    said: str = verdict.verdict or ""
    if verdict.probability is not None:
        said += f", P(ai) {verdict.probability:.3f}"
    return f"{said}, {verdict.bits_per_dim:.3f} bits/dim" if verdict.bits_per_dim is not None else said


def _draw_legend(canvas: Image.Image, top: int, text: str = "") -> None:
    """Draw the colour scale with its numbers at the left, and a text at the right."""
    low, high = SCALE
    width, left = 200, 2 * _MARGIN
    bar = colourise(np.linspace(0, 1, width, dtype=np.float32)[None].repeat(10, 0))
    canvas.paste(Image.fromarray(bar), (left, top + 8))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((left - 1, top + 7, left + width, top + 18), outline=(110, 110, 110))
    for value in range(int(np.ceil(low)), int(high) + 1):
        x = left + (value - low) / (high - low) * (width - 1)
        draw.text((x, top + 21), str(value), fill=_INK, font=_font(12), anchor="ma")
    draw.text((left + width + 12, top + 5), "bits a sub-pixel above", fill=_INK, font=_font(12))
    draw.text((left + width + 12, top + 20), "what the MAE expected", fill=_INK, font=_font(12))
    draw.text((canvas.width - _MARGIN, top + 12), text, fill=_INK, font=_font(14), anchor="ra")


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
