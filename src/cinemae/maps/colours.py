"""The colour scale of all maps: how strong an anomaly is, its colour and its opacity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALE = (-1.0, 3.0)  # bits a sub-pixel at the two ends of the colour scale
# 16 stops of the perceptually uniform "magma" map (S. van der Walt and N. Smith, CC0).
_STOPS = bytes.fromhex(
    "0000040b092420114b3b0f7057157e721f818c2981a8327dc43c75de4968f1605dfa7f5efe9f6dfebf84fddea0fcfdbf"
)
MAGMA = np.frombuffer(_STOPS, dtype=np.uint8).reshape(16, 3).astype(np.float32)


def strength(gap: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where values lie on the colour scale, clipped to 0..1."""
    low, high = SCALE
    position: NDArray[np.float32] = np.clip((gap - low) / (high - low), 0, 1).astype(np.float32)
    return position


def colourise(position: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the colours of positions on the scale, shape (..., 3)."""
    place = np.clip(position, 0, 1) * (len(MAGMA) - 1)
    lower = np.minimum(place.astype(np.int64), len(MAGMA) - 2)
    share = (place - lower)[..., None]
    mixed: NDArray[np.uint8] = np.rint(MAGMA[lower] * (1 - share) + MAGMA[lower + 1] * share).astype(np.uint8)
    return mixed


def opacity(position: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0 up to a gap of zero, then rising to 1 at the scale's end."""
    zero = -SCALE[0] / (SCALE[1] - SCALE[0])
    rising: NDArray[np.float32] = np.clip((position - zero) / (1 - zero), 0, 1).astype(np.float32) ** np.float32(0.6)
    return rising
