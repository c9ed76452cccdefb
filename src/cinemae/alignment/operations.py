"""The pixel operations and setting types that alignment and augmentation share."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Pixels = NDArray[np.uint8]
Filter = Literal["bicubic", "lanczos", "bilinear", "box"]
Subsampling = Literal["4:2:0", "4:4:4"]
_BLOCK = 16  # pixels of a JPEG's coding unit with 4:2:0 chroma; a multiple of the one with 4:4:4

Number = TypeVar("Number", int, float)

FILTERS: Mapping[Filter, Image.Resampling] = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
"""Pillow's filters. All of them widen as they reduce, that is, they antialias."""


def _ordered(pair: tuple[Number, Number]) -> tuple[Number, Number]:
    if pair[0] > pair[1]:
        raise ValueError(f"a range must be (low, high), got {pair}")
    return pair


_Scale = Annotated[float, Field(gt=0, le=4)]
_Quality = Annotated[int, Field(ge=1, le=100)]
_Side = Annotated[int, Field(ge=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Factors = Annotated[tuple[_Scale, _Scale], AfterValidator(_ordered)]
Qualities = Annotated[tuple[_Quality, _Quality], AfterValidator(_ordered)]
Sides = Annotated[tuple[_Side, _Side], AfterValidator(_ordered)]
Sigmas = Annotated[tuple[Annotated[float, Field(ge=0)], float], AfterValidator(_ordered)]


class Codec(BaseModel):
    """One lossy coding step: the format, its quality (1 to 100) and the chroma subsampling of a JPEG."""

    model_config = ConfigDict(frozen=True)

    format: Literal["JPEG", "WEBP"]
    quality: int
    subsampling: Subsampling = "4:2:0"


def draw_integer(u: float, bounds: tuple[int, int]) -> int:
    """Map u in [0, 1) to an integer, both bounds included."""
    return min(bounds[0] + int(u * (bounds[1] - bounds[0] + 1)), bounds[1])


def crop_limit(pixels: Pixels, max_side: int | None) -> int:
    """Return the largest allowed crop side in pixels: the short side, at most ``max_side``, at least 1."""
    own = int(min(pixels.shape[:2]))
    return own if max_side is None else max(min(own, max_side), 1)


def bounded_factor(factor: float, limit: int, min_side: int) -> float:
    """Keep a small image from being reduced to nothing; ``limit`` has one distribution for both classes."""
    return max(factor, min(min_side / limit, 1.0))


def crop_side(limit: int, factor: float, drawn: int) -> int:
    """Return the side after resampling, in pixels: as drawn, or all that the limit leaves."""
    # 1e-9: 64 / 100 * 100 may fall just short of 64.
    return max(min(int(limit * factor + 1e-9), drawn), 1)


def window_at(pixels: Pixels, side: int, down: float, across: float) -> Pixels:
    """Cut a window out of an image; of an image smaller than that, all there is.

    Args:
        pixels: (height, width, 3).
        side: Side of the window in pixels.
        down: Where it lies, from the top (0) to the bottom (1).
        across: The same from left to right.
    """
    top, left = (
        int(place * max(0, length - side + 1)) for place, length in zip((down, across), pixels.shape[:2], strict=True)
    )
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def square_crop(
    pixels: Pixels,
    side: int,
    factor: float,
    position: tuple[float, float],
    resample: Filter,
    prior: Codec | None = None,
) -> Image.Image:
    """Cut the square that ``factor`` brings to ``side`` pixels, and resample it.

    Cropping before resampling gives the same pixels (but for the crop's edge) as the other way
    round, at a fraction of the cost on a large photograph.
    """
    span = min(side / factor, float(min(pixels.shape[:2])))  # in pixels of the original, fractional
    whole = math.ceil(span)
    top, left = (int(place * (length - whole + 1)) for place, length in zip(position, pixels.shape[:2], strict=True))
    # A JPEG's block grid starts at the image's corner, not at the crop's: keep its phase.
    rows, columns = (top % _BLOCK, left % _BLOCK) if prior else (0, 0)
    image = Image.fromarray(np.ascontiguousarray(pixels[top - rows : top + whole, left - columns : left + whole]))
    if prior:
        image = recode(image, prior).crop((columns, rows, columns + whole, rows + whole))
    if factor == 1:
        return image
    return image.resize((side, side), FILTERS[resample], box=(0, 0, span, span))


def resample_whole(pixels: Pixels, factor: float, resample: Filter, prior: Codec | None) -> Image.Image:
    """Resample an image as it is, without a crop."""
    image = Image.fromarray(pixels)
    if prior:
        image = recode(image, prior)
    if factor == 1:
        return image
    return image.resize((max(round(image.width * factor), 1), max(round(image.height * factor), 1)), FILTERS[resample])


def recode(image: Image.Image, codec: Codec) -> Image.Image:
    """Take an image through a lossy format and back."""
    buffer = io.BytesIO()
    if codec.format == "JPEG":
        image.save(buffer, "JPEG", quality=codec.quality, subsampling=codec.subsampling)
    else:
        image.save(buffer, "WEBP", quality=codec.quality)
    with Image.open(buffer) as decoded:
        return decoded.convert("RGB")
