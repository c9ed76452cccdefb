"""From logits of images that a fit had not seen to probabilities and a decision threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemae.fusion.forward import sigmoid

Floats = NDArray[np.float64]
SLOPES = (0.05, 20.0)


def platt(logits: Floats, labels: NDArray[np.int64], weights: Floats) -> tuple[float, float]:
    """Fit p = sigmoid(logit / T + b) by maximum likelihood; T is kept in [0.05, 20].

    A weak prior (T = 1, no bias at the logits' mean) keeps the optimum finite where the classes
    are separable.
    """
    centre = float(np.average(logits, weights=weights))
    design = np.stack([logits - centre, np.ones_like(logits)], axis=1)
    slope, bias = _newton(design, np.zeros_like(logits), np.array([1.0, 0.0]), labels, weights)
    bounded = float(np.clip(slope, *SLOPES))
    if bounded != slope:  # the loss is convex: the best slope within the bounds is the nearer one
        (bias,) = _newton(design[:, 1:], bounded * design[:, 0], np.array([0.0]), labels, weights)
    return 1 / bounded, float(bias) - bounded * centre


def fit_weights(logits: Floats, labels: NDArray[np.int64], weights: Floats) -> Floats:
    """Fit p = sigmoid(logits @ w + b) by maximum likelihood, with w >= 0.

    A part that would count against itself is left out, its weight 0: what it says of images that it has not seen is
    then worth nothing beside the others.

    Args:
        logits: (rows, parts), each row's from a fit that had not seen it.
        labels: 1 = AI-generated, 0 = real.
        weights: Weight of each row.

    Returns:
        w (parts,).
    """
    kept = list(range(logits.shape[1]))
    out = np.zeros(logits.shape[1])
    while kept:
        design = np.column_stack([logits[:, kept], np.ones(len(logits))])
        start = np.append(np.full(len(kept), 1 / len(kept)), 0.0)
        found = _newton(design, np.zeros(len(logits)), start, labels, weights)[:-1]
        if (found >= 0).all():
            out[kept] = found
            break
        kept.remove(kept[int(np.argmin(found))])
    return out


def _newton(
    design: Floats, offset: Floats, start: Floats, labels: NDArray[np.int64], weights: Floats, prior: float = 1e-3
) -> Floats:
    """Minimise the cross-entropy of sigmoid(offset + design @ beta); steps are halved until it does not rise."""

    def cost(beta: Floats) -> float:
        x = offset + design @ beta
        return float(weights @ (np.logaddexp(0, x) - labels * x) + prior / 2 * ((beta - start) ** 2).sum())

    beta = start
    for _ in range(100):
        p = sigmoid(offset + design @ beta)
        gradient = design.T @ (weights * (p - labels)) + prior * (beta - start)
        curvature = (design * (weights * p * (1 - p))[:, None]).T @ design + prior * np.eye(len(beta))
        step = np.linalg.solve(curvature, gradient)
        while cost(beta - step) > cost(beta) and np.abs(step).max() > 1e-10:
            step = step / 2
        beta = beta - step
        if np.abs(step).max() <= 1e-10:
            break
    return beta


def threshold_at(p: Floats, labels: NDArray[np.int64], weights: Floats, false_alarms: float) -> float:
    """Return the lowest threshold that calls at most a share of the real images AI-generated.

    Args:
        p: P(AI-generated), (rows,).
        labels: 1 = AI-generated, 0 = real.
        weights: Weight of each row.
        false_alarms: The share, in (0, 1).

    Returns:
        A threshold between two of the real images' probabilities, in (0, 1).
    """
    real = labels == 0
    values, places = np.unique(p[real], return_inverse=True)
    counts = np.bincount(places, weights[real])
    above = 1 - np.cumsum(counts) / counts.sum()  # what lies above each value
    place = int(np.argmax(above <= false_alarms))
    following = values[place + 1] if place + 1 < len(values) else 1.0
    middle = (values[place] + following) / 2
    # Neighbouring floats have no middle, and a value of 1 nothing above.
    return float(min(middle if middle > values[place] else following, np.nextafter(1.0, 0.0)))


def best_threshold(p: Floats, labels: NDArray[np.int64], weights: Floats) -> float:
    """Return the threshold with the best weighted accuracy, the middle of the best stretch."""
    grid = np.linspace(0.02, 0.98, 193)
    hits = [np.average((p >= t) == (labels == 1), weights=weights) for t in grid]
    best = np.flatnonzero(np.isclose(hits, max(hits)))
    return float(grid[best[len(best) // 2]])
