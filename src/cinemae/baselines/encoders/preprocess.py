"""An encoder's input, from the checkpoint's own record: size, filter, mean and spread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cinemae.images import resized_view
from cinemae.mae.errors import CheckpointError

Triple = tuple[float, float, float]
TIMM_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


class Preprocess(BaseModel):
    """How pixels become an encoder's input: short side to ``resize``, centre crop, normalisation.

    Never a change of the aspect ratio, also for checkpoints that were trained with one.

    Attributes:
        resize: Short side in pixels before the crop.
        crop: Side of the square input in pixels.
        resample: Pillow's number of the filter.
        mean: Subtracted from levels in 0 to 1, by colour.
        std: Divides what is left.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: int
    crop: int = Field(ge=1)
    resample: Image.Resampling
    mean: Triple
    std: tuple[float, float, float]

    @model_validator(mode="after")
    def _possible(self) -> Preprocess:
        if self.resize < self.crop:
            raise ValueError(f"the short side {self.resize} is smaller than the crop {self.crop}")
        if min(self.std) <= 0:
            raise ValueError(f"spreads must be positive, got {self.std}")
        return self

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the input (3, crop, crop) of an image (height, width, 3)."""
        view = resized_view(pixels, resize=self.resize, crop=self.crop, resample=self.resample)
        mean, std = np.asarray(self.mean, dtype=np.float32), np.asarray(self.std, dtype=np.float32)
        normalised = (view.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def from_transformers(record: Mapping[str, Any], place: Path) -> Preprocess:
    """Read what an image processor of transformers has saved.

    Args:
        record: Its JSON.
        place: Its file, for messages.

    Raises:
        CheckpointError: If something is missing or means what can't be done here.
    """
    size = _side(record.get("size"), place)
    cut = record.get("crop_size") if record.get("do_center_crop", "crop_size" in record) else None
    crop = size if cut is None else _side(cut, place)
    if record.get("do_rescale", True) is not True or abs(float(record.get("rescale_factor", 1 / 255)) * 255 - 1) > 1e-6:
        raise CheckpointError(f"{place}: levels must be scaled by 1/255")
    share = record.get("crop_pct")  # of ConvNeXt, whose processor has it count below 384 pixels only
    resize = int(size / share) if isinstance(share, float) and 0 < share <= 1 and size < 384 else size
    plain = record.get("do_normalize", True) is False
    return _checked(
        {
            "resize": max(resize, crop),
            "crop": crop,
            "resample": record.get("resample"),
            "mean": (0, 0, 0) if plain else record.get("image_mean"),
            "std": (1, 1, 1) if plain else record.get("image_std"),
        },
        place,
    )


def from_timm(record: Mapping[str, Any], place: Path) -> Preprocess:
    """Read the ``pretrained_cfg`` of a timm checkpoint.

    Args:
        record: It.
        place: Its file, for messages.

    Raises:
        CheckpointError: If something is missing or means what can't be done here.
    """
    size = record.get("input_size")
    if not isinstance(size, list) or len(size) != 3 or size[0] != 3 or size[1] != size[2]:
        raise CheckpointError(f"{place}: input_size must be [3, n, n], got {size}")
    share = record.get("crop_pct")
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise CheckpointError(f"{place}: crop_pct must lie in (0, 1], got {share}")
    return _checked(
        {
            "resize": int(size[1] / share),
            "crop": size[1],
            "resample": TIMM_FILTERS.get(str(record.get("interpolation"))),
            "mean": record.get("mean"),
            "std": record.get("std"),
        },
        place,
    )


def _side(size: object, place: Path) -> int:
    """Return the one side that a size means: a number, a short edge, or a square."""
    if isinstance(size, Mapping):
        sides = {size[name] for name in ("shortest_edge", "height", "width") if size.get(name) is not None}
        size = sides.pop() if len(sides) == 1 else dict(size)
    if not isinstance(size, int):
        raise CheckpointError(f"{place}: a size must be a number, a shortest_edge or a square, got {size}")
    return size


def _checked(values: dict[str, object], place: Path) -> Preprocess:
    try:
        return Preprocess.model_validate(values)
    except ValidationError as error:
        raise CheckpointError(f"{place}: does not say how images are prepared: {error}") from error
