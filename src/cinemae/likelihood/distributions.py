"""Negative log-likelihood and entropy of a sub-pixel under a predicted distribution.

Values, means and scales are in levels, 0 to 255. Each family is fixed by a mean and a variance;
NLL and entropy are in nats a sub-pixel. Gaussian and Laplace are densities over levels; the
discretised logistic is a probability of the 256 values (the end values take the tails, as in
PixelCNN++, arXiv 1701.05517), so its NLL is a cross-entropy and never negative.
"""

from __future__ import annotations

import functools
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]
Floats = NDArray[np.floating]
Family = Literal["gaussian", "laplace", "logistic"]
FAMILIES: tuple[Family, ...] = ("gaussian", "laplace", "logistic")

LOGISTIC_VARIANCE = np.pi**2 / 3  # of a logistic with scale 1
MIN_SCALE = 0.1  # levels; a tighter logistic puts more than 0.98 of its mass on one value
MAX_SCALE = 128.0


def nll(values: ArrayLike, mean: ArrayLike, variance: ArrayLike, family: Family = "logistic") -> FloatArray:
    """Return -log p(value) in nats, elementwise.

    Args:
        values: True levels, whole numbers from 0 to 255.
        mean: Predicted means in levels.
        variance: Predicted variances in squared levels, positive.
        family: Shape of the distribution.
    """
    x, mu, var = (np.asarray(part, dtype=np.float32) for part in (values, mean, variance))
    if family == "gaussian":
        return cast(FloatArray, 0.5 * (np.log(2 * np.pi * var) + (x - mu) ** 2 / var))
    if family == "laplace":
        width = np.sqrt(var / 2)
        return cast(FloatArray, np.log(2 * width) + np.abs(x - mu) / width)
    return logistic_nll(x, mu, logistic_scale(var))


def entropy(mean: ArrayLike, variance: ArrayLike, family: Family = "logistic") -> FloatArray:
    """Return the expected NLL of a value drawn from the predicted distribution, in nats."""
    mu, var = (np.asarray(part, dtype=np.float32) for part in (mean, variance))
    if family == "gaussian":
        return cast(FloatArray, 0.5 * np.log(2 * np.pi * np.e * var))
    if family == "laplace":
        return cast(FloatArray, 1 + np.log(2 * np.sqrt(var / 2)))
    return logistic_entropy(mu, logistic_scale(var))


def logistic_scale(variance: Floats) -> FloatArray:
    """Return the scale of the logistic with this variance, kept in [MIN_SCALE, MAX_SCALE] levels."""
    scale: FloatArray = np.clip(np.sqrt(variance / LOGISTIC_VARIANCE), MIN_SCALE, MAX_SCALE).astype(np.float32)
    return scale


def logistic_nll(values: Floats, mean: Floats, scale: Floats) -> FloatArray:
    """Return the NLL of the discretised logistic.

    With a = (x - mu + 1/2) / s and b = (x - mu - 1/2) / s, the bin's mass is
    sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - exp(-1/s)), which never cancels.
    """
    inverse = 1 / scale
    upper = _softplus((mean - values - 0.5) * inverse)  # -log sigma(a)
    lower = _softplus((values - mean - 0.5) * inverse)  # -log sigma(-b)
    inside = upper + lower - np.log(-np.expm1(-inverse))
    return np.where(values <= 0, upper, np.where(values >= 255, lower, inside)).astype(np.float32)


def logistic_entropy(mean: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the entropy of the discretised logistic.

    Above a scale of ``_TABLE_MAX_SCALE`` levels the bins are fine against the distribution and a
    closed form holds; below, it is read from a table of exact sums, bilinear in the mean and the
    log-scale. Means are taken at most 255 and at least 0. Error below 0.01 nats (tested).
    """
    mu = np.clip(mean, 0.0, 255.0)
    mu = np.minimum(mu, 255.0 - mu)  # the distribution is symmetric about 127.5
    mu, scale = np.broadcast_arrays(mu, scale)
    out = np.empty(mu.shape, dtype=np.float32)
    wide = scale >= _TABLE_MAX_SCALE
    out[wide] = _wide_entropy(mu[wide], scale[wide])
    out[~wide] = _table_entropy(mu[~wide], scale[~wide])
    return out


_TABLE_MAX_SCALE = 4.0
_TABLE_STEPS_A_LEVEL = 32  # at the tightest scale the entropy peaks within a fifth of a level of x.5
_TABLE_EDGE = 40  # levels from an end within which a table's scale can feel it
_TABLE_LOG_SCALES = np.linspace(np.log(MIN_SCALE), np.log(_TABLE_MAX_SCALE), 64)


@functools.cache
def _entropy_table() -> FloatArray:
    mean = np.arange(_TABLE_EDGE * _TABLE_STEPS_A_LEVEL + 1, dtype=np.float32)[:, None, None] / _TABLE_STEPS_A_LEVEL
    scale = np.exp(_TABLE_LOG_SCALES).astype(np.float32)[None, :, None]
    levels = np.arange(2 * _TABLE_EDGE + 1, dtype=np.float32)[None, None]
    cost = logistic_nll(levels, mean, scale)
    return cast(FloatArray, (np.exp(-cost) * cost).sum(-1))


def _table_entropy(mean: FloatArray, scale: FloatArray) -> FloatArray:
    table = _entropy_table()
    # Away from the ends only the fraction of the mean matters: fold into the last whole level.
    folded = np.where(mean > _TABLE_EDGE - 1, _TABLE_EDGE - 1 + mean % 1, mean) * _TABLE_STEPS_A_LEVEL
    step = _TABLE_LOG_SCALES[1] - _TABLE_LOG_SCALES[0]
    place = (np.log(scale) - _TABLE_LOG_SCALES[0]) / step
    row = np.minimum(folded.astype(np.int32), table.shape[0] - 2)
    column = np.clip(place.astype(np.int32), 0, table.shape[1] - 2)
    down, right = (folded - row).astype(np.float32), (place - column).astype(np.float32)
    top = table[row, column] * (1 - right) + table[row, column + 1] * right
    bottom = table[row + 1, column] * (1 - right) + table[row + 1, column + 1] * right
    return cast(FloatArray, top * (1 - down) + bottom * down)


def _wide_entropy(mean: FloatArray, scale: FloatArray) -> FloatArray:
    """Entropy of a logistic whose tails are lumped at the end values, bins taken as infinitesimal.

    1 / (72 s^2) is the first-order effect of a bin's width (de Bruijn's identity with the
    logistic's Fisher information 1 / (3 s^2) and the bin's variance 1/12).
    """
    total = np.zeros_like(mean)
    bounds = []
    for sign, edge in ((-1.0, 0.5), (1.0, 254.5)):
        z = (edge - mean) / scale
        log_tail = -_softplus(sign * z)  # log of the mass beyond this edge
        total -= np.exp(log_tail) * log_tail
        u = np.exp(-_softplus(-z))
        v = np.exp(-_softplus(z))  # 1 - u without cancelling
        bounds.append((u, -u * _softplus(-z) + v * _softplus(z) - 2 * u))
    (u0, f0), (u1, f1) = bounds
    # Integral of log u + log(1 - u): u log u - u - (1 - u) log(1 - u) - u, up to a constant.
    nats: FloatArray = (total + (u1 - u0) * (np.log(scale) + 1 / (72 * scale**2)) - (f1 - f0)).astype(np.float32)
    return nats


def _softplus(x: Floats) -> FloatArray:
    """log(1 + exp(x)) without overflow."""
    return cast(FloatArray, np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))
