"""The head's arithmetic: from features to uncalibrated logits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cinemae.arrays import Array, array_namespace
from cinemae.likelihood.conditional import FloatArray

if TYPE_CHECKING:
    from cinemae.fusion.head import HeadConfig

ROWS = 16  # rows computed together
TENSORS = ("index", "line", "bias")


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow."""
    out: NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits))
    return out


def part_logits_of(
    config: HeadConfig, weights: Mapping[str, NDArray[Any]], features: FloatArray
) -> dict[str, NDArray[np.float64]]:
    """Return each part's share of the uncalibrated logits of any number of images, (images,), in NumPy.

    Always computed in blocks of one shape, filled up with zeros, and never as a matrix product: an image's
    logit must depend neither on how many others came with it nor on the number of threads.

    Args:
        config: The head's configuration.
        weights: Its weights as :func:`arranged` gives them.
        features: (images, features) in the order of the spec.
    """
    out = {part: np.empty(len(features)) for part in config.parts}
    rows = np.empty((ROWS, features.shape[1]))
    for start in range(0, len(features), ROWS):
        block = features[start : start + ROWS]
        rows[: len(block)], rows[len(block) :] = block, 0
        for part, logits in part_logits(config, weights, rows).items():
            out[part][start : start + ROWS] = logits[: len(block)]
    return out


def total_of(parts: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the sum of parts, (images,)."""
    # One after the other: of eight and more, np.sum would add those of a single image in another order.
    return reduce(np.add, parts.values())


def part_logits(config: HeadConfig, weights: Mapping[str, Array], rows: Array) -> dict[str, Array]:
    """Return each part's share of the uncalibrated logits, (images,): the product of its features with its line.

    Args:
        config: The head's configuration.
        weights: Its weights as :func:`arranged` gives them, in the array library of the features.
        rows: The images' features, (images, features).
    """
    xp = array_namespace(rows)
    z = xp.clip((rows - weights["center"]) / weights["spread"], -config.clip, config.clip)
    out = {}
    for part in config.parts:
        read = xp.take(z, weights[f"{part}.index"], axis=1)
        # An einsum, not a matrix product: the order of additions must not depend on the number of images.
        out[part] = xp.einsum("nf,f->n", read, weights[f"{part}.line"]) + weights[f"{part}.bias"]
    return out


def arranged(config: HeadConfig, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return weights as :func:`part_logits` takes them, in float64."""
    names = ["center", "spread", *(f"{part}.{name}" for part in config.parts for name in TENSORS[1:])]
    out: dict[str, NDArray[Any]] = {name: np.ascontiguousarray(weights[name], dtype=np.float64) for name in names}
    return out | {f"{part}.index": weights[f"{part}.index"] for part in config.parts}
