"""Settings of a fit: the head's branches, and what they share."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cinemae.features.spec import Group

CalibrationKind = Literal["temperature", "platt", "isotonic"]


class BranchConfig(BaseModel):
    """One branch of the head: what it reads, how large it is, how much it counts.

    Attributes:
        groups: Feature groups it reads.
        scales: Scales whose features it reads; None for all.
        share: Its weight in the mean of log-odds, relative to the other branches'.
        hidden: Hidden units.
        dropout: Probability of dropping an input feature in training.
        noise: Spread of the Gaussian noise on standardised features in training.
        decay: Weight decay of AdamW.
        epochs: Upper limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[Group, ...] = Field(min_length=1)
    scales: tuple[str, ...] | None = None
    share: float = Field(default=1.0, gt=0)
    hidden: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    noise: float = Field(default=0.5, ge=0)
    decay: float = Field(default=1.0, ge=0)
    epochs: int = Field(default=10, ge=1)


def default_branches() -> dict[str, BranchConfig]:
    """Return the branches of the shipped head.

    Reconstruction errors are few and of one kind: they may be fitted longer and freer than the many
    statistics and features, which would otherwise learn the training set's content, and count most.
    """
    return {
        "error": BranchConfig(groups=("error",), share=3.0, dropout=0.3, noise=0.3, decay=0.1, epochs=15),
        "local": BranchConfig(groups=("likelihood", "residual"), decay=100.0, epochs=10),
        "global": BranchConfig(groups=("global",), decay=20.0, epochs=8),
    }


class DistanceConfig(BaseModel):
    """A branch that measures how far an image is from real ones (:mod:`cinemae.fusion.distance`).

    Attributes:
        groups: Feature groups it reads.
        scales: Scales whose features it reads; None for all.
        only: Part that a feature's name must have within its group; "" for none.
        components: Principal axes of the real images that distances are taken along.
        zoom_axes: Directions left out before: those in which the same photograph at several scales moves most.
            None is left out where training has no photograph that is large enough for that.
        relative: Whether the distance from pseudo-fakes is taken off, or from the AI images where training
            has no pseudo-fakes.
        share: Its weight, in spreads of real images, beside the log-odds of the other branches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[Group, ...] = Field(min_length=1)
    scales: tuple[str, ...] | None = None
    only: str = ""
    components: int = Field(default=15, ge=1)
    zoom_axes: int = Field(default=0, ge=0)
    relative: bool = False
    share: float = Field(default=1.0, gt=0)


def default_distances() -> dict[str, DistanceConfig]:
    """Return the distances of the shipped head.

    ``unusual`` and ``contrast`` read the spread of encoder features within the image, which says less of what is
    shown than their means do; ``semantic-contrast`` reads all features of the resized view. What scale alone changes
    is left out where that was found to help.
    """
    return {
        "unusual": DistanceConfig(groups=("global",), only=".std.", zoom_axes=2, share=3.0),
        "contrast": DistanceConfig(groups=("global",), only=".std.", components=12, relative=True, share=2.0),
        "semantic-contrast": DistanceConfig(
            groups=("global",), scales=("semantic",), components=10, zoom_axes=2, relative=True, share=2.0
        ),
    }


class FitConfig(BaseModel):
    """One fit of the head.

    Attributes:
        branches: The branches by name. Each is fitted and calibrated by itself, so that none keeps
            another from learning; their log-odds are averaged by their shares.
        distances: Branches that measure distances, by name; they join that average.
        members: Averaged networks of each branch, each with its own start, order and dropout.
        patience: Epochs without a better held-out loss that stop a member.
        batch: Rows a step.
        rate: Learning rate of AdamW.
        pseudo_share: Share of the AI class's weight that pseudo-fakes carry.
        balance: A source with n images of a class weighs n ** balance within that class.
        held_out: Share of the images held out of training, by source.
        conformal_share: Share of the held-out images, by source again, that the verdicts are calibrated on
            and that serve for nothing else. The others are the validation part: early stopping,
            calibration, threshold.
        calibration: What makes log-odds of the logits: a ``temperature``, ``platt`` (temperature and bias),
            or ``isotonic`` (any monotone function, after Platt's).
        alpha: Error rate of the verdicts: of each class, the share of images like those of calibration
            whose verdict may be the other class.
        clip: Standardised features are clipped to this many spreads.
        seed: Seed of the split and the members.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    branches: dict[str, BranchConfig] = Field(default_factory=default_branches)
    distances: dict[str, DistanceConfig] = Field(default_factory=default_distances)
    members: int = Field(default=5, ge=1)
    patience: int = Field(default=8, ge=1)
    batch: int = Field(default=256, ge=2)
    rate: float = Field(default=1e-3, gt=0)
    pseudo_share: float = Field(default=0.8, ge=0, le=1)
    balance: float = Field(default=0.5, ge=0, le=1)
    held_out: float = Field(default=0.2, gt=0, lt=1)
    conformal_share: float = Field(default=0.5, gt=0, lt=1)
    calibration: CalibrationKind = "platt"
    alpha: float = Field(default=0.1, gt=0, lt=1)
    clip: float = Field(default=4.0, gt=0)
    seed: int = 0

    @model_validator(mode="after")
    def _has_branches(self) -> Self:
        if not self.parts:
            raise ValueError("a head needs at least one branch or distance")
        if both := self.branches.keys() & self.distances.keys():
            raise ValueError(f"names of both a branch and a distance: {', '.join(sorted(both))}")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of all branches, distances last."""
        return (*self.branches, *self.distances)

    @property
    def total_share(self) -> float:
        """What the shares add up to."""
        shares = [branch.share for branch in self.branches.values()]
        return sum(shares + [distance.share for distance in self.distances.values()])
