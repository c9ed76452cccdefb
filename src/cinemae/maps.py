"""Maps of an image's semantic likelihood, as pictures: where it cost more bits than its model expected.

What is drawn is the coding-cost gap (NLL minus expected NLL, bits a sub-pixel) of each patch of the
semantic scale. That scale sees the centre crop of the resized view, so an overlay tints only
that part of the image, outlined; what lies outside was not looked at and keeps its colours. The
colour scale is the same for all images, so that maps can be compared.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from cinemae.images import resized_box

if TYPE_CHECKING:
    from cinemae.detector import Scored
    from cinemae.images import LoadedImage
    from cinemae.likelihood import ConditionalLikelihood

SCALE = (-1.0, 3.0)  # bits a sub-pixel at the two ends of the colour scale
LONG_SIDE = (448, 1024)  # of an overlay: small images are enlarged so that the legend can be read
PANEL = 384  # side of a panel of a side-by-side
MAX_ALPHA = 0.75
_LEGEND = 44
_CAPTION = 26
_MARGIN = 8
_INK, _PAPER = (235, 235, 235), (24, 24, 28)
_OWNER = "cinemae-input"
# 16 stops of the perceptually uniform "magma" map (S. van der Walt and N. Smith, CC0).
_STOPS = bytes.fromhex(
    "0000040b092420114b3b0f7057157e721f818c2981a8327dc43c75de4968f1605dfa7f5efe9f6dfebf84fddea0fcfdbf"
)
MAGMA = np.frombuffer(_STOPS, dtype=np.uint8).reshape(16, 3).astype(np.float32)


def strength(gap: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where values lie on the colour scale, clipped to 0..1."""
    low, high = SCALE
    position: NDArray[np.float32] = np.clip((gap - low) / (high - low), 0, 1).astype(np.float32)
    return position


def colourise(position: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the colours of positions on the scale, shape (..., 3)."""
    place = np.clip(position, 0, 1) * (len(MAGMA) - 1)
    lower = np.minimum(place.astype(np.int64), len(MAGMA) - 2)
    share = (place - lower)[..., None]
    mixed: NDArray[np.uint8] = np.rint(MAGMA[lower] * (1 - share) + MAGMA[lower + 1] * share).astype(np.uint8)
    return mixed


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
    image, likelihood = _parts(scored)
    height, width = image.pixels.shape[:2]
    low, high = LONG_SIDE
    zoom = min(max(max(width, height), low), high) / max(width, height)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    drawn = Image.fromarray(image.pixels).resize(size, Image.Resampling.LANCZOS)
    position = strength(likelihood.per_patch(likelihood.gap))
    crop = likelihood.values.shape[0]
    box = resized_box(width, height, resize=resize, crop=crop)
    left, top, right, bottom = (round(edge * zoom) for edge in box)
    place = (right - left, bottom - top)
    tint = Image.fromarray(colourise(position)).resize(place, Image.Resampling.NEAREST)
    opacity = Image.fromarray(np.rint(255 * MAX_ALPHA * _opacity(position)).astype(np.uint8))
    drawn.paste(tint, (left, top), opacity.resize(place, Image.Resampling.NEAREST))
    ImageDraw.Draw(drawn).rectangle((left, top, right - 1, bottom - 1), outline=_INK)
    canvas = Image.new("RGB", (max(drawn.width, LONG_SIDE[0]), drawn.height + _LEGEND), _PAPER)
    canvas.paste(drawn, ((canvas.width - drawn.width) // 2, 0))
    _draw_legend(canvas, drawn.height)
    return canvas


def side_by_side(scored: Scored) -> Image.Image:
    """Draw the semantic view, what the MAE predicted of it, and the anomaly, next to each other.

    Each patch of the reconstruction is the mean over the passes that hid it; with an MAE of
    per-patch-normalised pixels it was given the patch's own mean and contrast.

    Args:
        scored: A scored image.

    Raises:
        ValueError: If the input was refused.
    """
    _, likelihood = _parts(scored)
    view = np.rint(likelihood.values).astype(np.uint8)
    predicted = np.rint(np.clip(likelihood.mean, 0, 255)).astype(np.uint8)
    anomaly = colourise(strength(likelihood.per_patch(likelihood.gap)))
    panels = (
        (f"view, {view.shape[1]}x{view.shape[0]}", view, Image.Resampling.BICUBIC),
        ("predicted by the MAE", predicted, Image.Resampling.BICUBIC),
        ("anomaly", anomaly, Image.Resampling.NEAREST),
    )
    width = len(panels) * PANEL + (len(panels) - 1) * _MARGIN
    canvas = Image.new("RGB", (width, _CAPTION + PANEL + _LEGEND), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (caption, pixels, filtering) in enumerate(panels):
        left = number * (PANEL + _MARGIN)
        draw.text((left + _MARGIN, 4), caption, fill=_INK, font=_font(14))
        canvas.paste(Image.fromarray(pixels).resize((PANEL, PANEL), filtering), (left, _CAPTION))
    _draw_legend(canvas, _CAPTION + PANEL, _verdict_line(scored))
    return canvas


def write_maps(scored: Scored, folder: Path, *, resize: int = 256) -> list[Path]:
    """Write both pictures of one image into a folder, as ``NAME.overlay.png`` and ``NAME.sides.png``.

    NAME is the input's name without folder and suffix. If other files have these names already,
    another input's maps or anything else, a short hash of the input is added. Each
    picture carries the hash of its input, so that maps are replaced only by those of the same image
    under the same path.

    Args:
        scored: A scored image.
        folder: An existing folder.
        resize: See :func:`overlay`.

    Returns:
        The two files.

    Raises:
        ValueError: If the input was refused.
        OSError: If a file can't be written.
    """
    image, _ = _parts(scored)
    owner = hashlib.sha256(f"{scored.verdict.path}\n{image.facts.sha256}".encode()).hexdigest()
    stem = _stem(scored.verdict.path)
    pictures = {"overlay": overlay(scored, resize=resize), "sides": side_by_side(scored)}
    for name in (stem, f"{stem}-{owner[:8]}", f"{stem}-{owner}"):
        paths = [folder / f"{name}.{kind}.png" for kind in pictures]
        if all(_is_free(path, owner) for path in paths):
            break
    info = PngInfo()
    info.add_text(_OWNER, owner)
    for path, picture in zip(paths, pictures.values(), strict=True):
        picture.save(path, pnginfo=info)
    return paths


def _parts(scored: Scored) -> tuple[LoadedImage, ConditionalLikelihood]:
    if scored.image is None or scored.extraction is None:
        raise ValueError(f"{scored.verdict.path}: was refused, there is no map of it")
    return scored.image, scored.extraction.likelihoods["semantic"][0]


def _opacity(position: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0 up to a gap of zero, then rising to 1 at the scale's end."""
    zero = -SCALE[0] / (SCALE[1] - SCALE[0])
    rising: NDArray[np.float32] = np.clip((position - zero) / (1 - zero), 0, 1).astype(np.float32) ** np.float32(0.6)
    return rising


def _stem(path: str) -> str:
    """Return a plain file name for an input: a path, a URL, ``-`` or ``<bytes>``."""
    if path == "-":
        return "stdin"
    name = PurePosixPath(path.split("?")[0].replace("\\", "/")).stem
    return re.sub(r"[^\w.-]+", "_", name).strip("._-")[:80] or "image"


def _is_free(path: Path, owner: str) -> bool:
    """Tell whether a map may be written here: nothing is there, or this input's own."""
    if not path.exists():
        return True
    try:
        with Image.open(path, formats=["PNG"]) as old:
            return bool(old.info.get(_OWNER) == owner)
    except OSError:  # something else under this name
        return False


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
