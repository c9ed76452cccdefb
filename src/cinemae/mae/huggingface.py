"""ViT-MAE checkpoints in the Hugging Face hub's layout, read without ``transformers``.

Three spellings of the same tensors exist: the published one (``vit.encoder.layer.0.attention.
attention.query``), the module names of transformers 5 (``vit.layers.0.attention.q_proj``), and
what transformers 5 writes when it saves a model it has just built, a mixture of both
(``decoder.decoder_encoder.layer.0...``). All are read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from cinemae.folders import CONFIG_FILE
from cinemae.mae.config import IMAGENET_MEAN, IMAGENET_STD, ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.files import Tensors, read_json, read_safetensors, read_sharded
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.pickled import read_pickle

PREPROCESSOR_FILE = "preprocessor_config.json"
SAFETENSORS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
PICKLE_FILE = "pytorch_model.bin"
_COMPLETE_BY_WIDTH = {
    768: "facebook/vit-mae-base",
    1024: "facebook/vit-mae-large",
    1280: "facebook/vit-mae-huge",
}

_RENAMES = (
    (r"^(?:vit|decoder)\.", ""),
    (r"^(decoder_)?(?:encoder\.layer|layers)\.", r"\1blocks."),
    (r"\.attention\.(?:attention\.query|q_proj)\.", ".attn.q."),
    (r"\.attention\.(?:attention\.key|k_proj)\.", ".attn.k."),
    (r"\.attention\.(?:attention\.value|v_proj)\.", ".attn.v."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.(?:intermediate\.dense|mlp\.fc1)\.", ".fc1."),
    (r"\.(?:output\.dense|mlp\.fc2)\.", ".fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"^layernorm\.", "norm."),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.cls_token$", "cls_token"),
)


def _square(value: Any) -> Any:
    """Accept [side, side] for a side."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 2 and value[0] == value[1] else value


Side = Annotated[int, BeforeValidator(_square)]


class _HubConfig(BaseModel):
    """The fields of a hub ``config.json`` that shape the network; absent ones mean transformers' defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: Literal["vit_mae"]
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: Literal["gelu"] = "gelu"
    layer_norm_eps: float = 1e-12
    image_size: Side = 224
    patch_size: Side = 16
    num_channels: Literal[3] = 3
    qkv_bias: bool = True
    decoder_num_attention_heads: int = 16
    decoder_hidden_size: int = 512
    decoder_num_hidden_layers: int = 8
    decoder_intermediate_size: int = 2048
    norm_pix_loss: bool = False


class _Preprocessor(BaseModel):
    """The fields of ``preprocessor_config.json`` that say how pixels become numbers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    do_normalize: Literal[True] = True
    do_rescale: Literal[True] = True
    image_mean: tuple[float, float, float] = IMAGENET_MEAN
    image_std: tuple[float, float, float] = IMAGENET_STD


def load_huggingface(
    folder: Path, *, target: Literal["raw", "patch_norm"] | None = None
) -> tuple[FrozenMAE, dict[str, object]]:
    """Load a folder as ``ViTMAEForPreTraining.save_pretrained`` writes it and the hub stores it.

    The input normalisation comes from ``preprocessor_config.json`` (ImageNet's if there is none).

    Args:
        folder: Has ``config.json`` and ``model.safetensors`` (one file, or shards with an index)
            or ``pytorch_model.bin``.
        target: What the decoder predicts; None believes ``norm_pix_loss`` in ``config.json``.

    Returns:
        The MAE and the content of ``config.json``.

    Raises:
        CheckpointError: If a file is missing or invalid, the checkpoint has no decoder, or the
            tensors do not fit the configuration.
    """
    raw = read_json(folder / CONFIG_FILE)
    try:
        hub = _HubConfig.model_validate(raw)
        preprocessor = _read_preprocessor(folder)
        config = _translate(hub, preprocessor, target)
    except ValidationError as error:
        raise CheckpointError(f"{folder}: not a ViT-MAE that can be read here: {error}") from error
    tensors = _rename(_read_weights(folder))
    if not any(name.startswith("decoder_") for name in tensors):
        complete = _COMPLETE_BY_WIDTH.get(hub.hidden_size, "facebook/vit-mae-base")
        raise CheckpointError(
            f"{folder}: has only the encoder (saved from ViTMAEModel?), but hidden patches are predicted"
            f" by the decoder; one that has both is {complete}"
        )
    try:
        fused = _fuse(tensors, hub)
    except ValueError as error:  # parts that can't be put together
        raise CheckpointError(f"{folder}: query, key and value of different shapes: {error}") from error
    return FrozenMAE.of(config, fused, str(folder)), raw


def _read_preprocessor(folder: Path) -> _Preprocessor:
    path = folder / PREPROCESSOR_FILE
    return _Preprocessor.model_validate(read_json(path)) if path.exists() else _Preprocessor()


def _translate(
    hub: _HubConfig, preprocessor: _Preprocessor, target: Literal["raw", "patch_norm"] | None
) -> ViTMAEConfig:
    return ViTMAEConfig(
        image_size=hub.image_size,
        patch_size=hub.patch_size,
        width=hub.hidden_size,
        depth=hub.num_hidden_layers,
        heads=hub.num_attention_heads,
        mlp_width=hub.intermediate_size,
        decoder_width=hub.decoder_hidden_size,
        decoder_depth=hub.decoder_num_hidden_layers,
        decoder_heads=hub.decoder_num_attention_heads,
        decoder_mlp_width=hub.decoder_intermediate_size,
        norm_eps=hub.layer_norm_eps,
        target=target or ("patch_norm" if hub.norm_pix_loss else "raw"),
        pixel_mean=preprocessor.image_mean,
        pixel_std=preprocessor.image_std,
    )


def _read_weights(folder: Path) -> Tensors:
    if (path := folder / SAFETENSORS_FILE).exists():
        return read_safetensors(path)
    if (path := folder / INDEX_FILE).exists():
        return read_sharded(path)
    if (path := folder / PICKLE_FILE).exists():
        state = read_pickle(path)
        if isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, np.ndarray) for k, v in state.items()):
            return state
        raise CheckpointError(f"{path}: not a state dict")
    raise CheckpointError(f"{folder}: no weights there ({SAFETENSORS_FILE}, {INDEX_FILE} or {PICKLE_FILE})")


def _rename(tensors: Tensors) -> Tensors:
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


def _fuse(tensors: Tensors, hub: _HubConfig) -> Tensors:
    """Make one qkv of query, key and value, and a linear patch embedding of the convolution.

    A part that is missing is left to the check of names, which reports it.
    """
    fused = dict(tensors)
    for name in tensors:
        if ".attn.q." not in name:
            continue
        parts = [name.replace(".attn.q.", f".attn.{part}.") for part in "qkv"]
        if all(part in fused for part in parts):
            fused[name.replace(".attn.q.", ".attn.qkv.")] = np.concatenate([fused.pop(part) for part in parts])
        if name.endswith(".weight") and not hub.qkv_bias:
            bias = name.replace(".attn.q.weight", ".attn.qkv.bias")
            fused[bias] = np.zeros(3 * tensors[name].shape[0], dtype=np.float32)
    if (kernel := fused.get("patch_embed.weight")) is not None and kernel.ndim == 4:
        fused["patch_embed.weight"] = flatten_kernel(kernel)
    return fused


def flatten_kernel(kernel: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn a patch convolution (width, 3, size, size) into a linear map of rows, columns, colours."""
    return kernel.transpose(0, 2, 3, 1).reshape(kernel.shape[0], -1)
