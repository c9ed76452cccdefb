"""How fine the finest detail of a picture is: whether it was enlarged from a much smaller one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STEP = 3  # pixels; what is finer than that an enlargement by four and more doesn't have
LEAST = 0.04  # between photographs at any size and the same enlarged from 64 pixels (tests/images/test_detail.py)
SIDE = 1026  # of the middle that is looked at, a multiple of STEP
COARSE = "hardly any detail finer than four pixels, as in an enlarged or blurred picture: no verdict is given on it"


def fine_detail(pixels: NDArray[np.uint8]) -> float:
    """Return how much of a picture's contrast is finer than ``STEP`` pixels, 0 to about 1.

    The spread of what is lost when the picture's middle is reduced and enlarged again, over its own spread, in grey
    levels.

    Args:
        pixels: (height, width, 3), both sides at least ``STEP``.
    """
    height, width = (min(side, SIDE) // STEP * STEP for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    grey = Image.fromarray(pixels[top : top + height, left : left + width]).convert("L")
    level = np.asarray(grey, dtype=np.float32)
    coarse = np.asarray(grey.reduce(STEP).resize(grey.size, Image.Resampling.BICUBIC), dtype=np.float32)
    return float((level - coarse).std() / (level.std() + 1e-3))


def is_coarse(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether a picture has next to no fine detail, so that how it was made can't be seen in it."""
    return fine_detail(pixels) < LEAST
