"""The map of one image as numbers, and as plain pictures to lay over it or next to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from cinemae.images import resized_box
from cinemae.maps.colours import SCALE, colourise, opacity, strength

if TYPE_CHECKING:
    from cinemae.detector import Scored
    from cinemae.images import LoadedImage
    from cinemae.likelihood import ConditionalLikelihood


class PatchMap(BaseModel):
    """The semantic likelihood of one image, patch by patch, as numbers.

    Attributes:
        rows: Patches from top to bottom.
        cols: Patches from left to right.
        bits: (rows, cols) conditional NLL, bits a sub-pixel.
        gap: (rows, cols) coding-cost gap, bits a sub-pixel: NLL minus the NLL that the model expected.
        box: Where the map lies in the upright image: left, top, right, bottom in pixels.
        scale: Gaps at the two ends of the colour scale, the same for all images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    cols: int
    bits: tuple[tuple[float, ...], ...]
    gap: tuple[tuple[float, ...], ...]
    box: tuple[float, float, float, float]
    scale: tuple[float, float] = SCALE


def patch_map(scored: Scored, *, resize: int = 256) -> PatchMap:
    """Return the numbers behind the map of a scored image.

    Args:
        scored: A scored image with one view at the semantic scale.
        resize: Short side before the centre crop, of the model's semantic scale.

    Raises:
        ValueError: If the input was refused, or the model has no semantic scale.
    """
    image, likelihood = parts_of(scored)
    height, width = image.pixels.shape[:2]
    bits = likelihood.per_patch(likelihood.nll)
    gap = likelihood.per_patch(likelihood.gap)
    return PatchMap(
        rows=bits.shape[0],
        cols=bits.shape[1],
        bits=tuple(map(tuple, bits.tolist())),
        gap=tuple(map(tuple, gap.tolist())),
        box=resized_box(width, height, resize=resize, crop=likelihood.values.shape[0]),
    )


def tint(scored: Scored, *, side: int = 448) -> Image.Image:
    """Draw the map alone, RGBA: to be laid over the map's box; clear where nothing was unexpected.

    Args:
        scored: A scored image.
        side: Width and height of the picture in pixels.

    Raises:
        ValueError: If the input was refused, or the model has no semantic scale.
    """
    _, likelihood = parts_of(scored)
    position = strength(likelihood.per_patch(likelihood.gap))
    alpha = np.rint(255 * opacity(position)).astype(np.uint8)
    drawn = Image.fromarray(np.concatenate([colourise(position), alpha[..., None]], axis=-1))
    return drawn.resize((side, side), Image.Resampling.NEAREST)


def view(scored: Scored) -> Image.Image:
    """Return the semantic view, as the MAE sees it.

    Raises:
        ValueError: If the input was refused, or the model has no semantic scale.
    """
    return Image.fromarray(np.rint(parts_of(scored)[1].values).astype(np.uint8))


def reconstruction(scored: Scored) -> Image.Image:
    """Return what the MAE predicted of the semantic view; each patch is the mean over the passes that hid it.

    With an MAE of per-patch-normalised pixels it was given the patch's own mean and contrast.

    Raises:
        ValueError: If the input was refused, or the model has no semantic scale.
    """
    return Image.fromarray(np.rint(np.clip(parts_of(scored)[1].mean, 0, 255)).astype(np.uint8))


def parts_of(scored: Scored) -> tuple[LoadedImage, ConditionalLikelihood]:
    """Return what a map is drawn of: the image, and the likelihood of its semantic view.

    Raises:
        ValueError: If the input was refused, or the model has no semantic scale.
    """
    if scored.image is None or scored.extraction is None:
        raise ValueError(f"{scored.verdict.path}: was refused, there is no map of it")
    if "semantic" not in scored.extraction.likelihoods:
        raise ValueError("this model has no semantic scale to draw maps of")
    return scored.image, scored.extraction.likelihoods["semantic"][0]
