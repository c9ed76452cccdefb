"""p(hidden | visible): from the passes of a mask scheme to one likelihood a sub-pixel.

A sub-pixel is scored only by the passes that hid it. Their predictions are an equal mixture,
kept by its first two moments: the mean of the means, and the mean of the variances plus the
variance of the means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cinemae.arrays import Array, array_namespace
from cinemae.likelihood.distributions import LOGISTIC_VARIANCE, MAX_SCALE, MIN_SCALE, Family, entropy, nll
from cinemae.likelihood.noise import NoiseModel

FloatArray = NDArray[np.float32]
BITS = 1 / math.log(2)


@dataclass(frozen=True)
class PassPredictions:
    """What the passes of one image predict, in levels.

    Attributes:
        mean: (passes, height, width, 3).
        scale: Logistic scales of the same shape, or None if the MAE predicts only a mean.
    """

    mean: Array
    scale: Array | None


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

    values: Array
    mean: Array
    variance: Array
    patch: int
    family: Family = "logistic"

    @cached_property
    def nll(self) -> Array:
        """-log p(value) in bits, (height, width, 3)."""
        return nll(self.values, self.mean, self.variance, self.family) * BITS

    @cached_property
    def entropy(self) -> Array:
        """Expected NLL of the predicted distribution in bits, (height, width, 3)."""
        return entropy(self.mean, self.variance, self.family) * BITS

    @cached_property
    def gap(self) -> Array:
        """Coding-cost gap in bits, NLL minus entropy (ZED, arXiv 2409.15875), (height, width, 3)."""
        return self.nll - self.entropy

    @cached_property
    def residual(self) -> Array:
        """Truth minus mean in levels, (height, width, 3)."""
        return self.values - self.mean

    @property
    def bits_per_dim(self) -> float:
        """Mean NLL in bits a sub-pixel."""
        return float(np.mean(self.nll, dtype=np.float64))

    def per_patch(self, values: Array, patch: int | None = None) -> Array:
        """Average a (height, width, 3) map over patches: (rows, columns)."""
        return block_mean(values, patch or self.patch)


def block_mean(values: Array, size: int) -> Array:
    """Average a (height, width) or (height, width, colours) map over blocks of ``size`` x ``size`` pixels.

    What a side has left over is dropped. Returns (rows, columns).
    """
    xp = array_namespace(values)
    rows, columns = values.shape[0] // size, values.shape[1] // size
    cut = xp.reshape(values[: rows * size, : columns * size, ...], (rows, size, columns, -1))
    # Rows first, whole lines at a time; then what is left of each block.
    return xp.sum(xp.sum(cut, axis=1), axis=-1) / math.prod((size, *cut.shape[3:]))


def combine(
    values: Array,
    passes: PassPredictions,
    hidden: Array,
    *,
    patch: int,
    noise: NoiseModel | None = None,
    family: Family = "logistic",
) -> ConditionalLikelihood:
    """Combine the passes that hid each sub-pixel.

    Args:
        values: The view, (height, width, 3), uint8.
        passes: Predictions of all passes.
        hidden: (passes, rows, columns) masks over patches, True = hidden.
        patch: Side of a patch in pixels.
        noise: Noise model of an MAE that predicts only a mean.
        family: Shape of the distribution.

    Raises:
        ValueError: If a patch is hidden in no pass, or an MAE without scales has no noise model.
    """
    xp = array_namespace(passes.mean)
    weight = xp.asarray(pass_weights(hidden, patch))  # masks are NumPy's, whatever the predictions are
    mean = xp.sum(weight * passes.mean, axis=0)
    variance = xp.sum(weight * (passes.mean - mean) ** 2, axis=0)
    truth = xp.astype(values, xp.float32)
    if passes.scale is not None:
        scale = xp.clip(passes.scale, MIN_SCALE, MAX_SCALE)
        variance = variance + xp.sum(weight * scale**2, axis=0) * LOGISTIC_VARIANCE
    elif noise is not None:
        ensemble, contrast = patch_moments(mean, variance, patch)
        fitted = spread_patches(noise.variance(ensemble, contrast), patch)[..., None]
        variance = xp.broadcast_to(fitted, mean.shape)
    else:
        raise ValueError("this MAE predicts only a mean: it needs a noise model (`cinemae fit-noise`)")
    return ConditionalLikelihood(truth, xp.clip(mean, 0.0, 255.0), variance, patch, family)


def split_colours(values: Array) -> Array:
    """Turn (height, width, 3) into (3, height, width), in memory too: reductions along rows are much faster."""
    xp = array_namespace(values)
    return xp.stack([values[..., number] for number in range(3)])


def grey(values: Array) -> Array:
    """Return the mean of the three colours, (height, width)."""
    return (values[..., 0] + values[..., 1] + values[..., 2]) / 3


def pass_weights(hidden: Array, patch: int) -> Array:
    """Return each pass's weight in a sub-pixel's mixture, (passes, height, width, 1), float32.

    Args:
        hidden: (passes, rows, columns) masks over patches, True = hidden.
        patch: Side of a patch in pixels.

    Raises:
        ValueError: If a patch is hidden in no pass.
    """
    xp = array_namespace(hidden)
    counts = xp.sum(xp.astype(hidden, xp.float32), axis=0)
    if not bool(xp.all(counts > 0)):
        raise ValueError("the masks leave patches that no pass hides; they have no likelihood")
    weight = xp.astype(hidden, xp.float32) / counts
    return xp.stack([spread_patches(part, patch) for part in xp.unstack(weight)])[..., None]


def spread_patches(values: Array, patch: int) -> Array:
    """Give every pixel its patch's value: (rows, columns) to (rows * patch, columns * patch)."""
    xp = array_namespace(values)
    return xp.repeat(xp.repeat(values, patch, axis=0), patch, axis=1)


def patch_moments(mean: Array, variance: Array, patch: int) -> tuple[Array, Array]:
    """Return a patch's mean ensemble variance and predicted contrast: what a noise model reads.

    Both are (rows, columns), in squared levels.
    """
    xp = array_namespace(mean)
    colour = [block_mean(mean[..., number], patch) ** 2 for number in range(3)]
    contrast = block_mean(mean**2, patch) - (colour[0] + colour[1] + colour[2]) / 3
    return block_mean(variance, patch), xp.maximum(contrast, xp.zeros_like(contrast))
