"""A noise model for MAEs that predict only a mean.

The variance of a few passes is mostly noise itself, and on a flat sky it is next to nothing: an
NLL from it alone explodes. So the predictive variance is regressed once per MAE on photographs,
from what the passes say, and stored with the checkpoint.
"""

from __future__ import annotations

import hashlib
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cinemae.arrays import Array, array_namespace


class NoiseModelError(ValueError):
    """There is too little to fit a noise model to."""


class NoiseModel(BaseModel):
    """log variance = b0 + b1 log(1 + ensemble variance) + b2 log(1 + contrast), in squared levels.

    Ensemble variance is the passes' variance averaged over a patch, contrast the variance of the
    predicted mean within it: both are known without the truth.

    Attributes:
        coefficients: b0, b1, b2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    coefficients: tuple[float, float, float]

    @property
    def fingerprint(self) -> str:
        """The first 8 hex digits of a hash of the coefficients."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]

    def variance(self, ensemble: Array, contrast: Array) -> Array:
        """Return the predictive variance of each patch in squared levels, at least 1/12 (rounding)."""
        xp = array_namespace(ensemble, contrast)
        base, by_ensemble, by_contrast = self.coefficients
        log_variance = base + by_ensemble * xp.log1p(ensemble) + by_contrast * xp.log1p(contrast)
        return xp.clip(xp.exp(xp.clip(log_variance, -10.0, 12.0)), 1 / 12, None)

    @classmethod
    def fit(cls, ensemble: Array, contrast: Array, squared_error: Array, iterations: int = 50) -> Self:
        """Fit by maximum likelihood of a Gaussian with log-linear variance.

        Fisher scoring: the expected information of the coefficients is X'X / 2 whatever the
        variances are, so each step is one least-squares fit of (error^2 / variance - 1), halved
        until the likelihood, which is concave, does not fall.

        Args:
            ensemble: (patches,) ensemble variances.
            contrast: (patches,) predicted contrasts.
            squared_error: (patches,) mean squared errors, each in squared levels.
            iterations: Scoring steps.

        Raises:
            NoiseModelError: With fewer than 100 patches.
        """
        if len(ensemble) < 100:
            raise NoiseModelError(f"a noise model needs at least 100 patches, got {len(ensemble)}")
        design = _design(ensemble, contrast)
        solve = np.linalg.pinv(design)
        beta = np.array([np.log(np.mean(squared_error) + 1e-6), 0.0, 0.0])
        for _ in range(iterations):
            step = solve @ (squared_error / np.exp(design @ beta) - 1)
            cost = _cost(design @ beta, squared_error)
            while _cost(design @ (beta + step), squared_error) > cost and np.abs(step).max() > 1e-9:
                step = step / 2
            beta = beta + step
        return cls(coefficients=(float(beta[0]), float(beta[1]), float(beta[2])))


PASSES_ALONE = NoiseModel(coefficients=(0.0, 1.0, 0.0))
"""No model: the variance of the passes as it is, plus one squared level, so that an ablation can do without."""


def _cost(log_variance: NDArray[np.float64], squared_error: Array) -> float:
    """Return twice the mean Gaussian NLL, up to a constant; infinite where it overflows."""
    with np.errstate(over="ignore"):
        return float(np.mean(log_variance + squared_error * np.exp(-log_variance)))


def _design(ensemble: Array, contrast: Array) -> NDArray[np.float64]:
    columns = [np.ones_like(ensemble, dtype=np.float64), np.log1p(ensemble), np.log1p(contrast)]
    return np.stack(columns, axis=-1)
