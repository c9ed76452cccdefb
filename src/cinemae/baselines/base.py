"""What all baselines share: settings that measure and fit, and a calibrated scorer with a threshold, saved safely."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemae.features.measurer import Measurer, Vector
from cinemae.folders import CONFIG_FILE, fingerprint_of, load_folder, save_folder
from cinemae.fusion.calibration import best_threshold, platt
from cinemae.fusion.head import HeadError, sigmoid
from cinemae.mae.select import PrecisionChoice

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Weights = Mapping[str, NDArray[np.float32]]


def short_hash(text: str) -> str:
    """Return the first 16 hex digits of a text's sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class BaselineError(HeadError):
    """A baseline's scorer is missing, damaged, or of other features; the message names it and says why."""


class Rows(NamedTuple):
    """What a baseline is fitted on.

    Attributes:
        features: (rows, features).
        labels: 1 = AI-generated, 0 = real, (rows,).
        weights: How much each row counts, (rows,).
        held_out: Rows that choose and stop, and that nothing is fitted on, (rows,).
    """

    features: Vector
    labels: Labels
    weights: Floats
    held_out: NDArray[np.bool_]


class Baseline(BaseModel, ABC):
    """A detector to compare with, as settings: what it looks at and how it is fitted.

    Attributes:
        kind: Which baseline it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str

    @abstractmethod
    def measurer(self, precision: PrecisionChoice = "auto", device: str | None = None) -> Measurer:
        """Return what measures images for it.

        Args:
            precision: Arithmetic of a network that is run to measure.
            device: Where it runs.
        """

    @abstractmethod
    def identity(self) -> str:
        """Return a text of all that the features depend on, beside precision and device."""

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Return the shapes of its weights by name; None stands for any length."""

    @abstractmethod
    def fit_weights(self, rows: Rows, seed: int) -> tuple[Weights, dict[str, Any]]:
        """Fit, up to calibration; return the weights, and what should be kept of how it went."""

    @abstractmethod
    def logits(self, weights: Weights, features: Vector) -> Floats:
        """Return uncalibrated logits (rows,); a row's must not depend on the other rows."""

    def digest(self) -> str:
        """Return the first 16 hex digits of a hash of :meth:`identity`."""
        return short_hash(self.identity())

    def fit(
        self, features: Vector, labels: Labels, weights: Floats, held_out: NDArray[np.bool_], seed: int = 0
    ) -> Scorer:
        """Fit on the training rows; choose, calibrate (Platt) and set the threshold on the held-out ones.

        Args:
            features: (rows, features), from :meth:`measurer`.
            labels: 1 = AI-generated, 0 = real, (rows,).
            weights: Weight of each row, (rows,).
            held_out: Rows to choose and calibrate on, (rows,).
            seed: Seed of all draws.

        Raises:
            BaselineError: If a part lacks one of the classes or a feature is not finite.
        """
        rows = Rows(features, labels, weights, held_out)
        if features.dtype != np.uint8 and not np.isfinite(features).all():
            raise BaselineError(f"{self.kind}: features that are not finite")
        for name, part in (("training", ~held_out), ("held-out", held_out)):
            if len(set(labels[part][weights[part] > 0].tolist())) < 2:
                raise BaselineError(f"{self.kind}: the {name} part has images of one class only")
        fitted, record = self.fit_weights(rows, seed)
        raw, held_labels, held_weights = self.logits(fitted, features[held_out]), labels[held_out], weights[held_out]
        # Platt's prior is a temperature of 1, so it is given logits of spread 1.
        spread = max(float(raw.std()), 1e-9)
        temperature, bias = platt(raw / spread, held_labels, held_weights)
        temperature *= spread
        threshold = best_threshold(sigmoid(raw / temperature + bias), held_labels, held_weights)
        config = ScorerConfig(
            baseline=self.model_dump(mode="json"),
            features=self.digest(),
            temperature=temperature,
            bias=bias,
            threshold=threshold,
            training={"seed": seed, "rows": len(labels), "held_out": int(held_out.sum())} | record,
        )
        return Scorer(self, config, fitted)


class ScorerConfig(BaseModel):
    """What travels with a scorer's weights, as ``config.json``.

    Attributes:
        format: Version of this file's layout.
        model_type: Always ``cinemae-baseline``.
        baseline: The baseline's settings.
        features: Digest of all that its features depend on, beside precision and device.
        temperature: Calibration, divides the logit.
        bias: Calibration, added to the divided logit.
        threshold: Decision threshold on the probability, chosen on held-out rows.
        training: How the fit went; for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    model_type: Literal["cinemae-baseline"] = "cinemae-baseline"
    baseline: dict[str, Any]
    features: str
    temperature: float = Field(gt=0, allow_inf_nan=False)
    bias: float = Field(allow_inf_nan=False)
    threshold: float = Field(gt=0, lt=1)
    training: dict[str, Any] = Field(default_factory=dict)


class Scorer:
    """A fitted baseline: vectors in, calibrated probabilities out.

    Attributes:
        baseline: Its settings.
        config: Calibration, threshold and record.
        weights: What was fitted.
    """

    def __init__(self, baseline: Baseline, config: ScorerConfig, weights: Weights) -> None:
        """Tie weights to their configuration.

        Raises:
            BaselineError: If they do not fit it, or are not finite.
        """
        self.baseline, self.config, self.weights = baseline, config, weights
        shapes = baseline.shapes()
        if weights.keys() != shapes.keys():
            raise BaselineError(f"weights differ from what is needed: {sorted(weights.keys() ^ shapes.keys())}")
        for name, wanted in shapes.items():
            given = weights[name].shape
            if len(given) != len(wanted) or any(b not in (a, None) for a, b in zip(given, wanted, strict=True)):
                raise BaselineError(f"{name} has shape {given}, the configuration says {wanted}")
        if odd := [name for name, array in weights.items() if not np.isfinite(array).all()]:
            raise BaselineError(f"weights that are not finite: {odd}")

    @property
    def threshold(self) -> float:
        """Decision threshold on the probability."""
        return self.config.threshold

    def probabilities(self, features: Vector) -> Floats:
        """Return P(AI-generated), (rows,), of vectors (rows, features) that :meth:`measurer`'s kind has measured."""
        return sigmoid(self.baseline.logits(self.weights, features) / self.config.temperature + self.config.bias)

    def measurer(self, precision: PrecisionChoice = "auto", device: str | None = None) -> Measurer:
        """Return what measures images for it.

        Raises:
            BaselineError: If what measures has changed since the fit.
        """
        if (now := self.baseline.digest()) != self.config.features:
            raise BaselineError(
                f"{self.baseline.kind}: was fitted on features {self.config.features}, what would be measured now is"
                f" {now}: another checkpoint, or another version of cinemae"
            )
        return self.baseline.measurer(precision, device)

    def fingerprint(self) -> str:
        """Return the first 16 hex digits of a hash over configuration and weights."""
        return fingerprint_of(self.config.model_dump_json(exclude={"training"}), self.weights)

    def save(self, place: Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder."""
        save_folder(place, self.config, self.weights)

    @classmethod
    def load(cls, place: Path) -> Scorer:
        """Read a folder written by :meth:`save`.

        Raises:
            BaselineError: If a file is missing or invalid.
        """
        from cinemae.baselines.registry import parse_baseline

        config, weights = load_folder(place, ScorerConfig, "a baseline's scorer", BaselineError)
        try:
            return cls(parse_baseline(config.baseline), config, weights)
        except ValidationError as error:
            raise BaselineError(f"{place / CONFIG_FILE}: not a baseline's scorer: {error}") from error
        except BaselineError as error:
            raise BaselineError(f"{place}: {error}") from error
