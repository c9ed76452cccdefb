"""A frozen MAE as data: its configuration and its weights as NumPy arrays, whatever file they came from.

What computes with it is a runtime: :mod:`~cinemae.mae.openvino_runtime` on a CPU, :mod:`~cinemae.mae.torch_runtime`
as the reference and on a GPU.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.errors import CheckpointError

FloatArray = NDArray[np.float32]
Shape = tuple[int, ...]

SCALE = ".scale"
DECODER_FIELDS = (
    "decoder_width",
    "decoder_depth",
    "decoder_heads",
    "decoder_mlp_width",
    "taps",
    "target",
    "output",
)
CONV_INPUTS = 16  # a 2x2 cell of three colours and the mask
CONV_PARAMETERS = 9  # a pixel: 3 means, 3 log-scales, 3 colour coefficients
START_LOG_SCALE = -3.5  # of a [-1, 1] range: about 4 of 255 levels, the order of a photo's detail


@dataclass(frozen=True)
class FrozenMAE:
    """Configuration and weights, which fit each other.

    Attributes:
        config: The shape and the meaning of inputs and outputs.
        tensors: The weights by name, float32. A matrix may be int8 instead; then ``NAME.scale``, (outputs,), float32,
            stands beside it, and row n of the matrix is meant to be multiplied with entry n.
    """

    config: ViTMAEConfig | ConvMAEConfig
    tensors: dict[str, NDArray[Any]]

    @classmethod
    def of(
        cls, config: ViTMAEConfig | ConvMAEConfig, tensors: Mapping[str, NDArray[np.generic]], name: str
    ) -> FrozenMAE:
        """Tie tensors of any float type to a configuration.

        Args:
            config: What they must fit.
            tensors: The weights; nothing may be missing or left over.
            name: Where they come from, for the error.

        Raises:
            CheckpointError: If one is missing, unexpected or of another shape; a missing weight is
                never replaced by a random one.
        """
        wanted = tensor_shapes(config)
        given = {key: tuple(value.shape) for key, value in tensors.items()}
        for key, value in tensors.items():
            if value.dtype == np.int8:
                wanted[f"{key}{SCALE}"] = value.shape[:1]
        if wanted != given:
            missing = sorted(wanted.keys() - given.keys())
            unknown = sorted(given.keys() - wanted.keys())
            shapes = sorted(key for key in wanted.keys() & given.keys() if wanted[key] != given[key])
            raise CheckpointError(
                f"{name}: the weights do not fit the configuration"
                f" (missing: {missing[:5]}, unexpected: {unknown[:5]}, other shape: {shapes[:5]})"
            )
        return cls(
            config,
            {
                key: np.ascontiguousarray(value, dtype=np.int8 if value.dtype == np.int8 else np.float32)
                for key, value in tensors.items()
            },
        )

    @cached_property
    def encoder(self) -> FrozenMAE:
        """The encoder alone, of a ViT; whatever else its decoder may learn, its features stay the same."""
        if not isinstance(self.config, ViTMAEConfig):
            return self
        kept = {name: tensor for name, tensor in self.tensors.items() if not name.startswith(("decoder_", "mask_"))}
        return FrozenMAE(encoder_config(self.config), kept)

    def floats(self, name: str) -> FloatArray:
        """Return a weight in float32, whatever it is kept as."""
        tensor = self.tensors[name]
        if tensor.dtype != np.int8:
            return tensor
        scale = self.tensors[f"{name}{SCALE}"]
        out: FloatArray = tensor.astype(np.float32) * scale.reshape(-1, *[1] * (tensor.ndim - 1))
        return out

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the weights, without the scales of those in int8."""
        return tuple(name for name in self.tensors if not name.endswith(SCALE))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the configuration and the weights, whatever file they came from.

        The first 16 hex digits of sha256 over the configuration's JSON and each tensor as it is kept in memory.
        """
        digest = hashlib.sha256(json.dumps(self.config.model_dump(mode="json"), sort_keys=True).encode())
        for name, tensor in sorted(self.tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.data)
        return digest.hexdigest()[:16]


def encoder_config(config: ViTMAEConfig) -> ViTMAEConfig:
    """Return the configuration of the encoder alone, whatever the decoder is or was."""
    plain = ViTMAEConfig(decoder_depth=0)
    return config.model_copy(update={name: getattr(plain, name) for name in DECODER_FIELDS})


def tensor_shapes(config: ViTMAEConfig | ConvMAEConfig) -> dict[str, Shape]:
    """Return the name and shape of every tensor that a configuration needs."""
    return _vit_shapes(config) if isinstance(config, ViTMAEConfig) else _conv_shapes(config)


def _vit_shapes(c: ViTMAEConfig) -> dict[str, Shape]:
    tokens = 1 + c.grid[0] * c.grid[1]
    shapes: dict[str, Shape] = {"cls_token": (1, 1, c.width), "pos_embed": (1, tokens, c.width)}
    shapes |= _linear("patch_embed", c.patch_size**2 * 3, c.width)
    if c.pre_norm:
        shapes |= _vector("pre_norm", c.width)
    stacks = [("", "blocks", c.depth, c.width, c.mlp_width)]
    if c.has_decoder:
        shapes |= {"mask_token": (1, 1, c.decoder_width), "decoder_pos_embed": (1, tokens, c.decoder_width)}
        shapes |= _linear("decoder_embed", c.tapped_width, c.decoder_width)
        shapes |= _linear("decoder_pred", c.decoder_width, c.outputs)
        stacks.append(("decoder_", "decoder_blocks", c.decoder_depth, c.decoder_width, c.decoder_mlp_width))
    for prefix, stack, depth, width, mlp_width in stacks:
        shapes |= _vector(f"{prefix}norm", width)
        for number in range(depth):
            block = f"{stack}.{number}"
            shapes |= _vector(f"{block}.norm1", width) | _vector(f"{block}.norm2", width)
            shapes |= _linear(f"{block}.attn.qkv", width, 3 * width) | _linear(f"{block}.attn.proj", width, width)
            shapes |= _linear(f"{block}.fc1", width, mlp_width) | _linear(f"{block}.fc2", mlp_width, width)
    return shapes


def _conv_shapes(c: ConvMAEConfig) -> dict[str, Shape]:
    shapes = _kernel("stem", CONV_INPUTS, c.width, 3) | _kernel("head", c.width, 4 * CONV_PARAMETERS, 1)
    for stack, depth in (("encoder", c.encoder_blocks), ("decoder", c.decoder_blocks)):
        for number in range(depth):
            for part in ("conv1", "conv2"):
                shapes |= _kernel(f"{stack}.{number}.{part}", c.width, c.width, 3)
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _vector(name: str, width: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _kernel(name: str, inputs: int, outputs: int, size: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs, size, size), f"{name}.bias": (outputs,)}


def sincos_positions(width: int, grid: tuple[int, int]) -> FloatArray:
    """Return the fixed 2-D sine-cosine position embedding, class token (zeros) first.

    The first half of the channels encodes the column and the second the row: the order of the
    published checkpoints, whose code lets "w go first" in its mesh grid.

    Returns:
        Array of shape (1 + rows * columns, width).
    """
    rows, columns = grid
    row, column = np.meshgrid(np.arange(rows, dtype=np.float64), np.arange(columns, dtype=np.float64), indexing="ij")
    frequency = 1.0 / 10000 ** (np.arange(width // 4, dtype=np.float64) / (width / 4.0))
    parts = []
    for position in (column, row):
        angle = position.reshape(-1, 1) * frequency
        parts += [np.sin(angle), np.cos(angle)]
    table = np.concatenate(parts, axis=1)
    return np.concatenate([np.zeros((1, width)), table]).astype(np.float32)
