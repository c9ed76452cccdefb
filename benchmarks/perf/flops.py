"""Useful floating-point operations of a view, by formula.

A product of (m, k) by (k, n) counts 2 m k n; norms, softmax and activations count nothing. What the
method needs is counted, not what an implementation happens to compute: the encoder on visible
tokens only, the last decoder block and the prediction for hidden tokens only, patches embedded
once an image. With T tokens in each of S sequences of width W and MLP width M, a block is

    S T (8 W^2 + 4 W M) + 4 S T^2 W.
"""

from __future__ import annotations

from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.frozen import CONV_INPUTS, CONV_PARAMETERS


def block_flops(width: int, mlp_width: int, sequences: int, tokens: int, wanted: int | None = None) -> int:
    """Return the operations of a transformer block.

    Args:
        width: Channels.
        mlp_width: Hidden units of the MLP.
        sequences: Number of sequences.
        tokens: Tokens of each, all of which are attended to.
        wanted: Tokens of each whose outputs are computed; None means all.
    """
    queries = tokens if wanted is None else wanted
    keys_values = 4 * tokens * width**2
    rows = queries * (4 * width**2 + 4 * width * mlp_width)
    attention = 4 * queries * tokens * width
    return sequences * (keys_values + rows + attention)


def linear_flops(rows: int, inputs: int, outputs: int) -> int:
    """Return the operations of a linear layer."""
    return 2 * rows * inputs * outputs


def encoder_flops(config: ViTMAEConfig, sequences: int, patches: int) -> int:
    """Return the operations of the encoder's blocks on ``patches`` patches and the class token."""
    return config.depth * block_flops(config.width, config.mlp_width, sequences, 1 + patches)


def decoder_flops(config: ViTMAEConfig, passes: int, visible: int, *, every: bool = False) -> int:
    """Return the operations of the decoder.

    Args:
        config: Shape of the MAE.
        passes: Masked passes.
        visible: Visible patches of each.
        every: Count the last block and the prediction for every token, as plain code computes them.
    """
    count = config.grid[0] * config.grid[1]
    width, mlp_width = config.decoder_width, config.decoder_mlp_width
    wanted = 1 + count if every else count - visible
    return (
        linear_flops(passes * (1 + visible), config.width, width)
        + (config.decoder_depth - 1) * block_flops(width, mlp_width, passes, 1 + count)
        + block_flops(width, mlp_width, passes, 1 + count, wanted)
        + linear_flops(passes * wanted, width, config.outputs)
    )


def vit_flops(config: ViTMAEConfig, passes: int, visible: int) -> int:
    """Return the operations of one image: ``passes`` masked passes and the full one."""
    count = config.grid[0] * config.grid[1]
    embed = linear_flops(count, config.patch_size**2 * 3, config.width)
    masked = encoder_flops(config, passes, visible) + decoder_flops(config, passes, visible)
    return embed + masked + encoder_flops(config, 1, count)


def conv_flops(config: ConvMAEConfig, passes: int, height: int, width: int) -> int:
    """Return the operations of ``passes`` masked passes of a convolutional MAE over one view."""
    cells = passes * (height // 2) * (width // 2)
    blocks = 2 * (config.encoder_blocks + config.decoder_blocks)
    body = 9 * CONV_INPUTS * config.width + blocks * 9 * config.width**2
    return 2 * cells * (body + config.width * 4 * CONV_PARAMETERS)


def clip_flops(width: int, depth: int, mlp_width: int, patches: int, inputs: int) -> int:
    """Return the operations of a plain ViT image encoder."""
    return linear_flops(patches, inputs, width) + depth * block_flops(width, mlp_width, 1, 1 + patches)
