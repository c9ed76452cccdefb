"""The feature specification: what is measured, on which views, in which order."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cinemae.likelihood.distributions import Family
from cinemae.masks import PartitionMasks, SchemeConfig

SPEC_VERSION = 3
Group = Literal["likelihood", "error", "residual", "global"]
Pool = Literal["cls", "mean", "std"]


class SpecMismatchError(ValueError):
    """A head was given features other than those it was trained on."""


class ScaleSpec(BaseModel):
    """One scale: an encoder or MAE, its views and its masks.

    Attributes:
        view: ``resized``: short side to ``resize``, centre crop of the MAE's image size;
            ``native``: ``crops`` crops of ``size`` pixels without resampling, on a fixed grid.
        reduce: Whole factor by which the image is reduced (box filter) before native crops are cut;
            1 leaves it at its own resolution.
        size: Side of a view in pixels.
        resize: Short side before the centre crop, for ``resized``.
        crops: Number of native crops; features are averaged over them.
        enlarge: Whether an image with a side shorter than a native crop is enlarged for it; else the crop is what there
            is. A ViT takes crops of one size only.
        patch: Side in pixels of the patches whose statistics are taken.
        masks: The mask scheme; None for the encoder's features alone, without a likelihood.
        layers: Encoder blocks (from 1, rising) whose pooled features are taken; ViT only. None are the normed last
            ones.
        pools: What is taken of a block's tokens: the class token, the mean of the patches' tokens, their spread.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: Literal["resized", "native"]
    size: int = Field(ge=16)
    resize: int = Field(default=256, ge=16)
    reduce: int = Field(default=1, ge=1, le=8)
    crops: int = Field(default=1, ge=1)
    enlarge: bool = False
    patch: int = Field(ge=1)
    masks: SchemeConfig | None = None
    layers: tuple[int, ...] = ()
    pools: tuple[Pool, ...] = Field(default=("cls", "mean", "std"), min_length=1)

    @field_validator("layers")
    @classmethod
    def _rising(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        # The encoder gives its blocks' outputs in their own order: names in another would lie.
        if list(layers) != sorted({*layers} - {0}):
            raise ValueError(f"layers must be rising numbers from 1 on, got {layers}")
        return layers


class FeatureSpec(BaseModel):
    """Everything that fixes a feature vector; travels with each head.

    Attributes:
        version: Of the code's feature definitions; raised whenever a feature changes its meaning.
        scales: The scales by name.
        family: Distribution under which the NLL is taken.
        names: Names of the features in order: ``scale.group.statistic``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = SPEC_VERSION
    scales: dict[str, ScaleSpec]
    family: Family = "logistic"
    names: tuple[str, ...] = ()

    def require(self, other: FeatureSpec) -> None:
        """Check that ``other`` describes the same features.

        Raises:
            SpecMismatchError: If not; the message says what differs first.
        """
        for field in ("version", "family", "scales"):
            if getattr(self, field) != getattr(other, field):
                mine, theirs = getattr(self, field), getattr(other, field)
                raise SpecMismatchError(f"the head was trained with {field} = {mine}, the features have {theirs}")
        if self.names != other.names:
            pairs = zip(self.names, other.names, strict=False)
            place = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(self.names), len(other.names)))
            raise SpecMismatchError(
                f"the head was trained on {len(self.names)} features, given are {len(other.names)};"
                f" they differ from number {place} on"
            )

    def select(self, scales: tuple[str, ...], groups: tuple[Group, ...], only: str = "") -> list[int]:
        """Return the positions of the features of these scales and groups, with ``only`` in what follows them."""
        wanted = tuple(f"{scale}.{group}." for scale in scales for group in groups)
        return [
            number
            for number, name in enumerate(self.names)
            if name.startswith(wanted) and only in f".{name.split('.', 2)[2]}."
        ]


TOKEN_LAYERS = (4, 6, 8, 10, 12)


def default_scales() -> dict[str, ScaleSpec]:
    """Return the scales of the shipped detector.

    ``semantic`` has the likelihood, of a small MAE; ``resized`` and ``native`` have the class tokens of several blocks
    of a large encoder, of the whole picture made small and of its middle as it is.
    """
    tokens = ScaleSpec(view="resized", size=224, resize=224, patch=16, layers=TOKEN_LAYERS, pools=("cls",))
    return {
        "semantic": ScaleSpec(view="resized", size=224, patch=16, masks=PartitionMasks(groups=4), pools=("cls",)),
        "resized": tokens,
        "native": tokens.model_copy(update={"view": "native", "enlarge": True}),
    }


DEFAULT_BACKBONES = {"semantic": "cinemae/vit-tiny", "resized": "cinemae/vit-base", "native": "cinemae/vit-base"}
"""The shipped MAE or encoder of each of these scales."""
