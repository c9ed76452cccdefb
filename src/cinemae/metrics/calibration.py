"""Whether probabilities mean what they say: calibration error, proper scores and the cost of a likelihood ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemae.metrics.bootstrap import Floats

BINS = 15
_LEAST = float(np.finfo(np.float64).eps)  # a probability of 0 or 1 would cost infinitely much


def clipped(p: Floats) -> Floats:
    """Keep probabilities where their logarithms are finite, as scikit-learn's ``log_loss`` does."""
    return np.clip(p, _LEAST, 1 - _LEAST)


def log_odds(p: Floats) -> Floats:
    """Return ln(p / (1 - p)), finite for every p in [0, 1]."""
    q = clipped(p)
    out: Floats = np.log(q) - np.log1p(-q)
    return out


def losses(p: Floats, label: int) -> dict[str, Floats]:
    """Return what each image of one class costs.

    Brier is (p - y)^2, NLL -ln of the probability given to the truth (nats). Cllr (Brümmer and du
    Preez 2006) reads the odds p / (1 - p) as a likelihood ratio, that is, p as if both classes were
    equally frequent, and costs log2(1 + 1 / LR) bits for AI-generated and log2(1 + LR) for real
    images; the mean of the two classes' means is 1 for scores that say nothing.

    Args:
        p: P(AI-generated), shape (n,), 0 to 1.
        label: 1 = AI-generated, 0 = real.

    Returns:
        ``brier``, ``nll`` and ``cllr``, each of shape (n,).
    """
    q = clipped(p)
    nll = -np.log(q if label else 1 - q)
    return {"brier": (p - label) ** 2, "nll": nll, "cllr": nll / np.log(2)}


def equal_mass_bins(p: Floats, bins: int = BINS) -> NDArray[np.intp]:
    """Put probabilities into bins of equal numbers of images, in their order; equal ones share a bin.

    Args:
        p: Shape (n,).
        bins: Number of bins; with fewer images, or many ties, some stay empty.

    Returns:
        Bin of each probability, 0 to bins - 1, shape (n,).
    """
    _, level, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    numbers: NDArray[np.intp] = np.floor(middle * bins / len(p)).astype(np.intp)[level]
    return numbers


def min_cllr(ai: Floats, real: Floats) -> float:
    """Return the Cllr that is left after the best monotone recalibration: what the ranking alone costs.

    The best one is found by pool adjacent violators, both classes weighing the same.

    Args:
        ai: Scores of the AI-generated images, shape (n,).
        real: Scores of the real images, shape (m,).

    Returns:
        Bits, 0 (separable) to 1.
    """
    from sklearn.isotonic import isotonic_regression

    _, level = np.unique(np.concatenate([ai, real]), return_inverse=True)
    of_ai = np.bincount(level[: len(ai)], minlength=level.max() + 1) / len(ai)
    of_real = np.bincount(level[len(ai) :], minlength=level.max() + 1) / len(real)
    weights = of_ai + of_real
    q = isotonic_regression(of_ai / weights, sample_weight=weights, y_min=0, y_max=1)
    # Where q is 0 (or 1) there are only real (or only AI-generated) images, and they cost nothing.
    cost_ai = -np.log2(np.where(of_ai > 0, q, 1))
    cost_real = -np.log2(np.where(of_real > 0, 1 - q, 1))
    return float(of_ai @ cost_ai + of_real @ cost_real) / 2
