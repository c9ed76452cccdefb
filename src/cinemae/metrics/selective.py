"""What abstaining buys: error against coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemae.metrics.bootstrap import Floats, Interval
from cinemae.metrics.calibration import log_odds


def said(p: Floats, band: Interval) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which probabilities get the verdict AI-generated, and which real; those strictly inside the band none."""
    ai = p >= band[1]
    return ai, (p <= band[0]) & ~ai


def missed(p: Floats, band: Interval, empty: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return of which probabilities the verdict's set lacks AI-generated, and of which it lacks real.

    Args:
        p: Probabilities, shape (n,).
        band: Strictly inside there is no verdict.
        empty: Whether sets are empty there; else they hold both classes.
    """
    ai, real = said(p, band)
    neither = ~(ai | real) if empty else np.zeros(len(p), dtype=np.bool_)
    return real | neither, ai | neither


class RiskCoverage:
    """Images of both classes by confidence, the distance of their log-odds from the threshold's.

    With a threshold of 0.5 that is the order of max(p, 1 - p).
    """

    def __init__(self, ai: Floats, real: Floats, threshold: float) -> None:
        """Order the images.

        Args:
            ai: Probabilities of the AI-generated images, shape (n,).
            real: Those of the real images, shape (m,).
            threshold: A probability at or above it counts as AI-generated.
        """
        p = np.concatenate([ai, real])
        # Rounded, so that 0.4 and 0.6 are equally far from 0.5.
        confidence = np.abs(log_odds(p) - log_odds(np.array(threshold))).round(12)
        self._order = np.argsort(-confidence, kind="stable")
        wrong = np.concatenate([ai < threshold, real >= threshold])
        self._wrong = wrong[self._order].astype(np.float64)
        rising = -confidence[self._order]
        last = np.searchsorted(rising, rising, side="right") - 1
        self._last = None if np.array_equal(last, np.arange(len(last))) else last

    def area(self, ai_counts: Floats, real_counts: Floats) -> Floats:
        """Return the area under the risk-coverage curve of each resample, (R,).

        It is the error among the images at least as confident as one, averaged over all images
        (Geifman et al. 2019): 0 if no error is made, the error rate if confidence says nothing.

        Args:
            ai_counts: Shape (R, n).
            real_counts: Shape (R, m).
        """
        counts = np.concatenate([ai_counts, real_counts], axis=1)[:, self._order]
        kept = np.cumsum(counts, axis=1)
        errors = np.cumsum(counts * self._wrong, axis=1)
        risk = np.divide(errors, np.maximum(kept, 1), out=errors)
        if self._last is not None:
            risk = risk[:, self._last]
        area: Floats = np.einsum("rn,rn->r", counts, risk) / kept[:, -1]
        return area
