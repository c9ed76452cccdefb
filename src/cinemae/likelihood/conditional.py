"""p(hidden | visible): from the passes of a mask scheme to one likelihood a sub-pixel.

A sub-pixel is scored only by the passes that hid it. Their predictions are an equal mixture,
kept by its first two moments: the mean of the means, and the mean of the variances plus the
variance of the means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cinemae.likelihood.distributions import LOGISTIC_VARIANCE, MAX_SCALE, MIN_SCALE, Family, entropy, nll
from cinemae.likelihood.noise import NoiseModel

FloatArray = NDArray[np.float32]
BITS = float(1 / np.log(2))


@dataclass(frozen=True)
class PassPredictions:
    """What the passes of one image predict, in levels.

    Attributes:
        mean: (passes, height, width, 3).
        scale: Logistic scales of the same shape, or None if the MAE predicts only a mean.
    """

    mean: FloatArray
    scale: FloatArray | None


@dataclass(frozen=True)
class ConditionalLikelihood:
    """The predictive distribution of every sub-pixel of one view, and what it makes of the truth.

    Attributes:
        values: True levels, (height, width, 3).
        mean: Predictive mean in levels, same shape.
        variance: Predictive variance in squared levels, same shape.
        patch: Side of a scored patch in pixels.
        family: Shape of the distribution.
    """

    values: FloatArray
    mean: FloatArray
    variance: FloatArray
    patch: int
    family: Family = "logistic"

    @cached_property
    def nll(self) -> FloatArray:
        """-log p(value) in bits, (height, width, 3)."""
        return (nll(self.values, self.mean, self.variance, self.family) * BITS).astype(np.float32)

    @cached_property
    def entropy(self) -> FloatArray:
        """Expected NLL of the predicted distribution in bits, (height, width, 3)."""
        return (entropy(self.mean, self.variance, self.family) * BITS).astype(np.float32)

    @cached_property
    def gap(self) -> FloatArray:
        """Coding-cost gap in bits, NLL minus entropy (ZED, arXiv 2409.15875), (height, width, 3)."""
        return self.nll - self.entropy

    @cached_property
    def residual(self) -> FloatArray:
        """Truth minus mean in levels, (height, width, 3)."""
        return self.values - self.mean

    @property
    def bits_per_dim(self) -> float:
        """Mean NLL in bits a sub-pixel."""
        return float(self.nll.mean(dtype=np.float64))

    def per_patch(self, values: FloatArray, patch: int | None = None) -> FloatArray:
        """Average a (height, width, 3) map over patches: (rows, columns)."""
        return block_mean(values.mean(-1, dtype=np.float32), patch or self.patch)


def block_mean(values: FloatArray, size: int) -> FloatArray:
    """Average a (height, width) map over ``size`` x ``size`` blocks; what a side has left over is dropped."""
    rows, columns = values.shape[0] // size, values.shape[1] // size
    cut = values[: rows * size, : columns * size].reshape(rows, size, columns, size)
    out: FloatArray = cut.mean((1, 3), dtype=np.float32)
    return out


def combine(
    values: NDArray[np.uint8],
    passes: PassPredictions,
    hidden: NDArray[np.bool_],
    *,
    patch: int,
    noise: NoiseModel | None = None,
    family: Family = "logistic",
) -> ConditionalLikelihood:
    """Combine the passes that hid each sub-pixel.

    Args:
        values: The view, (height, width, 3).
        passes: Predictions of all passes.
        hidden: (passes, rows, columns) masks over patches, True = hidden.
        patch: Side of a patch in pixels.
        noise: Noise model of an MAE that predicts only a mean.
        family: Shape of the distribution.

    Raises:
        ValueError: If a patch is hidden in no pass, or an MAE without scales has no noise model.
    """
    weight = hidden.repeat(patch, 1).repeat(patch, 2)[..., None].astype(np.float32)
    count = weight.sum(0)
    if not count.all():
        raise ValueError("the masks leave patches that no pass hides; they have no likelihood")
    weight /= count
    mean = (weight * passes.mean).sum(0)
    variance = (weight * (passes.mean - mean) ** 2).sum(0)
    truth = values.astype(np.float32)
    if passes.scale is not None:
        scale = np.clip(passes.scale, MIN_SCALE, MAX_SCALE)
        variance = variance + (weight * scale**2).sum(0) * np.float32(LOGISTIC_VARIANCE)
    elif noise is not None:
        ensemble, contrast = patch_moments(mean, variance, patch)
        fitted = noise.variance(ensemble, contrast)
        variance = np.broadcast_to(fitted.repeat(patch, 0).repeat(patch, 1)[..., None], mean.shape)
    else:
        raise ValueError("this MAE predicts only a mean: it needs a noise model (`cinemae fit-noise`)")
    return ConditionalLikelihood(truth, np.clip(mean, 0, 255), variance.astype(np.float32), patch, family)


def patch_moments(mean: FloatArray, variance: FloatArray, patch: int) -> tuple[FloatArray, FloatArray]:
    """Return a patch's mean ensemble variance and predicted contrast: what a noise model reads.

    Both are (rows, columns), in squared levels.
    """
    ensemble = block_mean(variance.mean(-1), patch)
    square = block_mean((mean**2).mean(-1), patch)
    colour = [block_mean(mean[..., number], patch) ** 2 for number in range(3)]
    contrast = np.maximum(square - np.mean(colour, axis=0), 0)
    return ensemble, contrast.astype(np.float32)
