"""The file behind an aligned image: what the evaluation decodes, before it is decoded."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from cinemae.alignment import AlignParams, Protocol
from cinemae.alignment.equalise import plan_alignment
from cinemae.alignment.operations import bounded_factor, crop_limit, crop_side, square_crop
from cinemae.seeding import rng_for


def aligned_file(
    pixels: NDArray[np.uint8],
    protocol: Protocol,
    sha256: str,
    side: int,
    seed: int,
    params: AlignParams | None = None,
) -> bytes:
    """Return the JPEG whose decoded pixels are the evaluation's aligned image.

    ``cinemae.alignment.align`` gives these pixels and keeps no file; here the same steps end one earlier.

    Args:
        pixels: The decoded image, (height, width, 3).
        protocol: "format" or "history".
        sha256: Hash of the original file, the key of the draws.
        side: Upper limit of the crop from :func:`max_side`, in pixels.
        seed: The evaluation's seed.
        params: Settings; None for the defaults.
    """
    params = params or AlignParams()
    plan = plan_alignment(rng_for(seed, f"{sha256}/{protocol}/0"), params)
    limit = crop_limit(pixels, side)
    factor = bounded_factor(plan.factor, limit, params.min_side) if protocol == "history" else 1.0
    crop = square_crop(pixels, crop_side(limit, factor, plan.side), factor, plan.position, params.filter)
    stream = io.BytesIO()
    crop.save(stream, "JPEG", quality=plan.codec.quality, subsampling=plan.codec.subsampling)
    return stream.getvalue()
