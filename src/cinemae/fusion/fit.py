"""Training of the fusion head: lines on cached features, weighed and calibrated on images that each had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemae.features.spec import FeatureSpec
from cinemae.fusion.calibration import fit_weights, platt, threshold_at
from cinemae.fusion.config import FitConfig, PartConfig
from cinemae.fusion.conformal import rank
from cinemae.fusion.division import Rows
from cinemae.fusion.forward import sigmoid
from cinemae.fusion.head import FusionHead, HeadConfig
from cinemae.fusion.line import Line, fit_line, whiten
from cinemae.likelihood.conditional import FloatArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    Attributes:
        head: The head.
        held_out_auc: ROC-AUC over all rows, each scored by a fit that had seen neither its family nor its source.
        held_out_loss: Their weighted cross-entropy after calibration, nats.
        weights: What each part's logit is multiplied with.
    """

    head: FusionHead
    held_out_auc: float
    held_out_loss: float
    weights: dict[str, float]


def fit_head(
    features: FloatArray,
    rows: Rows,
    spec: FeatureSpec,
    backbones: dict[str, str],
    backbone_names: dict[str, str],
    config: FitConfig,
) -> FitReport:
    """Fit and calibrate a head, and calibrate its verdicts.

    Each part is fitted once without each fold. Those logits, each of a row that the fit had not seen, give the parts'
    weights, the calibration, the threshold and the verdicts' error rate; then each part is fitted on all rows.

    Args:
        features: (images, features).
        rows: Labels, weights and folds.
        spec: What the features are.
        backbones: Fingerprint of each scale's network.
        backbone_names: Where each can be loaded from.
        config: Settings.

    Raises:
        AlphaError: If a class has too few images for ``config.alpha``.
        ValueError: If a fold leaves one class only, a part reads nothing, or a feature is not finite.
    """
    if not np.isfinite(features).all():
        raise ValueError(f"features that are not finite: {bad_names(features, spec)}")
    for name, label in (("AI-generated", 1), ("real", 0)):
        rank(config.alpha, int((rows.scored & (rows.labels == label)).sum()), name)
    center, spread = standardiser(features, rows.weights)
    z = np.clip((features - center) / spread, -config.clip, config.clip).astype(np.float32)
    arrays: dict[str, NDArray[Any]] = {"center": center, "spread": spread}
    lines, unseen = {}, []
    for name, part in config.parts.items():
        index = read_by(name, part, spec)
        lines[name], logits = _fit_part(z[:, index], rows, part, config.seed)
        unseen.append(logits)
        arrays[f"{name}.index"] = index
    shares = fit_weights(np.column_stack(unseen), rows.labels, rows.weights)
    for (name, line), share in zip(lines.items(), shares.tolist(), strict=True):
        arrays[f"{name}.line"] = share * line.slope
        arrays[f"{name}.bias"] = np.array(share * line.bias)
    raw = np.column_stack(unseen) @ shares
    for name, label in (("conformal.ai", 1), ("conformal.real", 0)):
        arrays[name] = np.sort(raw[rows.scored & (rows.labels == label)])
    head_config = HeadConfig(
        spec=spec,
        backbones=backbones,
        backbone_names=backbone_names,
        parts=tuple(config.parts),
        clip=config.clip,
        alpha=config.alpha,
    )
    return _finish(head_config, arrays, raw, rows, config, dict(zip(config.parts, shares.tolist(), strict=True)))


def read_by(name: str, part: PartConfig, spec: FeatureSpec) -> NDArray[np.int64]:
    """Return the numbers of the features that a part of the head reads.

    Raises:
        ValueError: If there are none.
    """
    index = np.array(spec.select(part.scales or tuple(spec.scales), part.groups), dtype=np.int64)
    if not len(index):
        raise ValueError(f"the part {name} reads no feature: no scale has any of {', '.join(part.groups)}")
    return index


def _fit_part(z: FloatArray, rows: Rows, part: PartConfig, seed: int) -> tuple[Line, Floats]:
    """Return a part's line, and each row's logit from a line that was fitted without its fold."""
    axes = whiten(z, rows.weights, part, seed)
    unseen = np.empty(len(z))
    for fold in np.unique(rows.folds):
        left_out = rows.folds == fold
        if len(set(rows.labels[~left_out].tolist())) < 2:
            raise ValueError("without one of the folds there are images of one class only")
        unseen[left_out] = fit_line(axes, ~left_out, rows.labels, rows.weights, part.strength).logits(z[left_out])
    everything = np.ones(len(z), dtype=np.bool_)
    return fit_line(axes, everything, rows.labels, rows.weights, part.strength), unseen


def _finish(
    config: HeadConfig,
    arrays: dict[str, NDArray[Any]],
    raw: Floats,
    rows: Rows,
    fit: FitConfig,
    shares: dict[str, float],
) -> FitReport:
    """Calibrate on logits of rows that the fit had not seen, then set the threshold."""
    from sklearn.metrics import roc_auc_score

    divisor, bias = platt(raw, rows.labels, rows.weights)
    p = sigmoid(raw / divisor + bias)
    threshold = threshold_at(p, rows.labels, rows.weights, fit.false_alarms)
    update = {"temperature": divisor, "bias": bias, "threshold": threshold}
    head = FusionHead(HeadConfig.model_validate(config.model_dump() | update), arrays)
    q = np.clip(p, 1e-7, 1 - 1e-7)
    loss = -np.average(np.where(rows.labels == 1, np.log(q), np.log(1 - q)), weights=rows.weights)
    area = roc_auc_score(rows.labels, raw, sample_weight=rows.weights)
    return FitReport(head, float(area), float(loss), shares)


def standardiser(features: FloatArray, weights: Floats) -> tuple[Floats, Floats]:
    """Return centre and spread (weighted mean and standard deviation) of each feature, each (features,)."""
    share = weights / weights.sum()
    center = share @ features.astype(np.float64)
    spread = np.sqrt(share @ (features - center) ** 2)
    return center, np.maximum(spread, 1e-3 * (np.abs(center) + 1e-3))


def bad_names(features: FloatArray, spec: FeatureSpec) -> list[str]:
    """Return the names of the features that are not finite somewhere, at most five."""
    bad = np.flatnonzero(~np.isfinite(features).all(0))
    return [spec.names[number] for number in bad[:5]]
