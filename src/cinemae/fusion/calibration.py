"""From the validation part's logits to probabilities and a decision threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemae.fusion.curve import sigmoid

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


def temperature(logits: Floats, labels: NDArray[np.int64], weights: Floats) -> float:
    """Fit p = sigmoid(logit / T) by maximum likelihood (Guo et al. 2017); T is kept in [0.05, 20].

    The same weak prior as :func:`platt`'s, T = 1, keeps it finite.
    """
    (slope,) = _newton(logits[:, None], np.zeros_like(logits), np.array([1.0]), labels, weights)
    return float(1 / np.clip(slope, *SLOPES))


def isotonic(logits: Floats, labels: NDArray[np.int64], weights: Floats) -> tuple[Floats, Floats]:
    """Fit a rising curve from logits to log-odds, as knots for :func:`cinemae.fusion.curve.monotone`.

    Isotonic regression gives stretches of one probability, where images could no longer be ranked. So each
    stretch is a knot at the mean of its logits, and between knots the curve is straight (centred isotonic
    regression, Oron & Flournoy 2017). Shares are drawn towards 1/2 by 1 / (n + 1), so that none is 0 or 1.

    Args:
        logits: Shape (n,), log-odds already as well as two parameters can make them.
        labels: 1 = AI-generated, 0 = real.
        weights: Weight of each row.

    Returns:
        Where the knots are and the values there, strictly rising, each (knots,).
    """
    from sklearn.isotonic import IsotonicRegression

    counted = weights > 0
    logits, labels, weights = logits[counted], labels[counted], weights[counted]
    curve = IsotonicRegression().fit(logits, labels, sample_weight=weights)
    values, first = np.unique(curve.y_thresholds_, return_index=True)
    last = curve.X_thresholds_[np.append(first[1:], len(curve.y_thresholds_)) - 1]
    stretch = np.searchsorted(last, logits)
    at = np.bincount(stretch, weights * logits) / np.bincount(stretch, weights)
    pull = 1 / (len(logits) + 1)
    p = (1 - pull) * values + pull / 2
    to = np.log(p) - np.log1p(-p)
    apart = np.append(True, (np.diff(at) > 0) & (np.diff(to) > 0))  # means may round to one number
    return at[apart], to[apart]


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
