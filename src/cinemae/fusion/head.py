"""The fusion head: branches that are added, calibrated, with what its verdicts stand on inside.

    logit = sum over branches of the mean of its members' MLP(x_branch)
          + sum over distances of a log distance from real images (cinemae.fusion.distance),
    p = sigmoid(g(logit / T + b))

g is a rising curve where calibration was isotonic, else the identity. The shipped head adds
reconstruction errors, local likelihood statistics and global features (additive fusion, arXiv 2511.06325),
and how unusual the global features are.
The head is plain NumPy at inference; ``cinemae.fusion.fit`` trains it, and :mod:`cinemae.export` traces it
with torch. It is saved as safetensors + JSON.
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
from cinemae.fusion.curve import CalibrationKind
from cinemae.fusion.curve import sigmoid as sigmoid
from cinemae.fusion.differences import with_differences
from cinemae.fusion.errors import HeadError as HeadError
from cinemae.fusion.forward import DISTANCE, KNOTS, LAYERS, OTHER, arranged, branch_logits_of, calibrated, total_of
from cinemae.likelihood.conditional import FloatArray
from cinemae.verdict import Label

FORMAT: Final = 3
_SCORES = ("conformal.ai", "conformal.real")


class HeadConfig(BaseModel):
    """What travels with a head's weights, as ``config.json``.

    Attributes:
        format: Version of this file's layout.
        model_type: Always ``cinemae-head``, so that a hub folder says what it is.
        spec: The features it was trained on.
        backbones: Fingerprint of each scale's MAE, joined with that of its noise model if it has one.
        backbone_names: Where those MAEs can be loaded from.
        differences: By name, two scales whose features, the second's taken from the first's, join those of the spec.
        members: Number of averaged networks.
        hidden: Hidden units of each network branch, by its name.
        distances: Of each distance branch, by its name, whether the distance from other images is taken off.
        clip: Standardised features are clipped to this many spreads.
        calibration: Kind of calibration; ``isotonic`` has a curve among the weights.
        temperature: Calibration, divides the logit.
        bias: Calibration, added to the divided logit.
        threshold: The threshold on the probability that was right most often on the validation part.
            Verdicts don't stand on it, but the figures of an evaluation at one threshold do.
        alpha: Error rate of the verdicts, unless the caller asks for another.
        training: Data manifest hash, settings, metrics; for people and for audits.
        licence: Licence of the head.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[3] = FORMAT
    model_type: Literal["cinemae-head"] = "cinemae-head"
    spec: FeatureSpec
    backbones: dict[str, str]
    backbone_names: dict[str, str]
    differences: dict[str, tuple[str, str]] = Field(default_factory=dict)
    members: int = Field(ge=1)
    hidden: dict[str, int] = Field(default_factory=dict)
    distances: dict[str, bool] = Field(default_factory=dict)
    clip: float = Field(default=4.0, gt=0)
    calibration: CalibrationKind = "platt"
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

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of all branches, distances last."""
        return (*self.hidden, *self.distances)


class FusionHead:
    """A trained head.

    Attributes:
        config: Its configuration.
        weights: ``center`` and ``spread`` (features,), those of differences after those of the spec, and for
            each branch ``*.in`` (members, features, hidden), ``*.in_bias``, ``*.out`` (members, hidden),
            ``*.out_bias``, and ``*.index``, which says which features it reads. A distance has ``*.index``, ``*.mean``
            (features,), ``*.axes`` (features, components) and ``*.line``, by which it becomes a part of
            the logit (slope, offset); a relative one also ``*.other_mean`` (components,) and
            ``*.other_axes`` (components, components). ``conformal.ai`` and ``conformal.real``
            are the uncalibrated logits of the images that verdicts are calibrated on, rising;
            ``calibration.at`` and ``calibration.to`` the knots of an isotonic calibration.
    """

    def __init__(self, config: HeadConfig, weights: dict[str, NDArray[Any]]) -> None:
        """Tie weights to their configuration.

        Raises:
            HeadError: If they do not fit it, or are not finite, or there are too few images for its alpha.
        """
        self.config, self.weights = config, weights
        if not config.parts:
            raise HeadError("a head of no branches")
        wanted = {"center", "spread", *_SCORES} | {f"{branch}.{part}" for branch in config.hidden for part in LAYERS}
        for branch, relative in config.distances.items():
            wanted |= {f"{branch}.{part}" for part in (*DISTANCE, *(OTHER if relative else ()))}
        if config.calibration == "isotonic":
            wanted |= set(KNOTS)
        if weights.keys() != wanted:
            raise HeadError(f"head weights differ from what is needed: {sorted(weights.keys() ^ wanted)}")
        try:
            total = len(with_differences(config.spec, config.differences)[0].names)
        except ValueError as error:
            raise HeadError(str(error)) from error
        if weights["center"].shape != (total,) or weights["spread"].shape != (total,):
            raise HeadError(f"{len(weights['center'])} standardised features for {total} names")
        for branch in config.parts:
            self._check_branch(branch, total)
        if odd := [name for name, array in weights.items() if not np.isfinite(array).all()]:
            raise HeadError(f"head weights that are not finite: {odd}")
        self._check_calibration()

    def _check_calibration(self) -> None:
        for name in _SCORES:
            scores = self.weights[name]
            if scores.ndim != 1 or scores.dtype != np.float64 or (np.diff(scores) < 0).any():
                raise HeadError(f"{name} is no row of rising numbers in float64")
        if self.config.calibration == "isotonic":
            at, to = (self.weights[name] for name in KNOTS)
            rising = at.ndim == 1 and at.shape == to.shape and (np.diff([at, to]) > 0).all()
            if not rising or not len(at):
                raise HeadError(f"{' and '.join(KNOTS)} are no knots of a rising curve")
        self.decision()

    def _check_branch(self, branch: str, total: int) -> None:
        index, members = self.weights[f"{branch}.index"], self.config.members
        if not np.issubdtype(index.dtype, np.integer) or index.ndim != 1 or ((index < 0) | (index >= total)).any():
            raise HeadError(f"{branch}.index does not point at the {total} features")
        shapes: dict[str, tuple[Any, ...]]
        if branch in self.config.hidden:
            hidden = self.config.hidden[branch]
            shapes = {
                "in": (members, len(index), hidden),
                "in_bias": (members, hidden),
                "out": (members, hidden),
                "out_bias": (members,),
            }
        else:
            components = self.weights[f"{branch}.axes"].shape[-1]
            shapes = {"mean": (len(index),), "axes": (len(index), components), "line": (2,)}
            if self.config.distances[branch]:
                shapes |= {"other_mean": (components,), "other_axes": (components, components)}
        for part, shape in shapes.items():
            if (given := self.weights[f"{branch}.{part}"].shape) != shape:
                raise HeadError(f"{branch}.{part} has shape {given}, the configuration says {shape}")

    def branch_logits(self, features: FloatArray) -> dict[str, NDArray[np.float64]]:
        """Return each branch's part of the uncalibrated logits.

        Args:
            features: (images, features) in the order of the spec.

        Returns:
            By branch, each (images,).
        """
        return branch_logits_of(self.config, self._arranged, features)

    @cached_property
    def _arranged(self) -> dict[str, NDArray[Any]]:
        return arranged(self.config, self.weights)

    def raw_logits(self, features: FloatArray) -> NDArray[np.float64]:
        """Return uncalibrated logits (images,); positive means AI."""
        return total_of(self.branch_logits(features))

    def logits(self, features: FloatArray) -> NDArray[np.float64]:
        """Return calibrated logits (images,): log-odds."""
        return self._calibrated(self.raw_logits(features))

    def _calibrated(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = calibrated(self.config, self.weights, raw)
        return out

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
