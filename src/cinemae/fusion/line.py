"""Fitting a part of the head: whitened axes of its features, and a logistic line along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.fusion.config import PartConfig
from cinemae.likelihood.conditional import FloatArray

Floats = NDArray[np.float64]
FLAT = 1e-4  # of the widest axis' spread: float32 knows no narrower one


@dataclass(frozen=True)
class Line:
    """A logit that is linear in standardised features.

    Attributes:
        slope: (features,).
        bias: Added to the product.
    """

    slope: Floats
    bias: float

    def logits(self, z: FloatArray) -> Floats:
        """Return logits of standardised features (rows, features)."""
        out: Floats = z @ self.slope + self.bias
        return out


@dataclass(frozen=True)
class Axes:
    """Whitened principal axes: along them features have mean 0 and spread 1, and are uncorrelated.

    Where there are fewer directions in which the features vary, the axes left over are 0.

    Attributes:
        mean: (features,).
        axes: (features, axes).
        along: The training rows along them, (rows, axes).
    """

    mean: FloatArray
    axes: FloatArray
    along: FloatArray


def whiten(z: FloatArray, weights: Floats, config: PartConfig, seed: int) -> Axes:
    """Find the axes that a part reads its features along; no label is looked at.

    Args:
        z: Standardised features, (rows, features).
        weights: Weight of each row.
        config: The part; with 0 axes the features stay as they are.
        seed: Seed of the randomised decomposition.
    """
    if not config.axes:
        return Axes(np.zeros(z.shape[1], dtype=np.float32), np.eye(z.shape[1], dtype=np.float32), z)
    from sklearn.utils.extmath import randomized_svd

    count = min(config.axes, z.shape[1], max(1, len(z) - 1))
    share = (weights / weights.sum()).astype(np.float32)
    mean = share @ z
    centred = z - mean
    _, spreads, directions = randomized_svd(centred * np.sqrt(share)[:, None], count, n_iter=4, random_state=seed)
    # Along an axis without spread there is rounding only; stretched to spread 1 it would rule whatever is new there.
    varied = spreads > FLAT * spreads[0]
    axes = np.where(varied, directions.T / np.where(varied, spreads, 1), 0).astype(np.float32)
    return Axes(mean, axes, centred @ axes)


def fit_line(axes: Axes, rows: NDArray[np.bool_], labels: NDArray[np.int64], weights: Floats, strength: float) -> Line:
    """Fit a logistic line with a ridge penalty along axes.

    Args:
        axes: The axes, with all rows along them.
        rows: The rows to fit on.
        labels: 1 = AI-generated, 0 = real, of all rows.
        weights: Weight of each row.
        strength: Inverse of the penalty.
    """
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=strength, max_iter=1000, tol=1e-5).fit(
        axes.along[rows], labels[rows], sample_weight=weights[rows]
    )
    slope = axes.axes.astype(np.float64) @ fitted.coef_[0]
    return Line(slope, float(fitted.intercept_[0] - axes.mean.astype(np.float64) @ slope))
