"""Logistic regression with standardisation, its strength chosen on held-out rows: the head of the linear baselines."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from cinemae.baselines.base import Baseline, BaselineError, Floats, Rows, Weights
from cinemae.features.measurer import Vector
from cinemae.fusion.head import sigmoid

_Strength = Annotated[float, Field(gt=0)]
_CHUNK = 4096  # rows that are in memory as float64 at once


class LinearBaseline(Baseline):
    """A baseline that is a logistic regression on standardised features.

    Attributes:
        strengths: Inverse strengths C of the L2 penalty that are tried. The one with the least
            cross-entropy on the held-out rows is taken.
    """

    strengths: tuple[_Strength, ...] = Field(default=(1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0), min_length=1)

    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """A column of centre, spread and coefficient for each feature, and the intercept."""
        return {"columns": (3, None), "intercept": (1,)}

    def fit_weights(self, rows: Rows, seed: int) -> tuple[Weights, dict[str, Any]]:
        """Fit one regression for each strength and keep the best; nothing is drawn, so the seed doesn't matter."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        used = ~rows.held_out & (rows.weights > 0)
        labels, weights = rows.labels[used], rows.weights[used]
        features = rows.features[used].astype(np.float64)
        losses: dict[float, float] = {}
        found: list[Weights] = []
        with threadpool_limits(1):  # the order of a matrix product's sums depends on the number of threads
            scaler = StandardScaler(copy=False).fit(features, sample_weight=weights)
            z = scaler.transform(features)
            for strength in self.strengths:
                model = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=200)
                model.fit(z, labels, sample_weight=weights)
                columns = np.stack([scaler.mean_, scaler.scale_, model.coef_[0]]).astype(np.float32)
                found.append({"columns": columns, "intercept": model.intercept_.astype(np.float32)})
                losses[strength] = self._held_out_loss(found[-1], rows)
        best = min(range(len(found)), key=lambda number: losses[self.strengths[number]])
        record = {"strength": self.strengths[best], "losses": {f"{c:g}": round(x, 6) for c, x in losses.items()}}
        return found[best], record

    def logits(self, weights: Weights, features: Vector) -> Floats:
        """Return uncalibrated logits (rows,).

        Raises:
            BaselineError: If there are other features than it was fitted on.
        """
        center, spread, coefficients = weights["columns"].astype(np.float64)
        if features.shape[1] != len(coefficients):
            raise BaselineError(f"{self.kind}: fitted on {len(coefficients)} features, given are {features.shape[1]}")
        out = np.empty(len(features))
        for start in range(0, len(features), _CHUNK):
            rows = slice(start, start + _CHUNK)
            z = (features[rows].astype(np.float64) - center) / spread
            # Not a matrix product: the order of its sums would depend on how many rows there are.
            out[rows] = (z * coefficients).sum(axis=1) + float(weights["intercept"][0])
        return out

    def _held_out_loss(self, weights: Weights, rows: Rows) -> float:
        held = rows.held_out
        p = np.clip(sigmoid(self.logits(weights, rows.features[held])), 1e-12, 1 - 1e-12)
        loss = -np.log(np.where(rows.labels[held] == 1, p, 1 - p))
        return float(np.average(loss, weights=rows.weights[held]))
