"""From a logit to a probability: the logistic function, and the monotone curve of an isotonic calibration."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cinemae.arrays import Array, array_namespace

CalibrationKind = Literal["temperature", "platt", "isotonic"]


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow."""
    out: NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits))
    return out


def monotone(x: Array, at: Array, to: Array) -> Array:
    """Return a rising curve through knots, straight between them and of slope 1 beyond the outermost.

    A sum of pieces, each of which rises over its own stretch only: every library has that, and it is
    monotone in floating point, too. Ranks are kept, ties included.

    Args:
        x: Where to evaluate it, any shape.
        at: Where the knots are, strictly rising, shape (K,), K > 0.
        to: Its values there, strictly rising, shape (K,).
    """
    xp = array_namespace(x)
    out = to[0] + xp.minimum(x - at[0], xp.zeros_like(x)) + xp.maximum(x - at[-1], xp.zeros_like(x))
    if at.shape[0] == 1:
        return out
    width = at[1:] - at[:-1]
    inside = xp.minimum(xp.maximum(x[..., None] - at[:-1], xp.zeros_like(width)), width)
    return out + xp.sum(inside * ((to[1:] - to[:-1]) / width), axis=-1)
