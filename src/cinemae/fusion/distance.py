"""Distance branches: how unusual an image is among photographs, whatever makes it so.

A network learns in which direction the fakes of its training lie, and the fakes of another generator may lie in the
opposite one. A distance has no direction. It is taken between standardised features, along the principal axes
of the real training images, in spreads along each (Mahalanobis):

    log d(x, real) - log d(x, other),

the second term only where it is asked for: an image far from everything, as a camera's original may be, is not
so much farther from photographs than from photographs with a decoder's traces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemae.arrays import Array, array_namespace
from cinemae.likelihood.conditional import FloatArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
FLOOR = 1e-6  # of a squared distance: the centre itself has one, too
RIDGE = 1e-3  # of a variance, in that of the real images along the axis


def fit_distance(
    z: FloatArray,
    weights: Floats,
    real: Bools,
    other: Bools | None,
    components: int,
    left_out: Floats | None = None,
) -> dict[str, Floats]:
    """Fit a distance branch.

    It is counted in spreads of the real images: no fakes of training say how far others will be.

    Args:
        z: Standardised features, (rows, features).
        weights: Weight of each row.
        real: Real training rows.
        other: Rows whose distance is taken off; None for none.
        components: Number of axes, see :func:`fit_axes`.
        left_out: Directions that don't count, see :func:`fit_axes`.

    Returns:
        ``mean``, ``axes``, ``line`` (slope and offset of the log distance) and, with others, ``other_mean``
        and ``other_axes``.
    """
    mean, axes = fit_axes(z[real], weights[real], components, left_out)
    fitted = {"mean": mean, "axes": axes}
    placed = places(z[real].astype(np.float64), mean, axes)
    score = log_distance(placed)
    if other is not None:
        of_other = places(z[other].astype(np.float64), mean, axes)
        fitted["other_mean"], fitted["other_axes"] = fit_other(of_other, weights[other])
        score = score - log_distance(places(placed, fitted["other_mean"], fitted["other_axes"]))
    middle = np.average(score, weights=weights[real])
    spread = np.sqrt(np.average((score - middle) ** 2, weights=weights[real]))
    slope = 1 / max(float(spread), 1e-6)
    return fitted | {"line": np.array([slope, -slope * middle])}


def fit_axes(
    real: FloatArray, weights: Floats, components: int, left_out: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the centre of real images and their leading principal axes, each divided by its spread.

    Args:
        real: Standardised features, (images, features).
        weights: Weight of each image.
        components: Number of axes; no more than a quarter of the images, or than there are features.
        left_out: Directions at right angles to all axes, (directions, features), of length 1 and at right
            angles to each other.

    Returns:
        Centre (features,) and axes (features, components): distances along them are in spreads.
    """
    left_out = np.zeros((0, real.shape[1])) if left_out is None else left_out
    count = max(1, min(components, len(real) // 4, real.shape[1] - len(left_out)))
    share = weights / weights.sum()
    mean = share @ real.astype(np.float64)
    centred = (real - mean) * np.sqrt(share)[:, None]
    centred -= (centred @ left_out.T) @ left_out
    variance, axes = np.linalg.eigh(centred.T @ centred)
    leading = np.argsort(variance)[::-1][:count]
    return mean, axes[:, leading] / np.sqrt(np.maximum(variance[leading], 1e-12))


def zoom_directions(views: FloatArray, count: int) -> Floats:
    """Return the directions in which the same photographs at several scales move most.

    Args:
        views: Standardised features, (photographs, scales, features).
        count: Number of directions; fewer where the views don't span as many.

    Returns:
        Orthonormal rows, (directions, features).
    """
    moved = (views - views.mean(axis=1, keepdims=True)).reshape(-1, views.shape[-1]).astype(np.float64)
    if not len(moved):
        return np.zeros((0, views.shape[-1]))
    _, sizes, directions = np.linalg.svd(moved, full_matrices=False)
    found: Floats = directions[:count][sizes[:count] > 1e-9 * max(sizes[0], 1e-12)]
    return found


def fit_other(other: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the centre of other images along those axes, and what brings distances from it to their spreads.

    Args:
        other: Their places along the axes, (images, components).
        weights: Weight of each image.

    Returns:
        Centre (components,) and a matrix (components, components).
    """
    share = weights / weights.sum()
    mean = share @ other
    centred = (other - mean) * np.sqrt(share)[:, None]
    covariance = centred.T @ centred + RIDGE * np.eye(other.shape[1])
    return mean, np.linalg.cholesky(np.linalg.inv(covariance))


def places(z: Array, mean: Array, axes: Array) -> Array:
    """Return where images lie along the axes, (images, components), in any array library."""
    xp = array_namespace(z)
    # An einsum, not a matrix product: the order of additions must not depend on the number of images.
    placed: Array = xp.einsum("nf,fk->nk", z - mean, axes)
    return placed


def log_distance(placed: Array) -> Array:
    """Return the logarithm of the squared distance from the origin, (images,)."""
    xp = array_namespace(placed)
    return xp.log(xp.sum(placed * placed, axis=-1) + FLOOR)
