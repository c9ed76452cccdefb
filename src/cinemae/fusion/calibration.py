"""From a held-out part's logits to probabilities, a decision threshold and the ends of an abstention band."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemae.fusion.head import sigmoid

Floats = NDArray[np.float64]


def platt(logits: Floats, labels: NDArray[np.int64], weights: Floats) -> tuple[float, float]:
    """Fit p = sigmoid(logit / T + b) by maximum likelihood; T is kept in [0.05, 20].

    A weak prior (T = 1, no bias at the logits' mean) keeps the optimum finite where the classes
    are separable.
    """
    centre = float(np.average(logits, weights=weights))
    design = np.stack([logits - centre, np.ones_like(logits)], axis=1)
    slope, bias = _newton(design, np.zeros_like(logits), np.array([1.0, 0.0]), labels, weights)
    bounded = float(np.clip(slope, 0.05, 20))
    if bounded != slope:  # the loss is convex: the best slope within the bounds is the nearer one
        (bias,) = _newton(design[:, 1:], bounded * design[:, 0], np.array([0.0]), labels, weights)
    return 1 / bounded, float(bias) - bounded * centre


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


def best_threshold(p: Floats, labels: NDArray[np.int64], weights: Floats) -> float:
    """Return the threshold with the best weighted accuracy, the middle of the best stretch."""
    grid = np.linspace(0.02, 0.98, 193)
    hits = [np.average((p >= t) == (labels == 1), weights=weights) for t in grid]
    best = np.flatnonzero(np.isclose(hits, max(hits)))
    return float(grid[best[len(best) // 2]])


def weighted_quantile(values: Floats, weights: Floats, q: float) -> float:
    """Return the q-quantile of weighted values."""
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(share, q)), len(values) - 1)])
