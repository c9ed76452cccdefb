"""The residual network: a small CNN, trained from scratch on what nearest-neighbour up-sampling can't explain.

The idea is of Tan et al.: Rethinking the Up-Sampling Operations in CNN-based Generative Network for Generalizable
Deepfake Detection, CVPR 2024 (NPR, arXiv 2312.10461); network, training and code are our own. It looks at
pixels at their own resolution, so it sees the traces, and not what the picture shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from cinemae.baselines.base import Baseline, BaselineError, Floats, Rows, Weights
from cinemae.features.measurer import Measure, Vector
from cinemae.images import native_crops
from cinemae.mae.select import PrecisionChoice

VERSION = 1  # raised whenever other crops are taken


class ResidualConfig(Baseline):
    """The residual network.

    Attributes:
        size: Side of a crop in pixels, even, never resampled. A smaller picture is repeated side by
            side, by whole blocks of 2 x 2 pixels.
        crops: Crops of a picture, on a fixed grid. Training takes one of them at random in each
            epoch; a verdict is the mean of all.
        channels: Of each convolution, multiples of 4.
        epochs: Upper limit.
        patience: Epochs without a better held-out loss that end the training.
        batch: Rows a step.
        rate: Learning rate of AdamW.
        decay: Weight decay of AdamW.
        threads: Cores that the training uses. Their number orders the sums, so it is a setting: another
            one gives other weights in the last digits.
    """

    kind: Literal["residual-cnn"] = "residual-cnn"
    size: int = Field(default=96, ge=32, multiple_of=2)
    crops: int = Field(default=2, ge=1)
    channels: tuple[int, ...] = Field(default=(16, 32, 48, 64, 64), min_length=2)
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=5, ge=1)
    batch: int = Field(default=32, ge=2)
    rate: float = Field(default=2e-3, gt=0)
    decay: float = Field(default=1e-2, ge=0)
    threads: int = Field(default=2, ge=1)

    @field_validator("channels")
    @classmethod
    def _in_groups(cls, channels: tuple[int, ...]) -> tuple[int, ...]:
        if any(count < 4 or count % 4 for count in channels):
            raise ValueError(f"channels must be multiples of 4, got {channels}")
        return channels

    def measurer(self, precision: PrecisionChoice = "auto", device: str | None = None) -> CropMeasurer:
        """Return the measurer, which only cuts crops, whatever arithmetic is asked for."""
        return CropMeasurer(self.size, self.crops)

    def identity(self) -> str:
        """The crops and the version of the code."""
        return f"residual-cnn/{VERSION}/{self.size}/{self.crops}"

    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Return the shapes of the network's weights."""
        from cinemae.baselines.network import shapes

        return {**shapes(self.channels)}

    def fit_weights(self, rows: Rows, seed: int) -> tuple[Weights, dict[str, Any]]:
        """Train the network."""
        from cinemae.baselines.network import Plan, train

        self._check(rows.features)
        settings = self.model_dump(include=set(Plan.__dataclass_fields__))
        return train(rows, self.size, Plan(**settings), seed)

    def logits(self, weights: Weights, features: Vector) -> Floats:
        """Return uncalibrated logits (rows,).

        Raises:
            BaselineError: If the rows are not crops of this size and number.
        """
        from cinemae.baselines.network import infer

        self._check(features)
        return infer(weights, self.channels, features.reshape(-1, self.crops, self.size, self.size, 3))

    def _check(self, features: Vector) -> None:
        if features.dtype != np.uint8 or features.shape[1:] != (self.crops * self.size**2 * 3,):
            raise BaselineError(
                f"{self.kind}: needs {self.crops} crops of {self.size} pixels as bytes, given are"
                f" {features.shape[1:]} numbers of type {features.dtype}"
            )


@dataclass(frozen=True)
class CropMeasurer:
    """Cuts crops; see :class:`cinemae.features.measurer.Measurer`. Pixels aren't kept in the cache.

    Attributes:
        size: Side of a crop in pixels.
        crops: Crops of a picture.
    """

    size: int
    crops: int

    @property
    def parts(self) -> dict[str, str]:
        """One part, without a key; its name says all that it depends on."""
        return {f"{self.crops} crops of {self.size} pixels": ""}

    @property
    def width(self) -> int:
        """Bytes of all crops."""
        return self.crops * self.size**2 * 3

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Always bytes."""
        return np.dtype(np.uint8)

    def build(self) -> Measure:
        """Return the function that cuts; nothing is loaded."""
        return lambda pixels, part: cut(pixels, size=self.size, count=self.crops).flatten()


def cut(pixels: NDArray[np.uint8], *, size: int, count: int) -> NDArray[np.uint8]:
    """Return crops at native resolution, (count, size, size, 3).

    A picture smaller than a crop is repeated: its sides are trimmed to be even, so that each block of
    2 x 2 pixels stays one. Where the picture has fewer different crops, they are taken again in turn.

    Args:
        pixels: (height, width, 3), both sides at least 2.
        size: Side of a crop in pixels, even.
        count: Number of crops.
    """
    found = native_crops(pixels, size=size, count=count)
    return np.stack([_repeated(found[number % len(found)], size) for number in range(count)])


def _repeated(crop: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    rows, columns = (np.arange(size) % side for side in crop.shape[:2])
    repeated: NDArray[np.uint8] = crop[rows[:, None], columns]
    return repeated
