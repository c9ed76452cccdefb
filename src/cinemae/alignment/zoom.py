"""The same photograph at several scales: a difference that says nothing of where an image comes from.

How much of a scene falls on a pixel depends on the lens, the sensor and the web site, and it moves all
features far. A distance from photographs that is not told so takes a camera's original, or a
picture that shows much on few pixels, for something else than a photograph.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from cinemae.alignment.operations import Codec, Pixels, recode, window_at


class ZoomConfig(BaseModel):
    """At which scales a photograph is looked at.

    Attributes:
        side: Side of the window in pixels, the same at every scale.
        factors: What the photograph is reduced by, one view each.
        largest: Short side in pixels that a larger photograph is reduced to first.
        quality: JPEG quality of the views.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(default=256, ge=64)
    factors: tuple[float, ...] = Field(default=(1.0, 0.5), min_length=2)
    largest: int = Field(default=1400, ge=64)
    quality: int = Field(default=90, ge=1, le=100)

    @property
    def smallest(self) -> int:
        """Short side in pixels of the smallest photograph that fills the window at every scale."""
        return math.ceil(self.side / min(self.factors))


def zoomed(pixels: Pixels, rng: np.random.Generator, factor: float, config: ZoomConfig | None = None) -> Pixels:
    """Reduce a photograph and cut a window at a drawn place; the same generator gives the same place at any scale."""
    config = config or ZoomConfig()
    image = Image.fromarray(pixels)
    scale = min(1.0, config.largest / min(image.size)) * factor
    if scale < 1:
        size = round(image.width * scale), round(image.height * scale)
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    across, down = rng.random(2).tolist()
    window = window_at(np.asarray(image), config.side, down, across)
    return np.array(recode(Image.fromarray(window), Codec(format="JPEG", quality=config.quality)))
