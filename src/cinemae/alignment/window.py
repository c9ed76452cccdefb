"""The part of a large image that a training looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from cinemae.alignment.operations import Probability, window_at

Pixels = NDArray[np.uint8]


class WindowConfig(BaseModel):
    """What part of a large image the training looks at.

    Attributes:
        side: Side of the window in pixels.
        reduce: Probability of reducing an image whose short side is above ``above`` first, so that
            a photograph counts both as its camera made it and as the web shows it.
        above: That short side in pixels.
        smallest: Smallest short side after reducing; it is drawn log-uniformly from here upwards.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(default=640, ge=64)
    reduce: Probability = 0.5
    above: int = Field(default=700, ge=64)
    smallest: int = Field(default=512, ge=64)


def training_window(pixels: Pixels, rng: np.random.Generator, config: WindowConfig | None = None) -> Pixels:
    """Reduce a large image at random and cut a window."""
    config = config or WindowConfig()
    reduce, size, down, across = rng.random(4).tolist()
    short = min(pixels.shape[:2])
    if short > config.above and reduce < config.reduce:
        scale = float((config.smallest / short) ** size)
        new = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
        pixels = np.array(Image.fromarray(pixels).resize(new, Image.Resampling.BICUBIC, reducing_gap=3.0))
    return window_at(pixels, config.side, down, across)
