"""The head's arithmetic: from features to uncalibrated logits, and from these to log-odds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cinemae.arrays import Array, array_namespace
from cinemae.fusion.curve import monotone
from cinemae.fusion.differences import add_differences, with_differences
from cinemae.fusion.distance import log_distance, places
from cinemae.likelihood.conditional import FloatArray

if TYPE_CHECKING:
    from cinemae.fusion.head import HeadConfig

ROWS = 16  # rows computed together
DIFFERENCES = ("differences.plus", "differences.minus")
LAYERS = ("index", "in", "in_bias", "out", "out_bias")
DISTANCE = ("index", "mean", "axes", "line")
OTHER = ("other_mean", "other_axes")
KNOTS = ("calibration.at", "calibration.to")


def branch_logits_of(
    config: HeadConfig, weights: Mapping[str, NDArray[Any]], features: FloatArray
) -> dict[str, NDArray[np.float64]]:
    """Return each branch's part of the uncalibrated logits of any number of images, (images,), in NumPy.

    Always computed in blocks of one shape, filled up with zeros, and never as a matrix product: an image's
    logit must depend neither on how many others came with it nor on the number of threads.

    Args:
        config: The head's configuration.
        weights: Its weights as :func:`arranged` gives them.
        features: (images, features) in the order of the spec.
    """
    out = {branch: np.empty(len(features)) for branch in config.parts}
    rows = np.empty((ROWS, features.shape[1]))
    for start in range(0, len(features), ROWS):
        part = features[start : start + ROWS]
        rows[: len(part)], rows[len(part) :] = part, 0
        for branch, logits in branch_logits(config, weights, rows).items():
            out[branch][start : start + ROWS] = logits[: len(part)]
    return out


def raw_logits_of(config: HeadConfig, weights: Mapping[str, NDArray[Any]], features: FloatArray) -> NDArray[np.float64]:
    """Return the uncalibrated logits of images, (images,), with a head's weights as they are saved."""
    return total_of(branch_logits_of(config, arranged(config, weights), features))


def total_of(branches: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the sum of branches, (images,)."""
    # One after the other: of eight and more, np.sum would add those of a single image in another order.
    return reduce(np.add, branches.values())


def branch_logits(config: HeadConfig, weights: Mapping[str, Array], rows: Array) -> dict[str, Array]:
    """Return each branch's part of the uncalibrated logits, (images,).

    Args:
        config: The head's configuration.
        weights: Its weights as :func:`arranged` gives them, in the array library of the features.
        rows: The images' features, (images, features).
    """
    xp = array_namespace(rows)
    z = standardised(config, weights, rows)
    out = {}
    for branch, units in config.hidden.items():
        w = {part: weights[f"{branch}.{part}"] for part in LAYERS}
        hidden = xp.einsum("nf,fk->nk", xp.take(z, w["index"], axis=1), w["in"]) + w["in_bias"]
        active = xp.maximum(hidden, xp.zeros_like(hidden)) * w["out"]
        members = xp.sum(xp.reshape(active, (-1, config.members, units)), axis=-1) + w["out_bias"]
        out[branch] = xp.mean(members, axis=-1)
    for branch, relative in config.distances.items():
        w = {part: weights[f"{branch}.{part}"] for part in (*DISTANCE, *(OTHER if relative else ()))}
        placed = places(xp.take(z, w["index"], axis=1), w["mean"], w["axes"])
        score = log_distance(placed)
        if relative:
            score = score - log_distance(places(placed, w["other_mean"], w["other_axes"]))
        out[branch] = score * w["line"][0] + w["line"][1]
    return out


def standardised(config: HeadConfig, weights: Mapping[str, Array], rows: Array) -> Array:
    """Return what the parts of a head read: features, then differences, in spreads of its training's real images.

    Args:
        config: The head's configuration.
        weights: Its weights as :func:`arranged` gives them.
        rows: The images' features, (images, features).
    """
    rows = add_differences(rows, *(weights[name] for name in DIFFERENCES))
    return array_namespace(rows).clip((rows - weights["center"]) / weights["spread"], -config.clip, config.clip)


def arranged(config: HeadConfig, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return weights as :func:`branch_logits` takes them: the members' units side by side, in float64.

    The order in which a unit's products are added is then that of the features, whatever the number of rows.
    """
    out: dict[str, NDArray[Any]]
    out = {name: np.asarray(weights[name], dtype=np.float64) for name in ("center", "spread")}
    out |= dict(zip(DIFFERENCES, with_differences(config.spec, config.differences)[1:], strict=True))
    for branch in config.hidden:
        index, first = weights[f"{branch}.index"], np.asarray(weights[f"{branch}.in"], dtype=np.float64)
        out[f"{branch}.index"] = index
        out[f"{branch}.in"] = np.ascontiguousarray(first.transpose(1, 0, 2).reshape(len(index), -1))
        for part in ("in_bias", "out", "out_bias"):
            out[f"{branch}.{part}"] = np.asarray(weights[f"{branch}.{part}"], dtype=np.float64).ravel()
    for branch, relative in config.distances.items():
        out[f"{branch}.index"] = weights[f"{branch}.index"]
        for part in (*DISTANCE[1:], *(OTHER if relative else ())):
            # How they lie in memory decides the order of additions, too.
            out[f"{branch}.{part}"] = np.ascontiguousarray(weights[f"{branch}.{part}"], dtype=np.float64)
    return out


def calibrated(config: HeadConfig, weights: Mapping[str, Array], raw: Array) -> Array:
    """Return calibrated logits, log-odds, of uncalibrated ones, in any array library."""
    scaled = raw / config.temperature + config.bias
    return monotone(scaled, *(weights[name] for name in KNOTS)) if config.calibration == "isotonic" else scaled
