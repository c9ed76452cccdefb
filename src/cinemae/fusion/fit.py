"""Training of the fusion head (torch): small MLPs on cached features, early stopped, calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cinemae.features.spec import FeatureSpec
from cinemae.fusion.calibration import best_threshold, isotonic, platt, temperature
from cinemae.fusion.config import BranchConfig, DistanceConfig, FitConfig
from cinemae.fusion.conformal import rank
from cinemae.fusion.curve import monotone, sigmoid
from cinemae.fusion.differences import Indices, add_differences, with_differences
from cinemae.fusion.distance import fit_distance, zoom_directions
from cinemae.fusion.division import Bools, Floats, Parts
from cinemae.fusion.forward import raw_logits_of
from cinemae.fusion.head import FusionHead, HeadConfig
from cinemae.likelihood.conditional import FloatArray
from cinemae.seeding import seeded_digest


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    Attributes:
        head: The head.
        held_out_auc: ROC-AUC of the validation rows.
        held_out_loss: Their weighted cross-entropy after calibration, nats.
    """

    head: FusionHead
    held_out_auc: float
    held_out_loss: float


class _Branch(nn.Module):
    def __init__(self, inputs: int, config: BranchConfig) -> None:
        super().__init__()
        self.config = config
        # Filled by _fit_member from its own generator; torch's default start would draw from the global one.
        self.into = nn.utils.skip_init(nn.Linear, inputs, config.hidden)  # type: ignore[no-untyped-call]
        self.out = nn.utils.skip_init(nn.Linear, config.hidden, 1)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if generator is not None:
            keep = torch.rand(x.shape, generator=generator) >= self.config.dropout
            x = x + self.config.noise * torch.randn(x.shape, generator=generator)
            x = x * keep / (1 - self.config.dropout)
        return self.out(F.relu(self.into(x))).squeeze(-1)  # type: ignore[no-any-return]


def fit_head(
    features: FloatArray,
    labels: NDArray[np.int64],
    weights: Floats,
    parts: Parts,
    spec: FeatureSpec,
    backbones: dict[str, str],
    backbone_names: dict[str, str],
    config: FitConfig,
    *,
    pseudo: Bools | None = None,
    zoomed: NDArray[np.int64] | None = None,
) -> FitReport:
    """Fit and calibrate a head, and calibrate its verdicts.

    Args:
        features: (images, features).
        labels: 1 = AI-generated, 0 = real.
        weights: Weight of each row, from :func:`cinemae.fusion.division.row_weights`.
        parts: What the rows are for.
        spec: What the features are.
        backbones: Fingerprint of each scale's MAE.
        backbone_names: Where each can be loaded from.
        config: Settings.
        pseudo: Rows that are pseudo-fakes; None for none.
        zoomed: Rows of the same photographs at several scales, (photographs, scales); None for none.

    Raises:
        AlphaError: If the conformal part has too few images of a class for ``config.alpha``.
        ValueError: If parts share a row, one lacks one of the classes, or a feature is not finite.
    """
    if not np.isfinite(features).all():
        raise ValueError(f"features that are not finite: {bad_names(features, spec)}")
    _check_parts(parts, labels, config.alpha)
    wide, plus, minus = with_differences(spec, config.used_differences)
    inputs = add_differences(features, plus, minus)
    # Real images alone: a feature says how far an image is from what photographs are.
    center, spread = standardiser(inputs[parts.training & (labels == 0)])
    z = np.clip((inputs - center) / spread, -config.clip, config.clip).astype(np.float32)
    arrays: dict[str, NDArray[np.generic]] = {"center": center, "spread": spread}
    for name, branch in config.branches.items():
        index = _read_by(branch, spec, wide)
        fitted = _fit_branch(_Rows(z[:, index], labels, weights, parts), branch, config, name)
        for key in ("out", "out_bias"):
            fitted[key] *= branch.share / config.total_share
        arrays |= {f"{name}.index": index} | {f"{name}.{key}": array for key, array in fitted.items()}
    indices = {name: _read_by(distance, spec, wide, distance.only) for name, distance in config.distances.items()}
    arrays |= _fit_distances(_Rows(z, labels, weights, parts), indices, config, pseudo, zoomed)
    head_config = HeadConfig(
        spec=spec,
        backbones=backbones,
        backbone_names=backbone_names,
        differences=config.used_differences,
        members=config.members,
        hidden={name: branch.hidden for name, branch in config.branches.items()},
        distances={name: distance.relative for name, distance in config.distances.items()},
        clip=config.clip,
        alpha=config.alpha,
    )
    raw = raw_logits_of(head_config, arrays, features)
    for name, label in (("conformal.ai", 1), ("conformal.real", 0)):
        arrays[name] = np.sort(raw[parts.conformal & (labels == label)])
    rows = parts.validation
    return _finish(head_config, arrays, _Validation(raw[rows], labels[rows], weights[rows]), config)


def _read_by(part: BranchConfig | DistanceConfig, spec: FeatureSpec, wide: FeatureSpec, only: str = "") -> Indices:
    """Return the numbers of the features that a part of the head reads.

    Args:
        part: A branch or a distance.
        spec: The features that are measured.
        wide: The same with the differences between their scales.
        only: What a feature's name must have in it.
    """
    scales = tuple(spec.scales) if part.scales is None else part.scales
    return np.array(wide.select((*scales, *part.differences), part.groups, only), dtype=np.int64)


def _check_parts(parts: Parts, labels: NDArray[np.int64], alpha: float) -> None:
    if (parts.training.astype(int) + parts.validation + parts.conformal > 1).any():
        raise ValueError("the parts of a fit must not share rows")
    for name, rows in (("training", parts.training), ("validation", parts.validation)):
        if len(set(labels[rows].tolist())) < 2:
            raise ValueError(f"the {name} part has images of one class only")
    for name, label in (("AI-generated", 1), ("real", 0)):
        rank(alpha, int((labels[parts.conformal] == label).sum()), name)


@dataclass(frozen=True)
class _Rows:
    """What a branch or distance is fitted on: standardised features, and the rows' labels, weights and parts."""

    z: FloatArray
    labels: NDArray[np.int64]
    weights: Floats
    parts: Parts


def _fit_distances(
    rows: _Rows,
    indices: dict[str, Indices],
    config: FitConfig,
    pseudo: Bools | None,
    zoomed: NDArray[np.int64] | None,
) -> dict[str, NDArray[np.generic]]:
    # Pseudo-fakes whose share is 0 have no weight, and nothing can be relative to them.
    real, other = (rows.parts.training & (rows.labels == label) & (rows.weights > 0) for label in (0, 1))
    if pseudo is not None and (other & pseudo).any():
        other &= pseudo
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, distance in config.distances.items():
        index = indices[name]
        if not len(index):
            raise ValueError(f"the distance {name} reads no feature: none has {distance.only!r} in its name")
        views = rows.z[:0, None, index] if zoomed is None else rows.z[zoomed][..., index]
        fitted = fit_distance(
            rows.z[:, index],
            rows.weights,
            real,
            other if distance.relative else None,
            distance.components,
            zoom_directions(views, distance.zoom_axes),
        )
        fitted["line"] *= distance.share / config.total_share
        arrays |= {f"{name}.index": index} | {f"{name}.{key}": array for key, array in fitted.items()}
    return arrays


def _fit_branch(rows: _Rows, branch: BranchConfig, config: FitConfig, name: str) -> dict[str, FloatArray]:
    """Fit a branch's members; on the validation rows their mean is scaled to be log-odds (Platt).

    Decay shrinks a branch's logits by as much as it likes, so without this the sum of branches
    would weigh them by their decay.
    """
    members = [_fit_member(rows, branch, config, f"{name}/{number}") for number in range(config.members)]
    held_out = rows.parts.validation
    with torch.no_grad():
        raw = torch.stack([member(torch.from_numpy(rows.z[held_out])) for member in members]).mean(0)
    logits = raw.double().numpy()
    spread = max(float(logits.std()), 1e-9)
    divisor, bias = platt(logits / spread, rows.labels[held_out], rows.weights[held_out])
    scale = np.float32(1 / (divisor * spread))
    states = [member.state_dict() for member in members]
    return {
        "in": np.stack([s["into.weight"].numpy().T for s in states]),
        "in_bias": np.stack([s["into.bias"].numpy() for s in states]),
        "out": np.stack([s["out.weight"].numpy()[0] for s in states]) * scale,
        "out_bias": np.stack([s["out.bias"].numpy()[0] for s in states]) * scale + np.float32(bias),
    }


def _fit_member(rows: _Rows, branch: BranchConfig, config: FitConfig, key: str) -> _Branch:
    generator = torch.Generator().manual_seed(seeded_digest(config.seed, key) % 2**63)
    net = _Branch(rows.z.shape[1], branch)
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_uniform_(parameter, a=5**0.5, generator=generator)
        else:
            nn.init.zeros_(parameter)
    x, y, w = torch.from_numpy(rows.z), torch.from_numpy(rows.labels).float(), torch.from_numpy(rows.weights).float()
    train, test = (torch.from_numpy(np.flatnonzero(part)) for part in (rows.parts.training, rows.parts.validation))
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=branch.decay)
    best, best_state, waited = float("inf"), net.state_dict(), 0

    def loss(part: Tensor, random: torch.Generator | None) -> Tensor:
        logit = net(x[part], random)
        return F.binary_cross_entropy_with_logits(logit, y[part], w[part], reduction="sum") / w[part].sum()

    for _ in range(branch.epochs):
        order = train[torch.randperm(len(train), generator=generator)]
        for part in order.split(config.batch):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            loss(part, generator).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            current = float(loss(test, None))
        if current < best - 1e-4:
            best, waited = current, 0
            best_state = {key: value.clone() for key, value in net.state_dict().items()}
        else:
            waited += 1
            if waited >= config.patience:
                break
    net.load_state_dict(best_state)
    return net


@dataclass(frozen=True)
class _Validation:
    """Uncalibrated logits of the validation rows, their labels and weights."""

    raw: Floats
    labels: NDArray[np.int64]
    weights: Floats


def _finish(config: HeadConfig, arrays: dict[str, NDArray[np.generic]], rows: _Validation, fit: FitConfig) -> FitReport:
    """Calibrate on the validation rows, then set the threshold."""
    from sklearn.metrics import roc_auc_score

    divisor, bias = platt(rows.raw, rows.labels, rows.weights)
    if fit.calibration == "temperature":
        divisor, bias = temperature(rows.raw, rows.labels, rows.weights), 0.0
    logits = rows.raw / divisor + bias
    if fit.calibration == "isotonic":
        at, to = isotonic(logits, rows.labels, rows.weights)
        arrays |= {"calibration.at": at, "calibration.to": to}
        logits = monotone(logits, at, to)
    p = sigmoid(logits)
    update = {
        "calibration": fit.calibration,
        "temperature": divisor,
        "bias": bias,
        "threshold": best_threshold(p, rows.labels, rows.weights),
    }
    calibrated = FusionHead(HeadConfig.model_validate(config.model_dump() | update), arrays)
    q = np.clip(p, 1e-7, 1 - 1e-7)
    loss = -np.average(np.where(rows.labels == 1, np.log(q), np.log(1 - q)), weights=rows.weights)
    auc = roc_auc_score(rows.labels, rows.raw, sample_weight=rows.weights)
    return FitReport(calibrated, float(auc), float(loss))


def standardiser(features: FloatArray) -> tuple[Floats, Floats]:
    """Return centre (median) and spread (a robust standard deviation) of each feature."""
    low, center, high = np.quantile(features, (0.16, 0.5, 0.84), axis=0)
    spread = np.maximum((high - low) / 2, 1e-3 * (np.abs(center) + 1e-3))
    return center.astype(np.float64), spread.astype(np.float64)


def bad_names(features: FloatArray, spec: FeatureSpec) -> list[str]:
    """Return the names of the features that are not finite somewhere, at most five."""
    bad = np.flatnonzero(~np.isfinite(features).all(0))
    return [spec.names[number] for number in bad[:5]]
