"""Differences between two scales of the same MAE: what changes from one octave of an image to the next.

How smooth an image is at one scale says little: a camera's original is, as a decoder's work is, and the same
photograph made smaller is not. How much smoother it is than at half its size says more. So a part of the head may read,
beside the features of its scales, each feature of one scale minus the same of another.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cinemae.arrays import Array, array_namespace
from cinemae.features.spec import FeatureSpec

Differences = Mapping[str, tuple[str, str]]
Indices = NDArray[np.int64]


def with_differences(spec: FeatureSpec, differences: Differences) -> tuple[FeatureSpec, Indices, Indices]:
    """Return a specification whose names go on with those of the differences, and which features they are of.

    Args:
        spec: The features that are measured.
        differences: By name, two scales; the second is taken from the first.

    Returns:
        The specification, in which a difference can be selected as a scale is, and for each difference of two
        features the numbers of both, (differences,) each.

    Raises:
        ValueError: If a scale is missing, two scales have no feature in common, or a name is that of a scale.
    """
    place = {name: number for number, name in enumerate(spec.names)}
    names, plus, minus = list(spec.names), [], []
    for difference, (one, other) in differences.items():
        if difference in spec.scales:
            raise ValueError(f"{difference} is both a scale and a difference of scales")
        if missing := sorted({one, other} - spec.scales.keys()):
            raise ValueError(f"the difference {difference} is one of {one} and {other}; there is no {missing[0]}")
        shared = [name.removeprefix(f"{one}.") for name in spec.names if name.startswith(f"{one}.")]
        shared = [name for name in shared if f"{other}.{name}" in place]
        if not shared:
            raise ValueError(f"the difference {difference}: {one} and {other} have no feature in common")
        names += [f"{difference}.{name}" for name in shared]
        plus += [place[f"{one}.{name}"] for name in shared]
        minus += [place[f"{other}.{name}"] for name in shared]
    wide = spec.model_copy(update={"names": tuple(names)})
    return wide, np.array(plus, dtype=np.int64), np.array(minus, dtype=np.int64)


def add_differences(rows: Array, plus: Array, minus: Array) -> Array:
    """Return features with their differences after them, (images, features + differences), in any array library."""
    xp = array_namespace(rows)
    if not len(plus):
        return rows
    return xp.concat([rows, xp.take(rows, plus, axis=1) - xp.take(rows, minus, axis=1)], axis=1)
