"""The fusion head: lines that are added, calibrated, with what its verdicts stand on inside.

    logit = sum over parts of line_part . z_part + bias_part,    z = clip((features - center) / spread)
    p = sigmoid(logit / T + b)

The parts are fitted apart, each on whitened axes of its own features, and weighed by what they say of images that
they had not seen (additive fusion, arXiv 2511.06325). The head is plain NumPy at inference;
``cinemae.fusion.fit`` trains it, and :mod:`cinemae.export` traces it with torch. It is saved as safetensors + JSON.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cinemae.features.spec import FeatureSpec
from cinemae.folders import fingerprint_of, load_folder, save_folder
from cinemae.fusion.conformal import Band, Conformal, Decision, check_request
from cinemae.fusion.errors import HeadError as HeadError
from cinemae.fusion.forward import TENSORS, arranged, part_logits_of, total_of
from cinemae.fusion.forward import sigmoid as sigmoid
from cinemae.likelihood.conditional import FloatArray
from cinemae.verdict import Label

FORMAT: Final = 4
_SCORES = ("conformal.ai", "conformal.real")


class HeadConfig(BaseModel):
    """What travels with a head's weights, as ``config.json``.

    Attributes:
        format: Version of this file's layout.
        model_type: Always ``cinemae-head``, so that a hub folder says what it is.
        spec: The features it was trained on.
        backbones: Fingerprint of each scale's MAE, joined with that of its noise model if it has one.
        backbone_names: Where those MAEs can be loaded from.
        parts: Names of the parts whose logits are added.
        clip: Standardised features are clipped to this many spreads.
        temperature: Calibration, divides the logit.
        bias: Calibration, added to the divided logit.
        threshold: The threshold on the probability that calls a chosen share of real images AI-generated, of sources
            that the fit had not seen. Verdicts don't stand on it, but the figures of an evaluation at one
            threshold do.
        alpha: Error rate of the verdicts, unless the caller asks for another.
        training: Data manifest hash, settings, metrics; for people and for audits.
        licence: Licence of the head.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[4] = FORMAT
    model_type: Literal["cinemae-head"] = "cinemae-head"
    spec: FeatureSpec
    backbones: dict[str, str]
    backbone_names: dict[str, str]
    parts: tuple[str, ...] = Field(min_length=1)
    clip: float = Field(default=5.0, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    bias: float = 0.0
    threshold: float = Field(default=0.5, gt=0, lt=1)
    alpha: float = Field(default=0.1, gt=0, lt=1)
    training: dict[str, Any] = Field(default_factory=dict)
    licence: str = "unknown"

    @model_validator(mode="before")
    @classmethod
    def _is_of_this_format(cls, values: Any) -> Any:
        given = values.get("format", FORMAT) if isinstance(values, dict) else FORMAT
        if given != FORMAT:
            raise ValueError(
                f"a head of format {given}; this cinemae reads format {FORMAT}: train it again with `cinemae train`"
            )
        return values


class FusionHead:
    """A trained head.

    Attributes:
        config: Its configuration.
        weights: ``center`` and ``spread`` (features,); for each part ``*.index``, which says which features it reads,
            ``*.line`` of the same length and ``*.bias``, a scalar. ``conformal.ai`` and ``conformal.real``
            are the uncalibrated logits of the images that verdicts are calibrated on, rising.
    """

    def __init__(self, config: HeadConfig, weights: dict[str, NDArray[Any]]) -> None:
        """Tie weights to their configuration.

        Raises:
            HeadError: If they do not fit it, or are not finite, or there are too few images for its alpha.
        """
        self.config, self.weights = config, weights
        wanted = {"center", "spread", *_SCORES} | {f"{part}.{name}" for part in config.parts for name in TENSORS}
        if weights.keys() != wanted:
            raise HeadError(f"head weights differ from what is needed: {sorted(weights.keys() ^ wanted)}")
        total = len(config.spec.names)
        if weights["center"].shape != (total,) or weights["spread"].shape != (total,):
            raise HeadError(f"{len(weights['center'])} standardised features for {total} names")
        for part in config.parts:
            self._check_part(part, total)
        if odd := [name for name, array in weights.items() if not np.isfinite(array).all()]:
            raise HeadError(f"head weights that are not finite: {odd}")
        for name in _SCORES:
            scores = weights[name]
            if scores.ndim != 1 or scores.dtype != np.float64 or (np.diff(scores) < 0).any():
                raise HeadError(f"{name} is no row of rising numbers in float64")
        self.decision()

    def _check_part(self, part: str, total: int) -> None:
        index = self.weights[f"{part}.index"]
        if not np.issubdtype(index.dtype, np.integer) or index.ndim != 1 or ((index < 0) | (index >= total)).any():
            raise HeadError(f"{part}.index does not point at the {total} features")
        for name, shape in (("line", index.shape), ("bias", ())):
            if (given := self.weights[f"{part}.{name}"].shape) != shape:
                raise HeadError(f"{part}.{name} has shape {given}, its index says {shape}")

    def part_logits(self, features: FloatArray) -> dict[str, NDArray[np.float64]]:
        """Return each part's share of the uncalibrated logits.

        Args:
            features: (images, features) in the order of the spec.

        Returns:
            By part, each (images,).
        """
        return part_logits_of(self.config, self._arranged, features)

    @cached_property
    def _arranged(self) -> dict[str, NDArray[Any]]:
        return arranged(self.config, self.weights)

    def raw_logits(self, features: FloatArray) -> NDArray[np.float64]:
        """Return uncalibrated logits (images,); positive means AI."""
        return total_of(self.part_logits(features))

    def logits(self, features: FloatArray) -> NDArray[np.float64]:
        """Return calibrated logits (images,): log-odds."""
        return self._calibrated(self.raw_logits(features))

    def _calibrated(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return raw / self.config.temperature + self.config.bias

    def probabilities(self, features: FloatArray) -> NDArray[np.float64]:
        """Return P(AI-generated), (images,)."""
        return sigmoid(self.logits(features))

    @cached_property
    def conformal(self) -> Conformal:
        """The images that verdicts are calibrated on, as probabilities, since that is what is compared with them."""
        return Conformal(*(sigmoid(self._calibrated(self.weights[name])) for name in _SCORES))

    def p_values(self, probability: float) -> tuple[float, float]:
        """Return the conformal p-values of both classes, AI-generated and real; see :mod:`cinemae.fusion.conformal`."""
        ai, real = self.conformal.p_values(np.array(probability))
        return float(ai), float(real)

    def decision(self, threshold: float | None = None, alpha: float | None = None) -> Decision:
        """Return how probabilities become verdicts.

        Args:
            threshold: Decides alone; never ``inconclusive``.
            alpha: Replaces the head's own error rate.

        Raises:
            HeadError: If both are given, or one is out of range.
            AlphaError: If there are too few images to calibrate on for that alpha.
        """
        check_request(threshold, alpha)
        if threshold is not None:
            return Decision(threshold, (threshold, threshold))
        return self.conformal.decide(self.config.threshold, self.config.alpha if alpha is None else alpha)

    def band_at(self, alpha: float) -> Band:
        """Return the ends of what is inconclusive at an error rate; it is strictly between them.

        Raises:
            AlphaError: If there are too few images to calibrate on for that alpha.
        """
        return self.decision(alpha=alpha).band

    @property
    def band(self) -> Band:
        """The ends of what is inconclusive at the head's own error rate."""
        return self.decision().band

    def decide(self, probability: float, threshold: float | None = None, alpha: float | None = None) -> Label:
        """Turn a probability into a verdict; see :meth:`decision`."""
        return self.decision(threshold, alpha).label(probability)

    def fingerprint(self) -> str:
        """Return the first 16 hex digits of a hash over configuration and weights."""
        return fingerprint_of(self.config.model_dump_json(exclude={"training", "backbone_names"}), self.weights)

    def save(self, place: Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder."""
        save_folder(place, self.config, self.weights)

    @classmethod
    def load(cls, place: Path) -> FusionHead:
        """Read a folder written by :meth:`save`.

        Raises:
            HeadError: If a file is missing or invalid.
        """
        config, weights = load_folder(place, HeadConfig, "a cinemae head", HeadError)
        try:
            return cls(config, weights)
        except HeadError as error:
            raise HeadError(f"{place}: {error}") from error
