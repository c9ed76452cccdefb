"""The fusion head: branches that are added, calibrated, with the threshold inside.

    logit = sum over branches of the mean of its members' MLP(x_branch),   p = sigmoid(logit / T + b)

The shipped head adds reconstruction errors, local likelihood statistics and global features
(additive fusion, arXiv 2511.06325). The head is plain NumPy at inference; ``cinemae.fusion.fit``
trains it, and :mod:`cinemae.export` traces it with torch. It is saved as safetensors + JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from cinemae.arrays import Array, array_namespace
from cinemae.features.spec import FeatureSpec
from cinemae.likelihood.conditional import FloatArray
from cinemae.verdict import Label

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


class HeadError(ValueError):
    """A head's files are missing or do not fit together; the message names them and says why."""


class HeadConfig(BaseModel):
    """What travels with a head's weights, as ``config.json``.

    Attributes:
        format: Version of this file's layout.
        model_type: Always ``cinemae-head``, so that a hub folder says what it is.
        spec: The features it was trained on.
        backbones: Fingerprint of each scale's MAE.
        backbone_names: Where those MAEs can be loaded from.
        members: Number of averaged networks.
        hidden: Hidden units of each branch, by its name.
        clip: Standardised features are clipped to this many spreads.
        temperature: Calibration, divides the logit.
        bias: Calibration, added to the divided logit.
        threshold: Decision threshold on the probability.
        band: Abstention band around it.
        training: Data manifest hash, settings, metrics; for people and for audits.
        licence: Licence of the head.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    model_type: Literal["cinemae-head"] = "cinemae-head"
    spec: FeatureSpec
    backbones: dict[str, str]
    backbone_names: dict[str, str]
    members: int = Field(ge=1)
    hidden: dict[str, int] = Field(min_length=1)
    clip: float = Field(default=4.0, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    bias: float = 0.0
    threshold: float = Field(default=0.5, gt=0, lt=1)
    band: tuple[float, float] = (0.5, 0.5)
    training: dict[str, Any] = Field(default_factory=dict)
    licence: str = "unknown"

    @model_validator(mode="after")
    def _band_holds_threshold(self) -> HeadConfig:
        low, high = self.band
        if not 0 <= low <= self.threshold <= high <= 1:
            raise ValueError(f"the band {self.band} must hold the threshold {self.threshold}")
        return self


class FusionHead:
    """A trained head.

    Attributes:
        config: Its configuration.
        weights: ``center`` and ``spread`` (features,), and for each branch ``*.in``
            (members, features, hidden), ``*.in_bias``, ``*.out`` (members, hidden), ``*.out_bias``,
            and ``*.index``, which says which features it reads.
    """

    def __init__(self, config: HeadConfig, weights: dict[str, NDArray[Any]]) -> None:
        """Tie weights to their configuration.

        Raises:
            HeadError: If they do not fit it, or are not finite.
        """
        self.config, self.weights = config, weights
        wanted = {"center", "spread"} | {
            f"{branch}.{part}" for branch in config.hidden for part in ("index", "in", "in_bias", "out", "out_bias")
        }
        if weights.keys() != wanted:
            raise HeadError(f"head weights differ from what is needed: {sorted(weights.keys() ^ wanted)}")
        total = len(config.spec.names)
        if weights["center"].shape != (total,) or weights["spread"].shape != (total,):
            raise HeadError(f"{len(weights['center'])} standardised features for {total} names")
        for branch in config.hidden:
            self._check_branch(branch, total)
        if odd := [name for name, array in weights.items() if not np.isfinite(array).all()]:
            raise HeadError(f"head weights that are not finite: {odd}")

    def _check_branch(self, branch: str, total: int) -> None:
        index, members, hidden = self.weights[f"{branch}.index"], self.config.members, self.config.hidden[branch]
        if not np.issubdtype(index.dtype, np.integer) or index.ndim != 1 or ((index < 0) | (index >= total)).any():
            raise HeadError(f"{branch}.index does not point at the {total} features")
        shapes: dict[str, tuple[Any, ...]] = {
            "in": (members, len(index), hidden),
            "in_bias": (members, hidden),
            "out": (members, hidden),
            "out_bias": (members,),
        }
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
        # Row by row, so that an image's logit can't depend on how many others came with it.
        rows = [branch_logits(self.config, self.weights, row) for row in features.astype(np.float64)]
        return {branch: np.array([row[branch] for row in rows], dtype=np.float64) for branch in self.config.hidden}

    def logits(self, features: FloatArray) -> NDArray[np.float64]:
        """Return calibrated logits (images,); positive means AI."""
        raw: NDArray[np.float64] = np.sum(list(self.branch_logits(features).values()), axis=0)
        return raw / self.config.temperature + self.config.bias

    def probabilities(self, features: FloatArray) -> NDArray[np.float64]:
        """Return P(AI-generated), (images,)."""
        return sigmoid(self.logits(features))

    def decide(self, probability: float, threshold: float | None = None) -> Label:
        """Turn a probability into a verdict; an explicit threshold switches the abstention band off."""
        if threshold is not None:
            return "ai" if probability >= threshold else "real"
        low, high = self.config.band
        if low < probability < high:
            return "inconclusive"
        return "ai" if probability >= self.config.threshold else "real"

    def fingerprint(self) -> str:
        """Return the first 16 hex digits of a hash over configuration and weights."""
        digest = hashlib.sha256(self.config.model_dump_json(exclude={"training", "backbone_names"}).encode())
        for name, array in sorted(self.weights.items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def save(self, place: Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder."""
        place.mkdir(parents=True, exist_ok=True)
        save_file({name: np.ascontiguousarray(array) for name, array in self.weights.items()}, place / WEIGHTS_FILE)
        text = json.dumps(self.config.model_dump(mode="json"), indent=1)
        (place / CONFIG_FILE).write_text(text + "\n")

    @classmethod
    def load(cls, place: Path) -> FusionHead:
        """Read a folder written by :meth:`save`.

        Raises:
            HeadError: If a file is missing or invalid.
        """
        try:
            config = HeadConfig.model_validate_json((place / CONFIG_FILE).read_text())
            return cls(config, load_file(place / WEIGHTS_FILE))
        except FileNotFoundError as error:
            missing = CONFIG_FILE if not (place / CONFIG_FILE).exists() else WEIGHTS_FILE
            raise HeadError(f"{place}: not a cinemae head: {missing} is missing") from error
        except (ValidationError, UnicodeDecodeError) as error:
            raise HeadError(f"{place / CONFIG_FILE}: not a cinemae head: {error}") from error
        except SafetensorError as error:
            raise HeadError(f"{place / WEIGHTS_FILE}: damaged: {error}") from error
        except HeadError as error:
            raise HeadError(f"{place}: {error}") from error


def branch_logits(config: HeadConfig, weights: Mapping[str, Array], row: Array) -> dict[str, Array]:
    """Return each branch's part of the uncalibrated logit of one image, 0-d.

    Args:
        config: The head's configuration.
        weights: Its weights, in the array library of the features.
        row: The image's features, (features,).
    """
    xp = array_namespace(row)
    z = xp.clip((row - weights["center"]) / weights["spread"], -config.clip, config.clip)
    out = {}
    for branch in config.hidden:
        w = {part: weights[f"{branch}.{part}"] for part in ("index", "in", "in_bias", "out", "out_bias")}
        # Not a matrix product: the order of its sums would depend on the number of threads.
        hidden = xp.einsum("f,mfh->mh", xp.take(z, w["index"]), w["in"]) + w["in_bias"]
        active = xp.maximum(hidden, xp.zeros_like(hidden))
        out[branch] = xp.mean(xp.sum(active * w["out"], axis=-1) + w["out_bias"])
    return out


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) without overflow."""
    out: NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits))
    return out
