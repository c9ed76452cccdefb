"""The points of curves: ROC and DET, reliability, histograms. Numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from cinemae.metrics.bootstrap import Floats, Groups, Rngs, bootstrap_groups, resampled_counts
from cinemae.metrics.calibration import BINS, equal_mass_bins
from cinemae.metrics.evaluate import Scored
from cinemae.seeding import rng_for

BAND_RESAMPLES = 200
"""Resamples of a curve's band; the figures' own intervals come from the evaluation."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Curve:
    """A curve with its 95 % band, point by point.

    Attributes:
        x: Positions, (n,).
        y: Values, (n,).
        low: Lower ends, (n,); empty without a band.
        high: Upper ends.
    """

    x: Floats
    y: Floats
    low: Floats
    high: Floats


class RocOf:
    """The ROC curve of one generator, and of its resamples."""

    def __init__(self, ai: Floats, real: Floats) -> None:
        """Find the thresholds at which the curve turns.

        Args:
            ai: Probabilities of the AI-generated images, (n,), n > 0.
            real: Those of the real ones, (m,), m > 0.
        """
        levels = np.unique(np.concatenate([ai, real]))[::-1]
        self._levels = len(levels)
        self._places = tuple(np.searchsorted(-levels, -part) for part in (ai, real))
        self.sizes = len(ai), len(real)

    def vertices(self, counts: tuple[Floats, Floats] | None = None) -> tuple[Floats, Floats]:
        """Return false alarms and detections at every threshold, from none to all.

        Args:
            counts: How often each image occurs, (n,) and (m,); None for once.

        Returns:
            Each (thresholds + 1,), shares, ascending.
        """
        found, alarms = (
            np.concatenate([[0.0], np.cumsum(np.bincount(place, weights, minlength=self._levels))])
            for place, weights in zip(self._places, counts or (None, None), strict=True)
        )
        return alarms / alarms[-1], found / found[-1]

    def at(self, grid: Floats, counts: tuple[Floats, Floats] | None = None) -> Floats:
        """Return the detections at given shares of false alarms; tied scores are joined by a straight line.

        Args:
            grid: Shares of false alarms, (k,), 0 to 1.
            counts: As for :meth:`vertices`.
        """
        alarms, found = self.vertices(counts)
        last = np.minimum(np.searchsorted(alarms, grid, side="right") - 1, len(alarms) - 2)
        # The last vertex at or below: the curve's upper end where it rises straight up.
        start, rise = found[last], found[last + 1] - found[last]
        width = alarms[last + 1] - alarms[last]
        values: Floats = start + rise * np.divide(grid - alarms[last], width, out=np.ones_like(grid), where=width > 0)
        return np.where(grid >= 1, 1.0, values)


def mean_roc(scored: Scored, generators: Iterable[str], grid: Floats, *, resamples: int, seed: int) -> Curve:
    """Average the ROC curves of some generators at equal false alarms; its area is the mean of theirs.

    Generators are resampled as the evaluation does it: each class on its own, by source where it has
    enough of them.

    Args:
        scored: The images.
        generators: Those to average over; ones without both classes are left out.
        grid: Shares of false alarms, (k,).
        resamples: Resamples of the band; 0 for none.
        seed: Seed of the evaluation.
    """
    curves, draws = [], []
    for name in generators:
        ai, real = ((scored.generators == name) & side for side in (scored.truth, ~scored.truth))
        if not ai.any() or not real.any():
            continue
        curve = RocOf(scored.p[ai], scored.p[real])
        curves.append(curve.at(grid))
        groups = bootstrap_groups(scored.sources[ai], 5), bootstrap_groups(scored.sources[real], 5)
        rngs = rng_for(seed, f"{name}/ai"), rng_for(seed, f"{name}/real")
        draws.append(_draws(curve, grid, groups, rngs, resamples))
    empty = np.empty(0)
    if not curves:
        return Curve(empty, empty, empty, empty)
    y = np.mean(curves, axis=0)
    if not resamples:
        return Curve(grid, y, empty, empty)
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975], axis=0)
    return Curve(grid, y, np.minimum(low, y), np.maximum(high, y))


def _draws(curve: RocOf, grid: Floats, groups: tuple[Groups, Groups], rngs: Rngs, resamples: int) -> Floats:
    rows = [
        curve.at(grid, (ai, real))
        for ai_counts, real_counts in resampled_counts(groups, rngs, resamples)
        for ai, real in zip(ai_counts, real_counts, strict=True)
    ]
    return np.array(rows)


def reliability(p: Floats, truth: Sequence[bool]) -> Curve:
    """Return the share of AI-generated images over the mean probability, in bins of equally many images.

    The bins are those of the ECE; the intervals are Wilson's, of images that are independent.

    Args:
        p: Probabilities, (n,), n > 0.
        truth: Which images are AI-generated, (n,).
    """
    bins, labels = equal_mass_bins(p), np.asarray(truth, dtype=np.float64)
    counts = np.bincount(bins, minlength=BINS)
    kept = counts > 0
    n = counts[kept]
    x, share = (np.bincount(bins, part, minlength=BINS)[kept] / n for part in (p, labels))
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Curve(x, share, np.minimum(middle - half, share), np.maximum(middle + half, share))


def histogram(p: Floats, bins: int = 20) -> tuple[Floats, Floats]:
    """Return the middles of bins over 0 to 1, and the share of the images in each.

    Args:
        p: Probabilities, (n,), n > 0.
        bins: Number of bins.
    """
    counts, edges = np.histogram(p, bins=bins, range=(0, 1))
    return (edges[:-1] + edges[1:]) / 2, counts / len(p)
