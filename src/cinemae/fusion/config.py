"""Settings of a training run: what is measured, and how the head's parts are fitted."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cinemae.alignment import AugmentConfig, WindowConfig
from cinemae.features.spec import DEFAULT_BACKBONES, Group, ScaleSpec, default_scales
from cinemae.likelihood.distributions import Family
from cinemae.mae.select import PrecisionChoice


class PartConfig(BaseModel):
    """One part of the head: a line on some of the features.

    Attributes:
        groups: Feature groups it reads.
        scales: Scales whose features it reads; None for all that have such features.
        axes: Number of whitened principal axes that it reads the features along; 0 reads the standardised features
            themselves.
        strength: Inverse of the ridge penalty on the line (scikit-learn's ``C``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[Group, ...] = Field(min_length=1)
    scales: tuple[str, ...] | None = Field(default=None, min_length=1)
    axes: int = Field(default=0, ge=0)
    strength: float = Field(default=0.003, gt=0)


def default_parts() -> dict[str, PartConfig]:
    """Return the parts of the shipped head."""
    return {
        "tokens": PartConfig(groups=("global",), scales=("resized", "native"), axes=400, strength=0.003),
        "likelihood": PartConfig(groups=("likelihood", "error", "residual"), scales=("semantic",), axes=60),
    }


class FitConfig(BaseModel):
    """One fit of the head.

    Attributes:
        parts: The parts by name; their logits are added, each with a weight that is fitted on logits of images
            that the part had not seen.
        folds: Number of folds of the cross-fit that calibration, threshold and verdicts stand on. No family of
            generators and no source of real images is in two folds.
        balance: Among real images a source with n of them weighs n ** balance, among AI-generated ones a family.
        false_alarms: Share of real images of sources that the fit had not seen that the stored threshold may call
            AI-generated.
        alpha: Error rate of the verdicts: of each class, the share of images like those of calibration
            whose verdict may be the other class.
        clip: Standardised features are clipped to this many spreads.
        seed: Seed of folds and axes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: dict[str, PartConfig] = Field(default_factory=default_parts, min_length=1)
    folds: int = Field(default=5, ge=2)
    balance: float = Field(default=0.5, ge=0, le=1)
    false_alarms: float = Field(default=0.08, gt=0, lt=1)
    alpha: float = Field(default=0.1, gt=0, lt=1)
    clip: float = Field(default=5.0, gt=0)
    seed: int = 0


class TrainConfig(BaseModel):
    """Everything that a training run depends on, beside the data.

    Attributes:
        scales: The feature scales.
        family: Distribution under which the NLL is taken.
        backbones: Where each scale's encoder or MAE is loaded from.
        augment: The augmentation, the same for both classes.
        window: Which part of a large image is used.
        augmentations: Variants of each image.
        photos_limit: Number of extra photographs.
        families: Generators by the family that they belong to; a generator in none is its own family.
        fit: The fit.
        precision: Arithmetic of the networks.
        device: Where they run.
        licence: Licence of the head.
        seed: Seed of augmentation, choice of photographs, folds and fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scales: dict[str, ScaleSpec] = Field(default_factory=default_scales)
    family: Family = "logistic"
    backbones: dict[str, str] = DEFAULT_BACKBONES
    augment: AugmentConfig = AugmentConfig()
    window: WindowConfig = WindowConfig()
    augmentations: int = Field(default=1, ge=1)
    photos_limit: int = Field(default=3000, ge=0)
    families: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    fit: FitConfig = FitConfig()
    precision: PrecisionChoice = "auto"
    device: str | None = None
    licence: str = "unknown"
    seed: int = 0

    @model_validator(mode="after")
    def _parts_read_scales(self) -> Self:
        for name, part in self.fit.parts.items():
            if missing := set(part.scales or ()) - self.scales.keys():
                raise ValueError(f"fit.parts.{name} reads the scale {sorted(missing)[0]}; there is no such scale")
        return self


def part_config(fit: FitConfig, part: str) -> FitConfig:
    """Return the settings that fit one part alone, or all of them.

    Raises:
        ValueError: If there is no part of that name.
    """
    if part == "fused":
        return fit
    if part not in fit.parts:
        raise ValueError(f"no part named {part}; the configuration has {', '.join(fit.parts)}")
    return fit.model_copy(update={"parts": {part: fit.parts[part]}})
