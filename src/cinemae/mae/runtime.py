"""Running a frozen MAE on views: uint8 in, levels and features out, as NumPy arrays.

Everything here is float32 NumPy and the same for all runtimes: cutting views into patches, bringing
predictions back to levels, pooling the encoder's features. A runtime only computes the network.
A view never shares a matrix product with another image's, so its numbers can't depend on the batch
it came in, to the last bit.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cinemae.likelihood.conditional import FloatArray, PassPredictions
from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.frozen import FrozenMAE
from cinemae.verdict import Precision

HALF_RANGE = np.float32(127.5)
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class ViewOutput:
    """What an MAE says of one view.

    Attributes:
        passes: Predictions of the masked passes; only those of hidden sub-pixels mean anything. None without masks.
        encoder: Named pooled features of the frozen encoder, each a vector.
    """

    passes: PassPredictions | None
    encoder: dict[str, FloatArray]


@dataclass(frozen=True)
class VitOutput:
    """What a ViT's network gives for one view.

    Attributes:
        hidden: Predictions of the hidden patches, (passes, hidden, outputs); None without masks.
        tokens: Of the full pass, the outputs of the named blocks and the normed last one,
            each (1 + patches, width).
    """

    hidden: FloatArray | None
    tokens: list[FloatArray]


@dataclass(frozen=True)
class ConvOutput:
    """What a convolutional network gives for one view.

    Attributes:
        mean: (passes, 3, height, width), in units of the [-1, 1] range, given the earlier colours.
        log_scale: Of the same shape.
        moments: Of the stem and each encoder block, a channel's mean and mean square, each (width,).
    """

    mean: FloatArray
    log_scale: FloatArray
    moments: list[tuple[FloatArray, FloatArray]]


class Runtime(ABC):
    """One frozen MAE, ready to run.

    Attributes:
        mae: Configuration and weights.
        precision: Type of the network's arithmetic; what leaves it is float32.
        device: Where it runs.
    """

    def __init__(self, mae: FrozenMAE, precision: Precision, device: str) -> None:
        self.mae, self.precision, self.device = mae, precision, device

    @abstractmethod
    def _vit(self, patches: FloatArray, hidden: BoolArray, layers: tuple[int, ...], alone: bool) -> VitOutput:
        """Run a ViT on normalised patches (patches, outputs) under masks (passes, patches)."""

    @abstractmethod
    def _conv(self, image: FloatArray, hidden: BoolArray, alone: bool) -> ConvOutput:
        """Run a convolutional net on (3, height, width) in [-1, 1] under masks (passes, height, width)."""

    def view(
        self, view: NDArray[np.uint8], hidden: BoolArray, layers: tuple[int, ...] = (), *, alone: bool = False
    ) -> ViewOutput:
        """Run all masked passes, and for a ViT the full pass, over one view.

        Args:
            view: (height, width, 3) pixels.
            hidden: (passes, rows, columns) masks over the MAE's patches; no passes for a ViT's features alone.
            layers: Middle encoder blocks whose features are wanted, counted from 1.
            alone: Whether no other image is scored meanwhile; changes the speed, no number.

        Raises:
            ValueError: If the view or the masks do not fit the MAE.
        """
        if isinstance(self.mae.config, ViTMAEConfig):
            return self._view_vit(self.mae.config, view, hidden, layers, alone)
        return self._view_conv(view, hidden, alone)

    def _view_vit(
        self, config: ViTMAEConfig, view: NDArray[np.uint8], hidden: BoolArray, layers: tuple[int, ...], alone: bool
    ) -> ViewOutput:
        side = config.image_size
        if view.shape[:2] != (side, side) or hidden.shape[1:] != config.grid:
            raise ValueError(
                f"view {view.shape[:2]} with masks {hidden.shape[1:]} for an MAE of"
                f" {side}x{side} pixels and {config.grid} patches"
            )
        if layers and not 1 <= min(layers) <= max(layers) <= config.depth:
            raise ValueError(f"this MAE has {config.depth} blocks, layers {layers} are asked for")
        flat = hidden.reshape(len(hidden), config.grid[0] * config.grid[1])
        if len(set(flat.sum(1))) > 1:
            raise ValueError("all masks of one call must hide the same number of patches")
        patches = patchify((view.astype(np.float32) - self._mean) / self._std, config.patch_size)
        out = self._vit(patches, flat, layers, alone)
        passes = None if out.hidden is None else self._to_levels(config, out.hidden, patches, flat)
        encoder: dict[str, FloatArray] = {}
        for name, tokens in zip((*map(str, layers), "last"), out.tokens, strict=True):
            encoder |= {f"{name}.cls": tokens[0], f"{name}.mean": tokens[1:].mean(0), f"{name}.std": tokens[1:].std(0)}
        return ViewOutput(passes, encoder)

    def _to_levels(
        self, config: ViTMAEConfig, predicted: FloatArray, patches: FloatArray, hidden: BoolArray
    ) -> PassPredictions:
        """Bring predictions of hidden patches back to pixels: (passes, height, width, 3)."""
        scale = None
        pixels = patches.shape[1]
        if config.output == "logistic":
            scale = np.exp(predicted[..., pixels:])
            predicted = predicted[..., :pixels]
        if config.target == "patch_norm":
            # Back to pixels with the true patch's moments: what is scored is its pattern, given
            # its mean and contrast.
            spread = np.sqrt(patches.var(-1, ddof=1, keepdims=True) + np.float32(1e-6))
            middle = patches.mean(-1, keepdims=True)
            place = np.nonzero(hidden)[1].reshape(len(hidden), -1)
            predicted = predicted * spread[place] + middle[place]

        def unfold(values: FloatArray, std: FloatArray, mean: FloatArray | float) -> FloatArray:
            full = np.zeros((*hidden.shape, pixels), dtype=np.float32)
            colours = values.reshape(*values.shape[:-1], -1, 3) * std + mean
            full[hidden] = colours.reshape(-1, pixels)
            return unpatchify(full, config.patch_size, config.grid)

        mean = unfold(predicted, self._std, self._mean)
        return PassPredictions(mean, None if scale is None else unfold(scale, self._std, 0.0))

    def _view_conv(self, view: NDArray[np.uint8], hidden: BoolArray, alone: bool) -> ViewOutput:
        if view.shape[0] % 2 or view.shape[1] % 2 or hidden.shape[1:] != view.shape[:2]:
            raise ValueError(f"view {view.shape[:2]} with masks {hidden.shape[1:]}: need equal, even sides")
        if not len(hidden):
            raise ValueError("a convolutional MAE has masked passes only: no masks are given")
        image = np.ascontiguousarray((view.astype(np.float32) / HALF_RANGE - 1).transpose(2, 0, 1))
        out = self._conv(image, hidden, alone)
        encoder: dict[str, FloatArray] = {}
        for number, (mean, square) in enumerate(out.moments):
            spread = np.sqrt(np.maximum(square - mean**2, 0))
            encoder |= {f"{number}.mean": mean, f"{number}.std": spread}
        levels = ((out.mean + 1) * HALF_RANGE).transpose(0, 2, 3, 1)
        scale = (np.exp(out.log_scale) * HALF_RANGE).transpose(0, 2, 3, 1)
        return ViewOutput(PassPredictions(np.ascontiguousarray(levels), np.ascontiguousarray(scale)), encoder)

    @cached_property
    def _mean(self) -> FloatArray:
        return self._colours("pixel_mean")

    @cached_property
    def _std(self) -> FloatArray:
        return self._colours("pixel_std")

    def _colours(self, field: str) -> FloatArray:
        return np.asarray(getattr(self.mae.config, field), dtype=np.float32) * np.float32(255)


def patchify(image: FloatArray, size: int) -> FloatArray:
    """Cut (height, width, 3) into flat patches (patches, size * size * 3), in row order.

    Inside a patch rows, columns, then colours.
    """
    rows, columns = image.shape[0] // size, image.shape[1] // size
    cut = image.reshape(rows, size, columns, size, 3)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3, 4)).reshape(rows * columns, -1)


def unpatchify(patches: FloatArray, size: int, grid: tuple[int, int]) -> FloatArray:
    """Put (passes, patches, size * size * 3) together as (passes, height, width, 3)."""
    cut = patches.reshape(-1, *grid, size, size, 3)
    return np.ascontiguousarray(cut.transpose(0, 1, 3, 2, 4, 5)).reshape(-1, grid[0] * size, grid[1] * size, 3)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
