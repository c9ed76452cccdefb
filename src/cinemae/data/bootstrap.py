"""A vectorised bootstrap of ranking and threshold statistics: resamples are counts, never copies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]
Interval = tuple[float, float]

_COUNTS_AT_A_TIME = 4_000_000  # 32 MB


def bootstrap_groups(sources: NDArray[np.str_], min_sources: int) -> Groups:
    """Decide what is drawn together: images of one source, or each on its own if sources are too few.

    With two or three sources a bootstrap over sources says next to nothing; it would hide, not
    show, the uncertainty.

    Args:
        sources: Source of each image of one class, shape (n,).
        min_sources: Least number of distinct sources that are drawn as wholes.

    Returns:
        Group of each image, 0 to G-1, shape (n,).
    """
    names, groups = np.unique(sources, return_inverse=True)
    return groups if len(names) >= min_sources else np.arange(len(sources), dtype=np.intp)


def bootstrap_counts(rng: np.random.Generator, groups: Groups, resamples: int) -> Floats:
    """Draw how often each image occurs in each resample when whole groups are drawn with replacement.

    Args:
        rng: Source of the draws.
        groups: Group of each image, 0 to G-1, shape (n,).
        resamples: Number of resamples R.

    Returns:
        Counts of shape (R, n).
    """
    total = int(groups.max()) + 1
    drawn = rng.integers(0, total, size=(resamples, total)) + np.arange(resamples)[:, None] * total
    counts = np.bincount(drawn.ravel(), minlength=resamples * total).reshape(resamples, total)
    return counts[:, groups].astype(np.float64)


def weighted_auc(ai: Floats, real: Floats, ai_counts: Floats, real_counts: Floats) -> Floats:
    """Compute the area under the ROC curve of each resample, ties counting one half.

    The area is the weighted share of (AI, real) pairs in the right order. With the real images
    sorted, the number of those below an AI image is a difference of cumulative counts.

    Args:
        ai: Scores of the AI-generated images, shape (n,).
        real: Scores of the real images, shape (m,).
        ai_counts: Shape (R, n), positive in sum.
        real_counts: Shape (R, m), positive in sum.

    Returns:
        Areas of shape (R,).
    """
    order = np.argsort(real)
    below = np.zeros((len(real_counts), len(real) + 1))
    np.cumsum(real_counts[:, order], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(real[order], ai, side=side) for side in ("left", "right"))
    won = np.einsum("rn,rn->r", ai_counts, below[:, first] + below[:, last]) / 2
    areas: Floats = won / (ai_counts.sum(axis=1) * real_counts.sum(axis=1))
    return areas


def bootstrap_statistics(
    ai: Floats,
    real: Floats,
    threshold: float,
    groups: tuple[Groups, Groups],
    rngs: tuple[np.random.Generator, np.random.Generator],
    resamples: int,
) -> Floats:
    """Bootstrap the area under the ROC curve and the balanced accuracy.

    Args:
        ai: Scores of the AI-generated images, shape (n,).
        real: Scores of the real images, shape (m,).
        threshold: A score at or above it counts as AI-generated.
        groups: Groups of the AI-generated images (n,) and of the real ones (m,).
        rngs: Generator of the draws of each class.
        resamples: Number of resamples R.

    Returns:
        Shape (R, 2): area, balanced accuracy.
    """
    # Sorted scores make the look-ups of weighted_auc run through memory in order.
    ai_order, real_order = np.argsort(ai), np.argsort(real)
    ai, real = ai[ai_order], real[real_order]
    parts = [np.empty((0, 2))]
    chunk = max(_COUNTS_AT_A_TIME // (len(ai) + len(real)), 1)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        ai_counts = bootstrap_counts(rngs[0], groups[0][ai_order], size)
        real_counts = bootstrap_counts(rngs[1], groups[1][real_order], size)
        found = ai_counts @ (ai >= threshold) / ai_counts.sum(axis=1)
        passed = real_counts @ (real < threshold) / real_counts.sum(axis=1)
        area = weighted_auc(ai, real, ai_counts, real_counts)
        parts.append(np.stack([area, (found + passed) / 2], axis=1))
    return np.concatenate(parts)


def percentile_interval(values: Floats, level: float = 0.95) -> Interval | None:
    """Return the central interval that holds ``level`` of the values, or None if there are none."""
    if not values.size:
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
