"""Reference networks for parity: transformers' own ViT-MAE with random weights, saved as on the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 4,
    "decoder_hidden_size": 24,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 3,
    "decoder_intermediate_size": 48,
}
"""A ViT-MAE of 64 patches that runs in milliseconds."""

WIDTH_OF_BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 2,
    "num_attention_heads": 12,
    "intermediate_size": 96,
    "image_size": 32,
    "patch_size": 8,
    "decoder_hidden_size": 64,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 16,
    "decoder_intermediate_size": 48,
    "layer_norm_eps": 1e-6,
}
"""A ViT-MAE as wide as Meta's base model, whose width says the number of heads; shallow and small."""


@dataclass(frozen=True)
class Reference:
    """transformers' model, the folder it was saved in, and what it says of one batch.

    Attributes:
        model: ``ViTMAEForPreTraining`` in evaluation mode.
        folder: What ``save_pretrained`` wrote.
    """

    model: Any
    folder: Path

    @torch.inference_mode()
    def run(self, images: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return logits, latent in image order (class token first) and loss under ``hidden``."""
        ranks = torch.rand(hidden.shape, generator=torch.Generator().manual_seed(7)) + hidden.float()
        out = self.model(images, noise=ranks)
        assert torch.equal(out.mask.bool(), hidden)
        latent = self.model.vit(images, noise=ranks).last_hidden_state
        visible = latent.shape[1] - 1
        order = ranks.argsort(dim=1)[:, :visible].argsort(dim=1)
        patches = latent[:, 1:].gather(1, order[..., None].expand(-1, -1, latent.shape[-1]))
        return out.logits, torch.cat([latent[:, :1], patches], dim=1), float(out.loss)

    @torch.inference_mode()
    def decode(self, images: Tensor, hidden: Tensor) -> Tensor:
        """Return the decoder's output for every patch; the masks may hide any number, the same in each row."""
        # A step of a half, so that the network rounds to the number that is meant.
        with self._hiding((int(hidden[0].sum()) - 0.5) / hidden.shape[1]):
            out = self.model.vit(images, noise=hidden.float())
        assert torch.equal(out.mask.bool(), hidden)
        logits: Tensor = self.model.decoder(out.last_hidden_state, out.ids_restore).logits
        return logits

    @torch.inference_mode()
    def show(self, images: Tensor) -> list[Tensor]:
        """Return the output of each block with nothing hidden, and last the normed one; class token first."""
        order = torch.arange(self.model.vit.embeddings.patch_embeddings.num_patches, dtype=torch.float32)
        kept: list[Tensor] = []
        hooks = [
            block.register_forward_hook(lambda _, __, out: kept.append(out[0] if isinstance(out, tuple) else out))
            for block in self.model.vit.layers
        ]
        with self._hiding(0.0):
            last = self.model.vit(images, noise=order.expand(len(images), -1)).last_hidden_state
        for hook in hooks:
            hook.remove()
        return [*kept, last]

    @contextmanager
    def _hiding(self, share: float) -> Iterator[None]:
        before = self.model.config.mask_ratio
        self.model.config.mask_ratio = share
        try:
            yield
        finally:
            self.model.config.mask_ratio = before


def fill(model: nn.Module, seed: int, spread: float = 0.05) -> None:
    """Give every tensor random values; at this spread activations stay near one."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.named_parameters():
        tensor.data.normal_(0, spread if tensor.shape[-1] < 512 else spread / 2, generator=generator)
        if "norm" in name and name.endswith("weight"):
            tensor.data.add_(1)


def to_meta(reference: Reference) -> dict[str, Tensor]:
    """Return the weights under Meta's names: transformers' published converter, backwards."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in reference.model.state_dict().items():
        for old, new in (
            (r"^vit\.embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
            (r"^vit\.embeddings\.position_embeddings", "pos_embed"),
            (r"^vit\.embeddings\.cls_token", "cls_token"),
            (r"^vit\.layers\.", "blocks."),
            (r"^vit\.layernorm", "norm"),
            (r"^decoder\.decoder_layers\.", "decoder_blocks."),
            (r"^decoder\.", ""),
            (r"layernorm_before", "norm1"),
            (r"layernorm_after", "norm2"),
            (r"attention\.o_proj", "attn.proj"),
        ):
            name = re.sub(old, new, name)
        renamed[name] = tensor
    for name in [name for name in renamed if "attention.q_proj" in name]:
        parts = [renamed.pop(name.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        renamed[name.replace("attention.q_proj", "attn.qkv")] = torch.cat(parts)
    return renamed


def random_batch(count: int, side: int, grid: tuple[int, int], seed: int = 3) -> tuple[Tensor, Tensor]:
    """Return normalised images and a mask that hides three quarters, another one for each image."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.standard_normal((count, 3, side, side)).astype(np.float32))
    patches = grid[0] * grid[1]
    hidden: NDArray[np.bool_] = np.ones((count, patches), dtype=bool)
    for row in hidden:
        row[rng.permutation(patches)[: patches // 4]] = False
    return images, torch.from_numpy(hidden)


def set_waves(module: nn.Module) -> None:
    """Fill a network with a formula, so that golden values depend on no random generator."""
    with torch.no_grad():
        for number, (name, tensor) in enumerate(module.named_parameters()):
            wave = torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) ** 2 * 0.7 + number)
            if tensor.ndim > 1:
                wave *= (2 / tensor[0].numel()) ** 0.5
            elif "norm" in name and name.endswith("weight"):
                wave = 1 + 0.1 * wave
            else:
                wave *= 0.1
            tensor.copy_(wave.reshape(tensor.shape))
