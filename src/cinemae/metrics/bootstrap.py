"""The bootstrap: which images are drawn together, how often each is drawn, and intervals.

A resample is a vector of counts; copies of images are never made, and every statistic is computed on
the counts (:mod:`cinemae.metrics.comparison`). Each class is resampled on its own: whole sources when
it has enough of them, since images of one source are not independent, otherwise single images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]
Interval = tuple[float, float]
Rngs = tuple[np.random.Generator, np.random.Generator]

MIN_SOURCES = 5
_COUNTS_AT_A_TIME = 500_000  # 4 MB, so that the passes over them stay in the processor's cache


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
    return counts.astype(np.float64)[:, groups]


def resampled_counts(groups: tuple[Groups, Groups], rngs: Rngs, resamples: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield the counts of both classes, some resamples at a time, so that memory is bounded.

    Args:
        groups: Groups of the AI-generated images (n,) and of the real ones (m,).
        rngs: Generator of the draws of each class. The draws depend on it and on the groups' numbers
            alone, not on the scores: two sets of scores of the same images get the same resamples.
        resamples: Number of resamples R in all.

    Yields:
        Counts of shapes (r, n) and (r, m); the r add up to R.
    """
    chunk = max(_COUNTS_AT_A_TIME // (len(groups[0]) + len(groups[1])), 1)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        yield bootstrap_counts(rngs[0], groups[0], size), bootstrap_counts(rngs[1], groups[1], size)


def percentile_interval(values: Floats, level: float = 0.95) -> Interval | None:
    """Return the central interval that holds ``level`` of the values, or None if there are none.

    Values that are not a number (a resample in which the statistic is not defined) are left out.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
