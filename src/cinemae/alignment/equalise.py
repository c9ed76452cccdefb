"""Alignment protocols and training augmentation: what happens to both classes alike.

In most collections the label can be told from the file: fakes are PNG, real images JPEG; each
generator has its own size; only the real images were compressed before. Everything here works on
decoded pixels, draws from an image's own generator (:func:`cinemae.seeding.rng_for`), and makes all its draws
first, in a fixed number and order, so that neither the class nor the format nor the size can
influence them. What is left is the size, since a crop can't be larger than its image: pass the
``max_side`` of a :class:`cinemae.alignment.sizes.SizeEqualiser` to give the two classes the same sizes.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import numpy as np
from PIL import Image, ImageFilter
from pydantic import BaseModel, ConfigDict, Field

from cinemae.alignment.operations import (
    Codec,
    Factors,
    Filter,
    Pixels,
    Probability,
    Qualities,
    Sides,
    Sigmas,
    Subsampling,
    bounded_factor,
    crop_limit,
    crop_side,
    draw_integer,
    recode,
    resample_whole,
    square_crop,
)

__all__ = [
    "AlignParams",
    "AlignPlan",
    "AugmentConfig",
    "AugmentPlan",
    "Codec",
    "Protocol",
    "align",
    "augment",
    "plan_alignment",
    "plan_augmentation",
]

Protocol = Literal["raw", "format", "history"]


class AlignParams(BaseModel):
    """Settings of the alignment protocols.

    Attributes:
        sides: Range of the square crop's side in pixels, uniform; an image with a smaller short
            side uses its own. One number twice is a plain upper limit, which loses the least of
            an image when ``max_side`` already equalises the sizes.
        qualities: Range of the JPEG quality, uniform, both ends included.
        subsampling: Chroma subsampling of that JPEG.
        factors: Range of the resampling factor of the history protocol, uniform.
        filter: Resampling filter of the history protocol.
        min_side: No image is resampled to a short side below this; smaller ones keep their size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sides: Sides = (512, 512)
    qualities: Qualities = (85, 96)
    subsampling: Subsampling = "4:2:0"
    factors: Factors = (0.5, 0.9)
    filter: Filter = "bicubic"
    min_side: int = Field(default=64, ge=1)


class AugmentConfig(BaseModel):
    """Distribution of the training augmentation, one for both classes.

    Attributes:
        equalise: Cut a square crop, no larger than ``max_side``, out of every image, so that
            neither size nor shape tells the classes apart. Without it the whole image is kept.
        resize: Probability of resampling.
        factors: Range of the resampling factor, log-uniform.
        filters: Resampling filters, drawn uniformly.
        min_side: No image is resampled to a short side below this; smaller ones keep their size.
        sides: Range of the square crop's side in pixels, uniform.
        flip: Probability of a horizontal flip.
        prior_jpeg: Probability of a JPEG before resampling and crop. Collected real images went
            through one already; this gives fakes that history and real images a longer one.
        prior_qualities: Range of its quality.
        blur: Probability of a Gaussian blur.
        sigmas: Range of its standard deviation in pixels, uniform.
        jpeg: Probability of a JPEG after the crop.
        qualities: Range of its quality.
        double_jpeg: Probability of a second one after the first (on the same block grid).
        subsampling: Chroma subsamplings of all JPEGs, drawn uniformly.
        webp: Probability of a WebP at the end.
        webp_qualities: Range of its quality.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    equalise: bool = True
    resize: Probability = 0.7
    factors: Factors = (0.4, 1.5)
    filters: Annotated[tuple[Filter, ...], Field(min_length=1)] = ("bicubic", "lanczos", "bilinear", "box")
    min_side: int = Field(default=64, ge=1)
    sides: Sides = (128, 512)
    flip: Probability = 0.5
    prior_jpeg: Probability = 0.3
    prior_qualities: Qualities = (70, 98)
    blur: Probability = 0.1
    sigmas: Sigmas = (0.2, 1.0)
    jpeg: Probability = 0.8
    qualities: Qualities = (60, 98)
    double_jpeg: Probability = 0.15
    subsampling: Annotated[tuple[Subsampling, ...], Field(min_length=1)] = ("4:2:0", "4:4:4")
    webp: Probability = 0.1
    webp_qualities: Qualities = (60, 95)


class AlignPlan(BaseModel):
    """What was drawn for one image: resampling factor, crop side in pixels, position in [0, 1), JPEG."""

    model_config = ConfigDict(frozen=True)

    factor: float
    side: int
    position: tuple[float, float]
    codec: Codec


class AugmentPlan(BaseModel):
    """What was drawn for one image; None stands for a step that is left out.

    Attributes:
        factor: Resampling factor, 1 for none.
        filter: Resampling filter.
        side: Crop side in pixels.
        position: Vertical and horizontal position of the crop, in [0, 1).
        flip: Whether to mirror left and right.
        prior: Coding step before the resampling.
        sigma: Standard deviation of the blur in pixels.
        codecs: Coding steps at the end, in order.
    """

    model_config = ConfigDict(frozen=True)

    factor: float
    filter: Filter
    side: int
    position: tuple[float, float]
    flip: bool
    prior: Codec | None
    sigma: float | None
    codecs: tuple[Codec, ...]


def plan_alignment(rng: np.random.Generator, params: AlignParams) -> AlignPlan:
    """Draw an alignment: always five numbers, the same ones for both protocols that use them."""
    factor, side, top, left, quality = rng.random(5).tolist()
    low, high = params.factors
    return AlignPlan(
        factor=low + factor * (high - low),
        side=draw_integer(side, params.sides),
        position=(top, left),
        codec=Codec(format="JPEG", quality=draw_integer(quality, params.qualities), subsampling=params.subsampling),
    )


def align(
    pixels: Pixels,
    protocol: Protocol,
    rng: np.random.Generator,
    params: AlignParams | None = None,
    *,
    max_side: int | None = None,
) -> Pixels:
    """Apply an alignment protocol to one image.

    ``raw`` returns the image unchanged. ``format`` cuts a random square crop, without resampling,
    and takes it through one JPEG. ``history`` resamples first, by a random factor, so that the
    block grid of an earlier compression is gone, and then does the same. Both draw the same crop
    position, side and quality from the same generator state.

    Args:
        pixels: RGB image of shape (H, W, 3).
        protocol: "raw", "format" or "history".
        rng: The image's own generator.
        params: Settings; None for the defaults.
        max_side: Upper limit of the crop's side in pixels of the given image (``history`` scales it
            along), from :meth:`SizeEqualiser.side`.

    Returns:
        RGB image of shape (side, side, 3), or the input itself for ``raw``.

    Raises:
        ValueError: If the protocol is unknown.
    """
    if protocol not in get_args(Protocol):
        raise ValueError(f"unknown protocol {protocol!r}; known are {', '.join(get_args(Protocol))}")
    if protocol == "raw":
        return pixels
    params = params or AlignParams()
    plan = plan_alignment(rng, params)
    limit = crop_limit(pixels, max_side)
    factor = bounded_factor(plan.factor, limit, params.min_side) if protocol == "history" else 1.0
    side = crop_side(limit, factor, plan.side)
    return np.array(recode(square_crop(pixels, side, factor, plan.position, params.filter), plan.codec))


def plan_augmentation(rng: np.random.Generator, config: AugmentConfig) -> AugmentPlan:
    """Draw an augmentation: always 21 numbers, whatever the configuration."""
    u = iter(rng.random(21).tolist())
    resize, factor, choice = next(u) < config.resize, next(u), next(u)
    side, top, left, flip = next(u), next(u), next(u), next(u) < config.flip
    prior = _codec("JPEG", config.prior_jpeg, config.prior_qualities, config, next(u), next(u), next(u))
    blur, sigma = next(u) < config.blur, next(u)
    first = _codec("JPEG", config.jpeg, config.qualities, config, next(u), next(u), next(u))
    second = _codec("JPEG", config.double_jpeg, config.qualities, config, next(u), next(u), next(u))
    webp = _codec("WEBP", config.webp, config.webp_qualities, config, next(u), next(u), next(u))
    low, high = config.factors
    return AugmentPlan(
        factor=low * (high / low) ** factor if resize else 1.0,
        filter=config.filters[draw_integer(choice, (0, len(config.filters) - 1))],
        side=draw_integer(side, config.sides),
        position=(top, left),
        flip=flip,
        prior=prior,
        sigma=config.sigmas[0] + sigma * (config.sigmas[1] - config.sigmas[0]) if blur else None,
        codecs=tuple(codec for codec in (first, second if first else None, webp) if codec),
    )


def augment(
    pixels: Pixels,
    rng: np.random.Generator,
    config: AugmentConfig | None = None,
    *,
    max_side: int | None = None,
) -> Pixels:
    """Augment one training image: JPEG, resampling, crop, flip, blur, JPEG once or twice, WebP.

    Args:
        pixels: RGB image of shape (H, W, 3).
        rng: The image's own generator, for example ``rng_for(seed, f"{sha256}/{epoch}")``.
        config: The distribution; None for the defaults.
        max_side: Upper limit of the crop's side in pixels of the given image, before resampling,
            from :meth:`SizeEqualiser.side`. Ignored without ``equalise``.

    Returns:
        RGB image of shape (side, side, 3); without ``equalise`` in the input's aspect ratio.
    """
    config = config or AugmentConfig()
    plan = plan_augmentation(rng, config)
    if config.equalise:
        limit = crop_limit(pixels, max_side)
        factor = bounded_factor(plan.factor, limit, config.min_side)
        side = crop_side(limit, factor, plan.side)
        image = square_crop(pixels, side, factor, plan.position, plan.filter, plan.prior)
    else:
        factor = bounded_factor(plan.factor, crop_limit(pixels, None), config.min_side)
        image = resample_whole(pixels, factor, plan.filter, plan.prior)
    if plan.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if plan.sigma is not None:
        image = image.filter(ImageFilter.GaussianBlur(plan.sigma))
    for codec in plan.codecs:
        image = recode(image, codec)
    return np.array(image)


def _codec(
    kind: Literal["JPEG", "WEBP"],
    probability: float,
    qualities: tuple[int, int],
    config: AugmentConfig,
    used: float,
    quality: float,
    chroma: float,
) -> Codec | None:
    subsampling = config.subsampling[draw_integer(chroma, (0, len(config.subsampling) - 1))]
    codec = Codec(format=kind, quality=draw_integer(quality, qualities), subsampling=subsampling)
    return codec if used < probability else None
