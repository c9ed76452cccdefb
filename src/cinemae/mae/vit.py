"""The ViT masked autoencoder (arXiv 2111.06377), with the mask as an argument.

Written for scoring: patch embedding is done once an image, the passes of a mask scheme share it,
and what a pass hides is given by the caller, never drawn inside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.frozen import sincos_positions


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut images into flat patches.

    Args:
        images: (batch, 3, height, width).
        patch_size: Side of a patch; divides both sides of the image.

    Returns:
        (batch, patches, patch_size * patch_size * 3), patches in row order, inside a patch
        rows, columns, then colours.
    """
    batch, colours, height, width = images.shape
    cut = images.reshape(batch, colours, height // patch_size, patch_size, width // patch_size, patch_size)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, patch_size * patch_size * colours)


class Attention(nn.Module):
    """Multi-head self-attention with fused query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, width) to the same shape."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if torch.is_grad_enabled() and x.device.type == "cpu":
            # The backward pass of torch's fused attention takes 39 % of a small CPU training step.
            weights = ((q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
            mixed = weights @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, mlp_width: int, norm_eps: float, *, quick: bool = False) -> None:
        super().__init__()
        self.quick = quick
        self.norm1 = nn.LayerNorm(width, eps=norm_eps)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=norm_eps)
        self.fc1 = nn.Linear(width, mlp_width)
        self.fc2 = nn.Linear(mlp_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, width) to the same shape."""
        x = x + self.attn(self.norm1(x))
        wide = self.fc1(self.norm2(x))
        out: Tensor = x + self.fc2(wide * torch.sigmoid(1.702 * wide) if self.quick else F.gelu(wide))
        return out


class ViTMAE(nn.Module):
    """Encoder and decoder of a ViT-MAE.

    Attributes:
        config: The shape and the meaning of inputs and outputs.
    """

    pos_embed: Tensor
    decoder_pos_embed: Tensor

    def __init__(self, config: ViTMAEConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.patch_embed = nn.Linear(c.patch_size**2 * 3, c.width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c.width))
        if c.pre_norm:
            self.pre_norm = nn.LayerNorm(c.width, eps=c.norm_eps)
        quick = c.activation == "quick_gelu"
        self.blocks = nn.ModuleList(
            Block(c.width, c.heads, c.mlp_width, c.norm_eps, quick=quick) for _ in range(c.depth)
        )
        self.norm = nn.LayerNorm(c.width, eps=c.norm_eps)
        self.register_buffer("pos_embed", torch.from_numpy(sincos_positions(c.width, c.grid))[None])
        if not c.has_decoder:
            return
        self.decoder_embed = nn.Linear(c.tapped_width, c.decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, c.decoder_width))
        self.decoder_blocks = nn.ModuleList(
            Block(c.decoder_width, c.decoder_heads, c.decoder_mlp_width, c.norm_eps) for _ in range(c.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(c.decoder_width, eps=c.norm_eps)
        self.decoder_pred = nn.Linear(c.decoder_width, c.outputs)
        self.register_buffer("decoder_pos_embed", torch.from_numpy(sincos_positions(c.decoder_width, c.grid))[None])

    def initialise(self, generator: torch.Generator) -> None:
        """Fill the weights for pre-training: Xavier for matrices, 0.02 for the tokens."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
        for token in (self.cls_token, self.mask_token) if self.config.has_decoder else (self.cls_token,):
            nn.init.normal_(token, std=0.02, generator=generator)

    def embed(self, images: Tensor) -> Tensor:
        """Embed normalised images (batch, 3, side, side) as tokens (batch, patches, width), positions added."""
        return self.embed_patches(patchify(images, self.config.patch_size))

    def embed_patches(self, patches: Tensor) -> Tensor:
        """Embed flat normalised patches (batch, patches, patch * patch * 3) likewise."""
        tokens: Tensor = self.patch_embed(patches)
        return tokens + self.pos_embed[:, 1:].to(tokens.dtype)

    def encode(self, tokens: Tensor, hidden: Tensor | None = None, layers: tuple[int, ...] = ()) -> list[Tensor]:
        """Run the encoder on the visible patches.

        Args:
            tokens: Embedded patches (batch, patches, width).
            hidden: (batch, patches) booleans, True = hidden, the same number in each row; None
                shows all patches.
            layers: Blocks, counted from 1, whose raw outputs are wanted too; 0 is what enters the first.

        Returns:
            The outputs of the named blocks in order, then the normed last output, each
            (batch, 1 + visible, width), class token first, visible patches in image order.
        """
        if hidden is not None:
            index = visible_index(hidden)
            tokens = tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))
        cls = (self.cls_token + self.pos_embed[:, :1]).to(tokens.dtype)
        x = torch.cat([cls.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        if self.config.pre_norm:
            x = self.pre_norm(x)
        kept = [x] if 0 in layers else []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in layers:
                kept.append(x)
        return [*kept, self.norm(x)]

    def latent(self, tokens: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return what the decoder reads under a mask, (batch, 1 + visible, config.tapped_width).

        Arguments as for :meth:`encode`.
        """
        taps = self.config.taps
        outputs = self.encode(tokens, hidden, taps)
        return torch.cat(outputs[:-1], dim=-1) if taps else outputs[-1]

    def decode(self, latent: Tensor, hidden: Tensor) -> Tensor:
        """Predict every patch from what :meth:`latent` returns.

        Args:
            latent: (batch, 1 + visible, config.tapped_width), visible patches in image order.
            hidden: (batch, patches) booleans, as given to :meth:`encode`.

        Returns:
            (batch, patches, config.outputs); for ``logistic`` the first half of the last axis is
            the mean and the second the log-scale, both in units of normalised pixels.
        """
        x = self.decoder_embed(latent)
        index = visible_index(hidden)[..., None].expand(-1, -1, x.shape[-1])
        full = self.mask_token.to(x.dtype).expand(x.shape[0], hidden.shape[1], -1).scatter(1, index, x[:, 1:])
        x = torch.cat([x[:, :1], full], dim=1) + self.decoder_pos_embed.to(x.dtype)
        for block in self.decoder_blocks:
            x = block(x)
        out: Tensor = self.decoder_pred(self.decoder_norm(x))[:, 1:]
        return out

    def forward(self, images: Tensor, hidden: Tensor) -> Tensor:
        """Reconstruct normalised images (batch, 3, side, side) under ``hidden`` (batch, patches)."""
        return self.decode(self.latent(self.embed(images), hidden), hidden)


def visible_index(hidden: Tensor) -> Tensor:
    """Return the positions of the visible patches in image order, (batch, visible).

    Raises:
        ValueError: If the rows hide different numbers of patches.
    """
    visible = (~hidden).sum(1)
    if not bool((visible == visible[0]).all()):
        raise ValueError("all masks of one call must hide the same number of patches")
    return hidden.to(torch.uint8).argsort(dim=1, stable=True)[:, : int(visible[0])]
