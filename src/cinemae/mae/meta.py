"""Checkpoints of Meta's own MAE code (facebookresearch/mae): ``.pth`` files with a decoder.

The file holds no configuration. Its shapes give all sizes but the number of heads, which follows
from the width in the three published models. Whether it predicts raw or per-patch normalised
pixels cannot be seen in it at all: ``mae_visualize_vit_*`` predict raw pixels and
``mae_pretrain_vit_*_full`` normalised ones (facebookresearch/mae issues 8 and 12).
"""

from __future__ import annotations

import re
from math import isqrt
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.files import Tensors
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.huggingface import flatten_kernel
from cinemae.mae.pickled import read_pickle
from cinemae.mae.registry import find

_HEADS_BY_WIDTH = {768: 12, 1024: 16, 1280: 16}
_SIZE_BY_WIDTH = {768: "base", 1024: "large", 1280: "huge"}
_DECODER_HEADS = 16
_NORM_EPS = 1e-6


def load_meta(path: Path, *, target: Literal["raw", "patch_norm"] | None = None) -> FrozenMAE:
    """Load a ``.pth`` file of Meta's MAE code.

    Args:
        path: The file, ``{"model": state dict, ...}`` or the state dict itself.
        target: What the decoder predicts; None looks the file's name up in the registry.

    Returns:
        The MAE.

    Raises:
        CheckpointError: If the file is missing, damaged or holds more than data, has no decoder,
            is of an unknown size, or its target is not known.
    """
    state = read_pickle(path)
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise CheckpointError(f"{path}: neither a state dict nor one under 'model'")
    if not all(isinstance(name, str) for name in state):
        raise CheckpointError(f"{path}: not a state dict, its names are no text")
    if "patch_embed.proj.weight" not in state or state["patch_embed.proj.weight"].ndim != 4:
        raise CheckpointError(f"{path}: no MAE of Meta's code, it has no patch_embed.proj.weight of four dimensions")
    width = state["patch_embed.proj.weight"].shape[0]
    if width not in _HEADS_BY_WIDTH:
        raise CheckpointError(f"{path}: width {width} is none of {list(_HEADS_BY_WIDTH)}, so its heads are unknown")
    if "decoder_pred.weight" not in state:
        size = _SIZE_BY_WIDTH[width]
        raise CheckpointError(
            f"{path}: has only the encoder, but hidden patches are predicted by the decoder; files that"
            f" have both are mae_visualize_vit_{size}.pth and mae_pretrain_vit_{size}_full.pth"
        )
    config = _read_config(path, state, target or _known_target(path))
    tensors = {name.replace(".mlp.", "."): tensor for name, tensor in state.items()}
    tensors["patch_embed.weight"] = flatten_kernel(tensors.pop("patch_embed.proj.weight"))
    tensors["patch_embed.bias"] = tensors.pop("patch_embed.proj.bias")
    return FrozenMAE.of(config, tensors, str(path))


def _known_target(path: Path) -> Literal["raw", "patch_norm"]:
    record = find(path.name)
    if record is None or record.target is None:
        raise CheckpointError(
            f"{path}: the file does not say whether it predicts raw or per-patch normalised pixels and its"
            " name is none of Meta's; say target='raw' (mae_visualize_*) or target='patch_norm'"
            " (trained with --norm_pix_loss, as mae_pretrain_*_full)"
        )
    return record.target


def _read_config(path: Path, state: Tensors, target: Literal["raw", "patch_norm"]) -> ViTMAEConfig:
    try:
        width, _, patch_size, _ = state["patch_embed.proj.weight"].shape
        side = isqrt(state["pos_embed"].shape[1] - 1)
        return ViTMAEConfig(
            image_size=side * patch_size,
            patch_size=patch_size,
            width=width,
            depth=_count(state, "blocks"),
            heads=_HEADS_BY_WIDTH[width],
            mlp_width=state["blocks.0.mlp.fc1.weight"].shape[0],
            decoder_width=state["decoder_embed.weight"].shape[0],
            decoder_depth=_count(state, "decoder_blocks"),
            decoder_heads=_DECODER_HEADS,
            decoder_mlp_width=state["decoder_blocks.0.mlp.fc1.weight"].shape[0],
            norm_eps=_NORM_EPS,
            target=target,
        )
    except (KeyError, ValueError, IndexError) as error:
        detail = "its shapes are no MAE" if isinstance(error, ValidationError) else f"missing or malformed: {error}"
        raise CheckpointError(f"{path}: {detail}") from error


def _count(state: Tensors, stack: str) -> int:
    return len({found[1] for name in state if (found := re.match(rf"{stack}\.(\d+)\.", name))})
