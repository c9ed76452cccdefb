"""The MAEs as OpenVINO graphs, built straight from a checkpoint's tensors with OpenVINO's operator set.

No export step, no second copy of the weights, no torch. A graph holds all passes of one view: the
masked ones and, for a ViT, the full one. Their rows are packed into the same matrix products, and
the last decoder block is computed for hidden patches only, since nothing else is read. What a
pass hides comes in as indices, so that one compiled graph serves every seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.frozen import SCALE, START_LOG_SCALE, FrozenMAE
from cinemae.mae.openvino_library import op, ov

Node = Any  # openvino's operators are typed loosely
Segments = list[tuple[int, int]]  # sequences and tokens of each kind of pass


def vit_graph(mae: FrozenMAE, passes: int, visible: int, layers: tuple[int, ...]) -> ov.Model:
    """Build the graph of a ViT-MAE for masks of one shape.

    Inputs, in order: normalised patches (patches, patch * patch * 3), float32; positions of the
    visible patches (passes, visible); for each patch 0 where it is hidden, else 1 + its rank among
    the visible ones (passes, patches); positions of the hidden patches (passes, hidden); all int32.

    Outputs, in order: predictions of the hidden patches (passes, hidden, outputs); of the full
    pass, the tokens after each of ``layers`` and the normed last ones (1 + patches, width).

    Without masked passes only the patches go in and only the tokens come out.

    Args:
        mae: Configuration and weights of a ViT-MAE.
        passes: Number of masked passes.
        visible: Visible patches of each.
        layers: Middle encoder blocks whose outputs are wanted, counted from 1, rising.
    """
    config = mae.config
    assert isinstance(config, ViTMAEConfig)
    count = config.grid[0] * config.grid[1]
    hidden = count - visible
    patches = _input("patches", (count, config.patch_size**2 * 3), np.float32)
    if not passes:
        return ov.Model(_encoder_alone(mae, patches, layers), [patches], "vit_encoder")
    seen = _input("visible", (passes, visible), np.int32)
    restore = _input("restore", (passes, count), np.int32)
    wanted = _input("hidden", (passes, hidden), np.int32)

    first, tokens = _embedded(mae, patches)
    masked = op.gather(tokens, seen, 0)
    cls = op.broadcast(op.unsqueeze(first, 0), [passes, 1, config.width])
    rows = op.concat(
        [_rows(op.concat([cls, masked], 1), config.width), op.concat([first, tokens], 0)],
        0,
    )
    segments = [(passes, 1 + visible), (1, 1 + count)]
    split = passes * (1 + visible)
    blocks = _encoder(mae, rows, segments)
    outputs = [_cut(blocks[layer], split, split + 1 + count) for layer in layers]
    last = _norm(mae, "norm", blocks[-1], config.norm_eps)
    outputs.append(_cut(last, split, split + 1 + count))

    tapped = [_cut(blocks[tap], 0, split) for tap in config.taps] or [_cut(last, 0, split)]
    latent = _linear(mae, "decoder_embed", tapped[0] if len(tapped) == 1 else op.concat(tapped, 1))
    prediction = _decoder(mae, latent, restore, wanted, passes, visible)
    return ov.Model([prediction, *outputs], [patches, seen, restore, wanted], "vit_mae")


def _embedded(mae: FrozenMAE, patches: Node) -> tuple[Node, Node]:
    """Return the class token (1, width) and the patches' tokens (patches, width), positions added."""
    tokens = op.add(_linear(mae, "patch_embed", patches), _constant(mae.tensors["pos_embed"][0, 1:]))
    return _constant(mae.tensors["cls_token"][0] + mae.tensors["pos_embed"][0, :1]), tokens


def _encoder(mae: FrozenMAE, rows: Node, segments: Segments) -> list[Node]:
    """Return what enters the first encoder block and what leaves each, (rows, width)."""
    config = mae.config
    assert isinstance(config, ViTMAEConfig)
    outputs = [_norm(mae, "pre_norm", rows, config.norm_eps) if config.pre_norm else rows]
    for number in range(config.depth):
        outputs.append(
            _block(
                mae,
                f"blocks.{number}",
                outputs[-1],
                segments,
                config.width,
                config.heads,
                config.norm_eps,
                quick=config.activation == "quick_gelu",
            )
        )
    return outputs


def _encoder_alone(mae: FrozenMAE, patches: Node, layers: tuple[int, ...]) -> list[Node]:
    """Return the tokens after each of ``layers`` and the normed last ones, each (1 + patches, width)."""
    config = mae.config
    assert isinstance(config, ViTMAEConfig)
    first, tokens = _embedded(mae, patches)
    blocks = _encoder(mae, op.concat([first, tokens], 0), [(1, 1 + config.grid[0] * config.grid[1])])
    return [*(blocks[layer] for layer in layers), _norm(mae, "norm", blocks[-1], config.norm_eps)]


def _decoder(mae: FrozenMAE, latent: Node, restore: Node, wanted: Node, passes: int, visible: int) -> Node:
    """From latent rows (passes * (1 + visible), width) to predictions of the hidden patches."""
    config = mae.config
    assert isinstance(config, ViTMAEConfig)
    count, width = config.grid[0] * config.grid[1], config.decoder_width
    latent = op.reshape(latent, [passes, 1 + visible, width], False)
    token = op.broadcast(_constant(mae.tensors["mask_token"]), [passes, 1, width])
    # Place 0 of each pass is the mask token, the visible patches follow; the class token is set aside.
    known = op.concat([token, op.slice(latent, [1], [1 + visible], [1], [1])], 1)
    full = op.gather(known, restore, 1, batch_dims=1)
    cls = op.slice(latent, [0], [1], [1], [1])
    x = op.add(op.concat([cls, full], 1), _constant(mae.tensors["decoder_pos_embed"]))
    rows, segments = _rows(x, width), [(passes, 1 + count)]
    heads, eps = config.decoder_heads, config.norm_eps
    for number in range(config.decoder_depth - 1):
        rows = _block(mae, f"decoder_blocks.{number}", rows, segments, width, heads, eps)
    places = op.add(wanted, op.constant(np.int32(1)))  # after the class token
    rows = _last_block(mae, f"decoder_blocks.{config.decoder_depth - 1}", rows, places, (passes, 1 + count))
    prediction = _linear(mae, "decoder_pred", _norm(mae, "decoder_norm", rows, eps))
    return op.reshape(prediction, [passes, count - visible, config.outputs], False)


def _block(
    mae: FrozenMAE,
    name: str,
    rows: Node,
    segments: Segments,
    width: int,
    heads: int,
    eps: float,
    *,
    quick: bool = False,
) -> Node:
    """Run a pre-norm transformer block over packed rows; only attention tells sequences apart."""
    qkv = _linear(mae, f"{name}.attn.qkv", _norm(mae, f"{name}.norm1", rows, eps))
    mixed, start = [], 0
    for sequences, length in segments:
        part = qkv if len(segments) == 1 else _cut(qkv, start, start + sequences * length)
        q, k, v = _split_heads(part, sequences, length, 3, heads, width)
        mixed.append(_attend(q, k, v, width))
        start += sequences * length
    rows = op.add(rows, _linear(mae, f"{name}.attn.proj", mixed[0] if len(mixed) == 1 else op.concat(mixed, 0)))
    return op.add(rows, _mlp(mae, name, rows, eps, quick=quick))


def _last_block(mae: FrozenMAE, name: str, rows: Node, wanted: Node, shape: tuple[int, int]) -> Node:
    """Run the last decoder block: every token is attended to, only the wanted ones are computed."""
    config = mae.config
    assert isinstance(config, ViTMAEConfig)
    width, heads, eps = config.decoder_width, config.decoder_heads, config.norm_eps
    sequences, length = shape
    normed = _norm(mae, f"{name}.norm1", rows, eps)
    weight, bias = mae.floats(f"{name}.attn.qkv.weight"), mae.tensors[f"{name}.attn.qkv.bias"]
    k, v = _split_heads(_affine(normed, weight[width:], bias[width:]), sequences, length, 2, heads, width)

    def pick(every: Node) -> Node:
        return _rows(op.gather(op.reshape(every, [sequences, length, width], False), wanted, 1, batch_dims=1), width)

    chosen = int(wanted.get_output_partial_shape(0)[1].get_length())
    (q,) = _split_heads(_affine(pick(normed), weight[:width], bias[:width]), sequences, chosen, 1, heads, width)
    rows = op.add(pick(rows), _linear(mae, f"{name}.attn.proj", _attend(q, k, v, width)))
    return op.add(rows, _mlp(mae, name, rows, eps))


def _split_heads(rows: Node, sequences: int, length: int, parts: int, heads: int, width: int) -> list[Node]:
    """Cut packed rows (rows, parts * width) into ``parts`` arrays (sequences, heads, length, channels)."""
    cut = op.reshape(rows, [sequences, length, parts, heads, width // heads], False)
    turned = op.transpose(cut, [2, 0, 3, 1, 4])
    return [op.squeeze(part, [0]) for part in op.split(turned, 0, parts).outputs()]


def _attend(q: Node, k: Node, v: Node, width: int) -> Node:
    """Attend, and merge the heads back into rows."""
    return _rows(op.transpose(op.scaled_dot_product_attention(q, k, v), [0, 2, 1, 3]), width)


def _mlp(mae: FrozenMAE, name: str, rows: Node, eps: float, *, quick: bool = False) -> Node:
    wide = _linear(mae, f"{name}.fc1", _norm(mae, f"{name}.norm2", rows, eps))
    if quick:
        active = op.multiply(wide, op.sigmoid(op.multiply(wide, op.constant(np.float32(1.702)))))
    else:
        active = op.gelu(wide, "erf")
    return _linear(mae, f"{name}.fc2", active)


def _norm(mae: FrozenMAE, name: str, rows: Node, eps: float) -> Node:
    normed = op.mvn(rows, [-1], True, eps, "inside_sqrt")
    return op.add(op.multiply(normed, _constant(mae.tensors[f"{name}.weight"])), _constant(mae.tensors[f"{name}.bias"]))


def _linear(mae: FrozenMAE, name: str, rows: Node) -> Node:
    weight = mae.tensors[f"{name}.weight"]
    if weight.dtype != np.int8:
        return _affine(rows, weight, mae.tensors[f"{name}.bias"])
    # The plugin keeps such a matrix in int8 and multiplies in the type of the activations.
    whole = op.convert(op.constant(weight, shared_memory=True), "f32")
    scaled = op.multiply(whole, _constant(mae.tensors[f"{name}.weight{SCALE}"][:, None]))
    return op.add(op.matmul(rows, scaled, False, True), _constant(mae.tensors[f"{name}.bias"]))


def _affine(rows: Node, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Node:
    return op.add(op.matmul(rows, _constant(weight), False, True), _constant(bias))


def _rows(x: Node, width: int) -> Node:
    """Flatten everything but the channels."""
    return op.reshape(x, [-1, width], False)


def _cut(rows: Node, start: int, stop: int) -> Node:
    return op.slice(rows, [start], [stop], [1], [0])


def conv_graph(mae: FrozenMAE, passes: int, height: int | None, width: int | None) -> ov.Model:
    """Build the graph of a convolutional MAE for views of one size; None leaves a side open.

    Inputs, in order: the view in [-1, 1], (1, 3, height, width); 1 where a pixel is visible and 0
    where it is hidden, (passes, 1, height, width); both float32.

    Outputs, in order: mean and log-scale in units of the [-1, 1] range, each
    (passes, 3, height, width), given the true earlier colours; then for the stem and each encoder
    block, a channel's mean and mean square over all passes, (width,).
    """
    config = mae.config
    assert isinstance(config, ConvMAEConfig)
    image = _input("image", (1, 3, height, width), np.float32)
    visible = _input("visible", (passes, 1, height, width), np.float32)
    shown = op.multiply(image, visible)
    x = op.space_to_depth(op.concat([shown, visible], 1), "depth_first", 2)
    x = _conv(mae, "stem", x)
    outputs = [x]
    for number in range(config.encoder_blocks):
        x = _residual(mae, f"encoder.{number}", x)
        outputs.append(x)
    for number in range(config.decoder_blocks):
        x = _residual(mae, f"decoder.{number}", x)
    raw = op.depth_to_space(_conv(mae, "head", op.relu(x)), "depth_first", 2)
    mean, log_scale, colour = op.split(raw, 1, 3).outputs()
    mean = op.add(mean, _neighbour_mean(shown, visible))
    moments = []
    for out in outputs:
        moments += [op.reduce_mean(out, [0, 2, 3], False), op.reduce_mean(op.multiply(out, out), [0, 2, 3], False)]
    scale = op.add(log_scale, op.constant(np.float32(START_LOG_SCALE)))
    return ov.Model([_condition_on_colour(image, mean, colour), scale, *moments], [image, visible], "conv_mae")


def _conv(mae: FrozenMAE, name: str, x: Node) -> Node:
    kernel = mae.floats(f"{name}.weight")
    pad = [kernel.shape[2] // 2] * 2
    out = op.convolution(x, _constant(kernel), [1, 1], pad, pad, [1, 1])
    return op.add(out, _constant(mae.tensors[f"{name}.bias"].reshape(1, -1, 1, 1)))


def _residual(mae: FrozenMAE, name: str, x: Node) -> Node:
    return op.add(x, _conv(mae, f"{name}.conv2", op.relu(_conv(mae, f"{name}.conv1", op.relu(x)))))


def _neighbour_mean(shown: Node, visible: Node) -> Node:
    """Mean of the visible pixels among each pixel's 3x3 surroundings."""

    def pool(x: Node) -> Node:
        return op.avg_pool(x, [1, 1], [1, 1], [1, 1], [3, 3], False)

    return op.divide(pool(shown), op.maximum(pool(visible), op.constant(np.float32(1e-6))))


def _condition_on_colour(image: Node, mean: Node, colour: Node) -> Node:
    """Shift the mean of green by the error of red, and that of blue by the errors of both."""
    red, green, blue = op.split(mean, 1, 3).outputs()
    first, second, third = op.split(colour, 1, 3).outputs()
    true_red, true_green, _ = op.split(image, 1, 3).outputs()
    red_error, green_error = op.subtract(true_red, red), op.subtract(true_green, green)
    new_green = op.add(green, op.multiply(first, red_error))
    new_blue = op.add(op.add(blue, op.multiply(second, red_error)), op.multiply(third, green_error))
    return op.concat([red, new_green, new_blue], 1)


def _input(name: str, shape: tuple[int | None, ...], dtype: Any) -> Node:
    node = op.parameter([-1 if side is None else side for side in shape], dtype)
    node.set_friendly_name(name)
    node.output(0).get_tensor().set_names({name})
    return node


def _constant(values: NDArray[np.float32]) -> Node:
    return op.constant(np.ascontiguousarray(values), shared_memory=True)
