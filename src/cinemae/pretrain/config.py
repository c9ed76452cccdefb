"""Settings of a pre-training run, saved beside its checkpoints."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TileConfig(BaseModel):
    """How training tiles are cut from photographs.

    A tile is either native (a crop, no resampling) or scaled (the photograph is first resampled
    so that the tile covers a drawn share of its short side).

    Attributes:
        size: Side of a tile in pixels; training crops at random inside it.
        count: Number of tiles in the pack.
        native: Share of native tiles.
        cover: Range of the share of the short side that a scaled tile covers.
        jpeg: Share of tiles that are re-encoded as JPEG, quality drawn from ``jpeg_quality``.
        jpeg_quality: Range of that quality.
        balance: A folder with n photographs gives tiles in proportion to n ** balance; 1 treats
            photographs alike, 0 folders alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=16)
    count: int = Field(ge=1)
    native: float = Field(ge=0, le=1)
    cover: tuple[float, float] = (0.3, 1.0)
    jpeg: float = Field(default=0.0, ge=0, le=1)
    jpeg_quality: tuple[int, int] = (60, 98)
    balance: float = Field(default=0.5, ge=0, le=1)


class PretrainConfig(BaseModel):
    """One pre-training run.

    Attributes:
        architecture: A name of ``cinemae.mae.config.ARCHITECTURES``.
        encoder: Backbone whose encoder is taken as it is and stays frozen (:func:`cinemae.mae.load.load_backbone`);
            None trains encoder and decoder.
        tiles: The training tiles.
        crop: Side of the training crop in pixels; for a ViT its image size.
        batch: Crops a step.
        groups: Groups of the mask partition (ViT: one group stays visible) or phases of the
            lattice (conv: one phase is hidden).
        steps: Length of the cosine schedule in steps, if ``minutes`` is None.
        minutes: Length of the schedule in minutes of training time, summed over resumed runs.
        peak_rate: Highest learning rate of AdamW; ``warmup`` is the share of the schedule before it.
        weight_decay: Of AdamW, on matrices and kernels only.
        ema: Decay of the averaged weights that are saved as the model.
        precision: ``bf16``: a bfloat16 copy computes, float32 master weights are updated;
            ``f32``: float32 throughout.
        save_minutes: Time between checkpoints.
        validation: Share of the tiles kept out for the validation loss.
        seed: Seed of tiles, weights, order, crops and masks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    encoder: str | None = None
    tiles: TileConfig
    crop: int = Field(ge=8)
    batch: int = Field(default=64, ge=1)
    groups: int = Field(default=4, ge=2)
    steps: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    peak_rate: float = Field(default=1e-3, gt=0)
    warmup: float = Field(default=0.03, ge=0, lt=1)
    weight_decay: float = Field(default=0.05, ge=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    precision: Literal["bf16", "f32"] = "bf16"
    save_minutes: float = Field(default=3.0, gt=0)
    validation: float = Field(default=0.02, gt=0, lt=1)
    seed: int = 0


PRESETS: dict[str, PretrainConfig] = {
    "vit-base": PretrainConfig(
        architecture="clip-vit-base-mae",
        encoder="cinemae/vit-base",
        tiles=TileConfig(size=240, count=32_000, native=0.5, cover=(0.55, 1.0), jpeg=0.3),
        crop=224,
        batch=32,
        minutes=60,
        save_minutes=10,
    ),
    "vit-tiny": PretrainConfig(
        architecture="vit-tiny",
        tiles=TileConfig(size=240, count=32_000, native=0.15, cover=(0.55, 1.0)),
        crop=224,
        minutes=60,
    ),
    "conv-fine": PretrainConfig(
        architecture="conv-fine",
        tiles=TileConfig(size=96, count=64_000, native=0.5, cover=(0.15, 0.8), jpeg=0.3),
        crop=64,
        groups=2,
        minutes=60,
        weight_decay=0.0,
    ),
}
"""What trained the MAEs that the package ships; of ``vit-base`` the decoder."""
