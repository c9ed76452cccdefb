"""Training of the fusion head (torch): small MLPs on cached features, early stopped, calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from cinemae.features.spec import LOCAL_GROUPS, FeatureSpec, Group
from cinemae.fusion.calibration import best_threshold, platt, weighted_quantile
from cinemae.fusion.head import BRANCHES, FusionHead, HeadConfig, sigmoid
from cinemae.likelihood.conditional import FloatArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class BranchConfig(BaseModel):
    """What one branch reads and how large it is.

    Attributes:
        scales: Scales whose features it reads.
        groups: Feature groups it reads.
        hidden: Hidden units.
        dropout: Probability of dropping an input feature in training.
        noise: Spread of the Gaussian noise on standardised features in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scales: tuple[str, ...]
    groups: tuple[Group, ...]
    hidden: int = Field(ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    noise: float = Field(default=0.3, ge=0)


class FitConfig(BaseModel):
    """One fit of the head.

    Attributes:
        local: The branch of likelihood statistics.
        global_: The branch of encoder features.
        gate: Weight of the global branch, trained and used alike.
        branch_dropout: Probability of leaving the global branch out of a training step, so that
            the local one learns to stand alone.
        members: Averaged networks, each with its own start, order and dropout.
        epochs: Upper limit; ``patience`` epochs without a better held-out loss stop a member.
        batch: Rows a step.
        rate: Learning rate of AdamW; ``decay`` its weight decay.
        pseudo_share: Share of the AI class's weight that pseudo-fakes carry.
        balance: A source with n images of a class weighs n ** balance within that class.
        held_out: Share of the sources held out for early stopping, calibration and thresholds.
        clip: Standardised features are clipped to this many spreads.
        false_alarms: The abstention band ends where this share of held-out real images lies above
            it, and this share of held-out AI images below.
        seed: Seed of the split and the members.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    local: BranchConfig = BranchConfig(scales=("semantic", "fine", "half"), groups=LOCAL_GROUPS, hidden=32)
    global_: BranchConfig = BranchConfig(scales=("semantic", "fine", "half"), groups=("global",), hidden=8, dropout=0.5)
    gate: float = Field(default=0.3, ge=0)
    branch_dropout: float = Field(default=0.3, ge=0, lt=1)
    members: int = Field(default=5, ge=1)
    epochs: int = Field(default=60, ge=1)
    patience: int = Field(default=8, ge=1)
    batch: int = Field(default=256, ge=2)
    rate: float = Field(default=1e-3, gt=0)
    decay: float = Field(default=1e-2, ge=0)
    pseudo_share: float = Field(default=0.7, ge=0, le=1)
    balance: float = Field(default=0.5, ge=0, le=1)
    held_out: float = Field(default=0.15, gt=0, lt=1)
    clip: float = Field(default=4.0, gt=0)
    false_alarms: float = Field(default=0.1, gt=0, lt=0.5)
    seed: int = 0


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    Attributes:
        head: The head.
        held_out_auc: ROC-AUC of the held-out rows.
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
    held_out: Bools,
    spec: FeatureSpec,
    backbones: dict[str, str],
    backbone_names: dict[str, str],
    config: FitConfig,
) -> FitReport:
    """Fit, calibrate and threshold a head.

    Args:
        features: (images, features).
        labels: 1 = AI-generated, 0 = real.
        weights: Weight of each row, from :func:`row_weights`.
        held_out: Rows for early stopping, calibration and thresholds.
        spec: What the features are.
        backbones: Fingerprint of each scale's MAE.
        backbone_names: Where each can be loaded from.
        config: Settings.

    Raises:
        ValueError: If a part lacks one of the classes or a feature is not finite.
    """
    if not np.isfinite(features).all():
        raise ValueError(f"features that are not finite: {bad_names(features, spec)}")
    for name, rows in (("training", ~held_out), ("held-out", held_out)):
        if len(set(labels[rows].tolist())) < 2:
            raise ValueError(f"the {name} part has images of one class only")
    center, spread = standardiser(features[~held_out])
    z = np.clip((features - center) / spread, -config.clip, config.clip).astype(np.float32)
    index = {
        branch: np.array(spec.select(settings.scales, settings.groups), dtype=np.int64)
        for branch, settings in zip(BRANCHES, (config.local, config.global_), strict=True)
    }
    members = [_fit_member(z, labels, weights, held_out, index, config, number) for number in range(config.members)]
    arrays: dict[str, NDArray[np.generic]] = {"center": center, "spread": spread}
    for branch in BRANCHES:
        states = [member[branch].state_dict() for member in members]
        arrays |= {
            f"{branch}.index": index[branch],
            f"{branch}.in": np.stack([s["into.weight"].numpy().T for s in states]),
            f"{branch}.in_bias": np.stack([s["into.bias"].numpy() for s in states]),
            f"{branch}.out": np.stack([s["out.weight"].numpy()[0] for s in states]),
            f"{branch}.out_bias": np.stack([s["out.bias"].numpy()[0] for s in states]),
        }
    head_config = HeadConfig(
        spec=spec,
        backbones=backbones,
        backbone_names=backbone_names,
        members=config.members,
        hidden={"local": config.local.hidden, "global": config.global_.hidden},
        gate=config.gate,
        clip=config.clip,
    )
    head = FusionHead(head_config, arrays)
    return _finish(head, features[held_out], labels[held_out], weights[held_out], config)


def _fit_member(
    z: FloatArray,
    labels: NDArray[np.int64],
    weights: Floats,
    held_out: Bools,
    index: dict[str, NDArray[np.int64]],
    config: FitConfig,
    number: int,
) -> nn.ModuleDict:
    generator = torch.Generator().manual_seed(1000 * config.seed + number)
    settings = {"local": config.local, "global": config.global_}
    net = nn.ModuleDict({branch: _Branch(len(index[branch]), settings[branch]) for branch in BRANCHES})
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_uniform_(parameter, a=5**0.5, generator=generator)
        else:
            nn.init.zeros_(parameter)
    data = {branch: torch.from_numpy(z[:, index[branch]]) for branch in BRANCHES}
    y, w = torch.from_numpy(labels).float(), torch.from_numpy(weights).float()
    train, test = torch.from_numpy(np.flatnonzero(~held_out)), torch.from_numpy(np.flatnonzero(held_out))
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    best, best_state, waited = float("inf"), net.state_dict(), 0

    def loss(rows: Tensor, random: torch.Generator | None) -> Tensor:
        gate = config.gate
        if random is not None and float(torch.rand((), generator=random)) < config.branch_dropout:
            gate = 0.0
        logit = net["local"](data["local"][rows], random) + gate * net["global"](data["global"][rows], random)
        return F.binary_cross_entropy_with_logits(logit, y[rows], w[rows], reduction="sum") / w[rows].sum()

    for _ in range(config.epochs):
        order = train[torch.randperm(len(train), generator=generator)]
        for rows in order.split(config.batch):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            loss(rows, generator).backward()  # type: ignore[no-untyped-call]
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


def _finish(
    head: FusionHead, features: FloatArray, labels: NDArray[np.int64], weights: Floats, config: FitConfig
) -> FitReport:
    """Calibrate on the held-out rows (Platt: temperature and bias), then set threshold and band."""
    from sklearn.metrics import roc_auc_score

    raw = head.logits(features)
    temperature, bias = platt(raw, labels, weights)
    p = sigmoid(raw / temperature + bias)
    threshold = best_threshold(p, labels, weights)
    low = min(float(weighted_quantile(p[labels == 1], weights[labels == 1], config.false_alarms)), threshold)
    high = max(float(weighted_quantile(p[labels == 0], weights[labels == 0], 1 - config.false_alarms)), threshold)
    update = {"temperature": temperature, "bias": bias, "threshold": threshold, "band": (low, high)}
    calibrated = FusionHead(HeadConfig.model_validate(head.config.model_dump() | update), head.weights)
    q = np.clip(p, 1e-7, 1 - 1e-7)
    loss = -np.average(np.where(labels == 1, np.log(q), np.log(1 - q)), weights=weights)
    auc = roc_auc_score(labels, raw, sample_weight=weights)
    return FitReport(calibrated, float(auc), float(loss))


def row_weights(labels: NDArray[np.int64], sources: NDArray[np.str_], pseudo: Bools, config: FitConfig) -> Floats:
    """Weigh rows: both classes alike; within a class by source; within the AI class pseudo-fakes as asked.

    Args:
        labels: 1 = AI-generated, 0 = real.
        sources: Source of each row; one with n rows counts n ** config.balance.
        pseudo: Rows that are pseudo-fakes.
        config: ``balance`` and ``pseudo_share``.

    Returns:
        Weights with mean 1.
    """
    weights = np.zeros(len(labels))
    share = config.pseudo_share if (pseudo & (labels == 1)).any() else 0.0
    if not (~pseudo & (labels == 1)).any():
        share = 1.0
    for rows, part in ((labels == 0, 0.5), ((labels == 1) & ~pseudo, 0.5 * (1 - share)), (pseudo, 0.5 * share)):
        _, inverse, counts = np.unique(sources[rows], return_inverse=True, return_counts=True)
        raw = counts[inverse].astype(np.float64) ** (config.balance - 1) if rows.any() else np.zeros(0)
        weights[rows] = raw / max(raw.sum(), 1e-12) * part * len(labels)
    return weights


def standardiser(features: FloatArray) -> tuple[Floats, Floats]:
    """Return centre (median) and spread (a robust standard deviation) of each feature."""
    low, center, high = np.quantile(features, (0.16, 0.5, 0.84), axis=0)
    spread = np.maximum((high - low) / 2, 1e-3 * (np.abs(center) + 1e-3))
    return center.astype(np.float64), spread.astype(np.float64)


def bad_names(features: FloatArray, spec: FeatureSpec) -> list[str]:
    """Return the names of the features that are not finite somewhere, at most five."""
    bad = np.flatnonzero(~np.isfinite(features).all(0))
    return [spec.names[number] for number in bad[:5]]
