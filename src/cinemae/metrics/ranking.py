"""How well scores rank AI-generated above real images, computed on counts.

All functions take the scores of each class in ascending order and counts of shape (R, n), one row a
resample; the counts of the sample itself are ones. Ties are treated as scikit-learn does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.metrics.bootstrap import Floats

FALSE_ALARM_RATES = {"far_1": 0.01, "far_5": 0.05}
"""Rates of false alarms at which detection is reported, by the name of the operating point."""

_ROUNDING = 1e-9  # 0.01 * 300 is a little more than 3


def far_threshold(real: Floats, rate: float) -> float:
    """Return the lowest threshold at which at most ``rate`` of the real images are called AI.

    Args:
        real: Scores of real images in any order, shape (m,), m > 0.
        rate: False alarms allowed, 0 to 1. With fewer than 1 / rate images none may be one.

    Returns:
        The smallest number above the highest real score that has to pass.
    """
    allowed = int(rate * len(real) + _ROUNDING)
    if allowed >= len(real):
        return float(real.min())
    return float(np.nextafter(np.sort(real)[len(real) - 1 - allowed], np.inf))


@dataclass(frozen=True)
class Ranks:
    """Where the scores of one class stand among those of the other; all that ranking depends on.

    Attributes:
        below: Number of real images below each AI-generated one, (n,).
        up_to: Number of real images below or level with it, (n,).
        lower: Number of AI-generated images below each one of its own class, (n,).
        passed: Number of AI-generated images that a threshold just above a real image passes over, (m,).
    """

    below: NDArray[np.intp]
    up_to: NDArray[np.intp]
    lower: NDArray[np.intp]
    passed: NDArray[np.intp]

    @classmethod
    def of(cls, ai: Floats, real: Floats) -> Ranks:
        """Rank two classes, each in ascending order."""
        return cls(
            below=np.searchsorted(real, ai, side="left"),
            up_to=np.searchsorted(real, ai, side="right"),
            lower=np.searchsorted(ai, ai, side="left"),
            passed=np.searchsorted(ai, real, side="right"),
        )

    def statistics(self, ai_counts: Floats, real_counts: Floats) -> dict[str, Floats]:
        """Compute the area under the ROC curve, average precision and detection at each rate of false alarms.

        The area is the share of (AI, real) pairs in the right order, ties counting one half. Average
        precision is the mean, over the AI-generated images, of the precision at their score. Detection
        is the highest share found by any threshold that keeps to the rate on this class of real images.

        Args:
            ai_counts: Shape (R, n), positive in sum.
            real_counts: Shape (R, m), positive in sum.

        Returns:
            ``roc_auc``, ``average_precision``, ``pd_far_1`` and ``pd_far_5``, each of shape (R,).
        """
        ai_sum, real_sum = _cumulative(ai_counts), _cumulative(real_counts)
        found, alarms = ai_sum[:, -1:], real_sum[:, -1:]
        under = real_sum[:, self.below]
        level = under if np.array_equal(self.below, self.up_to) else real_sum[:, self.up_to]
        won = np.einsum("rn,rn->r", ai_counts, under) + np.einsum("rn,rn->r", ai_counts, level)
        hits = found - ai_sum[:, self.lower]
        # Both are zero only above the highest image that was drawn, where the count is zero as well.
        precision = hits / np.maximum(hits + alarms - under, 1)
        out = {
            "roc_auc": won / (2 * found * alarms)[:, 0],
            "average_precision": np.einsum("rn,rn->r", ai_counts, precision) / found[:, 0],
        }
        for name, rate in FALSE_ALARM_RATES.items():
            needed = (1 - rate) * alarms[:, 0] - _ROUNDING
            highest = [np.searchsorted(row, least) - 1 for row, least in zip(real_sum, needed, strict=True)]
            missed = np.take_along_axis(ai_sum, self.passed[np.array(highest)][:, None], axis=1)
            out[f"pd_{name}"] = 1 - (missed / found)[:, 0]
        return out


def _cumulative(counts: Floats) -> Floats:
    """Sums of the first 0, 1, ... n counts, (R, n + 1)."""
    sums = np.zeros((len(counts), counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    return sums
