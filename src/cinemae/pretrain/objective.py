"""What a training step sees and what it minimises."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinemae.likelihood.loss import logistic_nll
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.conv import condition_on_colour
from cinemae.mae.modules import Module
from cinemae.mae.vit import ViTMAE, patchify
from cinemae.masks import LatticeMasks
from cinemae.pretrain.config import PretrainConfig

HALF_RANGE = 127.5  # levels in one unit of the [-1, 1] range


def draw_batch(
    tiles: NDArray[np.uint8], config: PretrainConfig, shape: ViTMAEConfig | ConvMAEConfig, step: int
) -> tuple[Tensor, Tensor]:
    """Draw the crops and masks of one step; the same step always gives the same ones.

    Returns:
        Levels (batch, 3, crop, crop) as uint8, and the hidden patches: (batch, patches) for a
        ViT, (batch, 1, crop, crop) for a convolutional MAE.
    """
    rng = np.random.default_rng([config.seed, 3, step % 2**63])
    room = tiles.shape[1] - config.crop
    crops = np.empty((config.batch, config.crop, config.crop, 3), dtype=np.uint8)
    for number in range(config.batch):
        top, left = rng.integers(0, room, 2, endpoint=True)
        crop = tiles[rng.integers(len(tiles)), top : top + config.crop, left : left + config.crop]
        crops[number] = crop[:, ::-1] if rng.random() < 0.5 else crop
    if isinstance(shape, ViTMAEConfig):
        patches = shape.grid[0] * shape.grid[1]
        rank = rng.random((config.batch, patches)).argsort(1)
        hidden = rank >= patches // config.groups
    else:
        phases = LatticeMasks.model_validate({"phases": config.groups}).hidden((config.crop, config.crop))
        hidden = phases[rng.integers(0, len(phases), config.batch)][:, None]
    return torch.from_numpy(crops).permute(0, 3, 1, 2), torch.from_numpy(hidden)


def masked_nll(mae: Module, levels: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean NLL of hidden sub-pixels in nats."""
    return _vit_nll(mae, levels, hidden) if isinstance(mae, ViTMAE) else _conv_nll(mae, levels, hidden)


def _vit_nll(mae: ViTMAE, levels: Tensor, hidden: Tensor) -> Tensor:
    config = mae.config
    mean = torch.tensor(config.pixel_mean, device=levels.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(config.pixel_std, device=levels.device).view(1, 3, 1, 1) * 255
    images = (levels - mean) / std
    prediction = mae(images.to(mae.cls_token.dtype), hidden)
    # A third of the hidden patches, spread evenly, is enough for the loss and saves its cost.
    index = hidden.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, : int(hidden[0].sum()) : 3]
    index = index[..., None]
    predicted = prediction.gather(1, index.expand(-1, -1, prediction.shape[-1])).float()
    truth = patchify(levels, config.patch_size)
    truth = truth.gather(1, index.expand(-1, -1, truth.shape[-1])).float()
    centre, log_scale = predicted.chunk(2, dim=-1)
    repeat = config.patch_size**2
    mean, std = mean.view(3).repeat(repeat), std.view(3).repeat(repeat)
    return logistic_nll(truth, centre * std + mean, log_scale + torch.log(std)).mean()


def _conv_nll(mae: torch.nn.Module, levels: Tensor, hidden: Tensor) -> Tensor:
    dtype = next(mae.parameters()).dtype
    images = levels.to(torch.float32) / HALF_RANGE - 1
    layout = images.to(dtype).contiguous(memory_format=torch.channels_last)
    mean, log_scale = condition_on_colour(mae(layout, hidden), images)
    cost = logistic_nll(levels.float(), (mean + 1) * HALF_RANGE, log_scale + math.log(HALF_RANGE))
    return cost[hidden.expand_as(cost)].mean()
