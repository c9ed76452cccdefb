"""Settings of a training run: what is measured, and how the head's branches are fitted."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cinemae.alignment import AugmentConfig, PseudoConfig, WindowConfig, ZoomConfig
from cinemae.features.spec import DEFAULT_BACKBONES, Group, ScaleSpec, default_scales
from cinemae.fusion.curve import CalibrationKind
from cinemae.likelihood.distributions import Family
from cinemae.mae.select import PrecisionChoice


class PartConfig(BaseModel):
    """What a part of the head reads, and how much it counts.

    Attributes:
        groups: Feature groups it reads.
        scales: Scales whose features it reads; None for all, () for none.
        differences: Differences between scales that it reads beside (:mod:`cinemae.fusion.differences`).
        share: Its weight, relative to the other parts'.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[Group, ...] = Field(min_length=1)
    scales: tuple[str, ...] | None = None
    differences: tuple[str, ...] = ()
    share: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if self.scales == () and not self.differences:
            raise ValueError("reads neither a scale nor a difference")
        return self


class BranchConfig(PartConfig):
    """One branch of the head; its share is its weight in the mean of log-odds.

    Attributes:
        hidden: Hidden units.
        dropout: Probability of dropping an input feature in training.
        noise: Spread of the Gaussian noise on standardised features in training.
        decay: Weight decay of AdamW.
        epochs: Upper limit.
    """

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
        "error": BranchConfig(
            groups=("error",), differences=("octave",), share=3.0, dropout=0.3, noise=0.3, decay=0.1, epochs=15
        ),
        "local": BranchConfig(groups=("likelihood", "residual"), share=2.0, decay=100.0, epochs=10),
        "global": BranchConfig(groups=("global",), decay=20.0, epochs=8),
    }


class DistanceConfig(PartConfig):
    """A part that measures how far an image is from real ones (:mod:`cinemae.fusion.distance`).

    Its share is its weight, in spreads of real images, beside the log-odds of the branches.

    Attributes:
        only: Part that a feature's name must have within its group; "" for none.
        components: Principal axes of the real images that distances are taken along.
        zoom_axes: Directions left out before: those in which the same photograph at several scales moves most.
            None is left out where training has no photograph that is large enough for that.
        relative: Whether the distance from pseudo-fakes is taken off, or from the AI images where training
            has no pseudo-fakes.
    """

    only: str = ""
    components: int = Field(default=15, ge=1)
    zoom_axes: int = Field(default=0, ge=0)
    relative: bool = False


def default_distances() -> dict[str, DistanceConfig]:
    """Return the distances of the shipped head.

    ``unusual`` and ``contrast`` read the spread of encoder features within the image, which says less of what is
    shown than their means do; ``semantic-contrast`` reads all features of the resized view; the last two read what
    changes from one octave to the next, in encoder features and in reconstruction errors. What scale alone changes is
    left out where that was found to help.
    """
    return {
        "unusual": DistanceConfig(groups=("global",), only=".std.", zoom_axes=2, share=3.0),
        "contrast": DistanceConfig(groups=("global",), only=".std.", components=12, relative=True, share=2.0),
        "semantic-contrast": DistanceConfig(
            groups=("global",), scales=("semantic",), components=10, zoom_axes=2, relative=True, share=3.0
        ),
        "octave-unusual": DistanceConfig(
            groups=("global",), scales=(), differences=("octave",), components=5, zoom_axes=2, share=2.0
        ),
        "octave-contrast": DistanceConfig(
            groups=("error",), scales=(), differences=("octave",), components=10, zoom_axes=2, relative=True, share=1.0
        ),
    }


def default_differences() -> dict[str, tuple[str, str]]:
    """Return the differences between scales that the shipped head knows."""
    return {"octave": ("fine", "half")}


class FitConfig(BaseModel):
    """One fit of the head.

    Attributes:
        branches: The branches by name. Each is fitted and calibrated by itself, so that none keeps
            another from learning; their log-odds are averaged by their shares.
        distances: Branches that measure distances, by name; they join that average.
        differences: Differences between scales, by name: the second scale's features taken from the first's.
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
    differences: dict[str, tuple[str, str]] = Field(default_factory=default_differences)
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
        for name, part in (self.branches | self.distances).items():
            if unknown := set(part.differences) - self.differences.keys():
                raise ValueError(f"{name} reads the difference {sorted(unknown)[0]}; there is no such difference")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of all branches, distances last."""
        return (*self.branches, *self.distances)

    @property
    def used_differences(self) -> dict[str, tuple[str, str]]:
        """The differences that some part reads: a head of one scale needs no other."""
        read = {name for part in (self.branches | self.distances).values() for name in part.differences}
        return {name: scales for name, scales in self.differences.items() if name in read}

    @property
    def total_share(self) -> float:
        """What the shares add up to."""
        return sum(part.share for part in (self.branches | self.distances).values())


class TrainConfig(BaseModel):
    """Everything that a training run depends on, beside the data.

    Attributes:
        scales: The feature scales.
        family: Distribution under which the NLL is taken.
        backbones: Where each scale's MAE is loaded from.
        augment: The augmentation, the same for both classes.
        window: Which part of a large image is used.
        pseudo: Distribution of a decoder's traces.
        pseudo_fakes: Whether each real image also gives pseudo-fakes.
        zoom: The scales that some photographs are measured at, for the distances that leave them out.
        zoom_photos: Number of these photographs, drawn from the large ones of the training part.
        augmentations: Variants of each image.
        photos_limit: Number of extra photographs.
        fit: The fit.
        precision: Arithmetic of the MAEs.
        device: Where they run.
        licence: Licence of the head.
        seed: Seed of augmentation, choice of photographs, split and fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scales: dict[str, ScaleSpec] = Field(default_factory=default_scales)
    family: Family = "logistic"
    backbones: dict[str, str] = DEFAULT_BACKBONES
    augment: AugmentConfig = AugmentConfig()
    window: WindowConfig = WindowConfig()
    pseudo: PseudoConfig = PseudoConfig()
    pseudo_fakes: bool = True
    zoom: ZoomConfig = ZoomConfig()
    zoom_photos: int = Field(default=150, ge=0)
    augmentations: int = Field(default=1, ge=1)
    photos_limit: int = Field(default=3000, ge=0)
    fit: FitConfig = FitConfig()
    precision: PrecisionChoice = "auto"
    device: str | None = None
    licence: str = "unknown"
    seed: int = 0

    @model_validator(mode="after")
    def _differences_make_sense(self) -> Self:
        for name, scales in self.fit.used_differences.items():
            if missing := [scale for scale in scales if scale not in self.scales]:
                raise ValueError(f"fit.differences.{name} is of {' and '.join(scales)}; there is no scale {missing[0]}")
            if len({self.backbones.get(scale) for scale in scales}) > 1:
                raise ValueError(f"fit.differences.{name} is of {' and '.join(scales)}, whose MAEs are not the same")
        return self


def part_config(fit: FitConfig, part: str) -> FitConfig:
    """Return the settings that fit one branch alone, or all of them.

    Raises:
        ValueError: If there is no branch of that name.
    """
    if part == "fused":
        return fit
    if part not in fit.parts:
        raise ValueError(f"no branch named {part}; the configuration has {', '.join(fit.parts)}")
    kept = {
        kind: {name: settings for name, settings in getattr(fit, kind).items() if name == part}
        for kind in ("branches", "distances")
    }
    return fit.model_copy(update=kept)
