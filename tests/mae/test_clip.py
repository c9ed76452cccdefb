"""Encoders of CLIP's kind, whole and in int8, against transformers: pre-norm, quick GELU, taps, no decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cinemae.mae.config import CLIP_MEAN, CLIP_STD, ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.frozen import SCALE, FrozenMAE
from cinemae.mae.huggingface import flatten_kernel
from cinemae.mae.modules import to_module
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.mae.runtime import Runtime
from cinemae.mae.torch_runtime import TorchRuntime
from cinemae.mae.vit import ViTMAE
from cinemae.masks import PartitionMasks
from references import fill
from toys import pink

SIDE, GRID, DEPTH = 32, (8, 8), 4
TOLERANCE = 2e-4
ENCODER = ViTMAEConfig(
    image_size=SIDE, patch_size=4, width=32, depth=DEPTH, heads=4, mlp_width=64, decoder_depth=0, norm_eps=1e-5,
    activation="quick_gelu", pre_norm=True, pixel_mean=CLIP_MEAN, pixel_std=CLIP_STD,
)  # fmt: skip
DECODER = {
    "decoder_width": 24, "decoder_depth": 2, "decoder_heads": 3, "decoder_mlp_width": 48, "output": "logistic",
}  # fmt: skip
HIDDEN = PartitionMasks(groups=4).hidden(GRID, 3)
NOTHING = np.zeros((0, *GRID), dtype=bool)
MAKE: dict[str, Callable[[FrozenMAE], Runtime]] = {"torch": TorchRuntime, "openvino": OpenVINORuntime}


def rounded(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix in int8 and the scales of its rows."""
    scale = (np.abs(matrix).max(axis=1) / 127).astype(np.float32)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


def in_int8(tensors: dict[str, np.ndarray], stacks: tuple[str, ...] = ("blocks.",)) -> dict[str, np.ndarray]:
    """The same weights with the blocks' matrices in int8."""
    out = dict(tensors)
    for name, tensor in tensors.items():
        if name.startswith(stacks) and tensor.ndim == 2:
            out[name], out[f"{name}{SCALE}"] = rounded(tensor)
    return out


@dataclass(frozen=True)
class Clip:
    """An encoder, and transformers' network with the same weights."""

    mae: FrozenMAE
    model: Any

    @torch.inference_mode()
    def states(self, view: np.ndarray, shown: np.ndarray) -> list[np.ndarray]:
        """What enters the first block, what leaves each, and the normed last ones, of some of the patches."""
        images = (view / 255 - np.array(CLIP_MEAN)) / np.array(CLIP_STD)
        pixels = torch.from_numpy(images.transpose(2, 0, 1)[None].astype(np.float32))
        tokens: Tensor = self.model.embeddings(pixels)
        kept = np.concatenate([[0], 1 + np.flatnonzero(shown)])
        states = [self.model.pre_layrnorm(tokens[:, kept])]
        for layer in self.model.encoder.layers:
            out = layer(states[-1], attention_mask=None)
            states.append(out[0] if isinstance(out, tuple) else out)
        return [state[0].numpy() for state in (*states, self.model.post_layernorm(states[-1]))]


def of_transformers(model: Any) -> dict[str, np.ndarray]:
    """The weights under our names."""
    given = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    out = {
        "cls_token": given["embeddings.class_embedding"].reshape(1, 1, -1),
        "pos_embed": given["embeddings.position_embedding.weight"][None],
        "patch_embed.weight": flatten_kernel(given["embeddings.patch_embedding.weight"]),
        "patch_embed.bias": np.zeros(ENCODER.width, np.float32),
    }
    for kind in ("weight", "bias"):
        out |= {f"pre_norm.{kind}": given[f"pre_layrnorm.{kind}"], f"norm.{kind}": given[f"post_layernorm.{kind}"]}
        for number in range(DEPTH):
            block, layer = f"blocks.{number}", f"encoder.layers.{number}"
            heads = [given[f"{layer}.self_attn.{head}_proj.{kind}"] for head in "qkv"]
            out[f"{block}.attn.qkv.{kind}"] = np.concatenate(heads)
            out[f"{block}.attn.proj.{kind}"] = given[f"{layer}.self_attn.out_proj.{kind}"]
            for ours, theirs in (
                ("norm1", "layer_norm1"),
                ("norm2", "layer_norm2"),
                ("fc1", "mlp.fc1"),
                ("fc2", "mlp.fc2"),
            ):
                out[f"{block}.{ours}.{kind}"] = given[f"{layer}.{theirs}.{kind}"]
    return out


def with_matrices_of(model: Any, mae: FrozenMAE) -> None:
    """Give transformers' network the matrices that an int8 encoder stands for."""
    with torch.no_grad():
        for number, layer in enumerate(model.encoder.layers):
            block = f"blocks.{number}"
            parts = np.split(mae.floats(f"{block}.attn.qkv.weight"), 3)
            for head, matrix in zip("qkv", parts, strict=True):
                getattr(layer.self_attn, f"{head}_proj").weight.copy_(torch.from_numpy(matrix))
            layer.self_attn.out_proj.weight.copy_(torch.from_numpy(mae.floats(f"{block}.attn.proj.weight")))
            layer.mlp.fc1.weight.copy_(torch.from_numpy(mae.floats(f"{block}.fc1.weight")))
            layer.mlp.fc2.weight.copy_(torch.from_numpy(mae.floats(f"{block}.fc2.weight")))


@pytest.fixture(scope="module")
def clips() -> dict[str, Clip]:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=32, num_hidden_layers=DEPTH, num_attention_heads=4, intermediate_size=64, image_size=SIDE,
        patch_size=4, hidden_act="quick_gelu", attn_implementation="eager",
    )  # fmt: skip
    found = {}
    for kind in ("float32", "int8"):
        model = CLIPVisionModel(config).eval().requires_grad_(False)
        fill(model, 3, spread=0.3)
        tensors = of_transformers(model)
        mae = FrozenMAE.of(ENCODER, in_int8(tensors) if kind == "int8" else tensors, kind)
        if kind == "int8":
            with_matrices_of(model, mae)
        found[kind] = Clip(mae, model)
    return found


@pytest.fixture(params=["float32", "int8"])
def clip(request: pytest.FixtureRequest, clips: dict[str, Clip]) -> Clip:
    return clips[request.param]


def decoded(clip: Clip, taps: tuple[int, ...]) -> FrozenMAE:
    """The encoder with a decoder of random weights that reads some of its blocks."""
    config = clip.mae.config.model_copy(update={**DECODER, "taps": taps})
    module = ViTMAE(config)
    module.initialise(torch.Generator().manual_seed(1))
    module.decoder_pred.weight.data.mul_(0.3)
    own = {name: tensor.numpy() for name, tensor in module.state_dict().items() if "decoder" in name or "mask" in name}
    return FrozenMAE.of(config, clip.mae.tensors | own, "with a decoder")


def pooled(tokens: np.ndarray) -> tuple[np.ndarray, ...]:
    return tokens[0], tokens[1:].mean(0), tokens[1:].std(0)


def near(found: np.ndarray, wanted: np.ndarray) -> None:
    assert wanted.std() > 0.05, "a comparison of constants would prove nothing"
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("runtime", MAKE)
@pytest.mark.parametrize("layers", [(), (1,), (2, 4), (1, 2, 3, 4)])
def test_features_of_an_encoder_alone_are_those_of_transformers(
    clip: Clip, runtime: str, layers: tuple[int, ...]
) -> None:
    view = pink(1, SIDE)
    states = clip.states(view, np.ones(64, dtype=bool))
    out = MAKE[runtime](clip.mae).view(view, NOTHING, layers)
    assert out.passes is None
    wanted = {str(layer): states[layer] for layer in layers} | {"last": states[-1]}
    assert list(out.encoder) == [f"{name}.{pool}" for name in wanted for pool in ("cls", "mean", "std")]
    for name, tokens in wanted.items():
        for pool, values in zip(("cls", "mean", "std"), pooled(tokens), strict=True):
            assert out.encoder[f"{name}.{pool}"].dtype == np.float32
            near(out.encoder[f"{name}.{pool}"], values)


@pytest.mark.parametrize("runtime", MAKE)
@pytest.mark.parametrize("taps", [(), (0,), (4,), (0, 2, 4), (1, 3)])
@torch.inference_mode()
def test_the_decoder_reads_the_tapped_blocks_of_the_visible_patches(
    clip: Clip, runtime: str, taps: tuple[int, ...]
) -> None:
    mae, view = decoded(clip, taps), pink(2, SIDE)
    out = MAKE[runtime](mae).view(view, HIDDEN, (2,))
    module = to_module(mae)
    assert isinstance(module, ViTMAE)
    latents = []
    for hidden in HIDDEN.reshape(len(HIDDEN), -1):
        states = clip.states(view, ~hidden)
        latents.append(np.concatenate([states[tap] for tap in taps], axis=-1) if taps else states[-1])
    prediction = module.decode(torch.from_numpy(np.stack(latents)), torch.from_numpy(HIDDEN.reshape(len(HIDDEN), -1)))
    mean, log_scale = prediction.numpy()[..., :48], prediction.numpy()[..., 48:]
    assert out.passes is not None
    assert out.passes.scale is not None

    def patches(levels: np.ndarray) -> np.ndarray:
        cut = levels.reshape(-1, 8, 4, 8, 4, 3).transpose(0, 1, 3, 2, 4, 5)
        return cut.reshape(len(levels), 64, 16, 3)[HIDDEN.reshape(len(HIDDEN), -1)]

    flat = HIDDEN.reshape(len(HIDDEN), -1)
    near((patches(out.passes.mean) / 255 - np.array(CLIP_MEAN)) / np.array(CLIP_STD), mean[flat].reshape(-1, 16, 3))
    near(patches(out.passes.scale) / 255 / np.array(CLIP_STD), np.exp(log_scale[flat]).reshape(-1, 16, 3))
    for name, tokens in {"2": clip.states(view, np.ones(64, bool))[2]}.items():
        near(out.encoder[f"{name}.cls"], tokens[0])  # the full pass beside the masked ones


@pytest.mark.parametrize("runtime", MAKE)
def test_features_do_not_depend_on_there_being_a_decoder(clip: Clip, runtime: str) -> None:
    view, mae = pink(3, SIDE), decoded(clip, (0, 4))
    make = MAKE[runtime]
    alone = make(clip.mae).view(view, NOTHING, (1, 3)).encoder
    for other, masks in ((make(mae), NOTHING), (make(mae), HIDDEN), (make(mae.encoder), NOTHING)):
        for name, values in other.view(view, masks, (1, 3)).encoder.items():
            np.testing.assert_allclose(values, alone[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("runtime", MAKE)
def test_an_encoder_alone_gives_the_same_bits_twice(clip: Clip, runtime: str) -> None:
    network = MAKE[runtime](clip.mae)
    first, second = pink(4, SIDE), pink(5, SIDE)

    def run(view: np.ndarray) -> bytes:
        return b"".join(values.tobytes() for values in network.view(view, NOTHING, (2,)).encoder.values())

    wanted = run(first)
    assert run(second) != wanted
    assert run(first) == wanted


def test_alone_and_jobs_change_no_bit(clip: Clip) -> None:
    view = pink(6, SIDE)
    runtime = OpenVINORuntime(clip.mae, jobs=2, threads=2)
    wanted = {name: values.tobytes() for name, values in runtime.view(view, NOTHING).encoder.items()}
    runtime.large = True
    again = runtime.view(view, NOTHING, alone=True).encoder
    assert {name: values.tobytes() for name, values in again.items()} == wanted
    single = OpenVINORuntime(clip.mae, jobs=1, threads=1).view(view, NOTHING).encoder
    assert {name: values.tobytes() for name, values in single.items()} == wanted


@pytest.mark.parametrize("runtime", MAKE)
def test_a_decoder_may_be_in_int8_too(clips: dict[str, Clip], runtime: str) -> None:
    whole = decoded(clips["float32"], (0, 4))
    small = FrozenMAE.of(whole.config, in_int8(whole.tensors, ("blocks.", "decoder_")), "int8")
    assert small.tensors["decoder_blocks.1.attn.qkv.weight"].dtype == np.int8
    plain = FrozenMAE.of(whole.config, {name: small.floats(name) for name in small.names}, "the same in float32")
    view = pink(7, SIDE)
    found, wanted = (MAKE[runtime](mae).view(view, HIDDEN).passes for mae in (small, plain))
    assert found is not None
    assert wanted is not None
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-3, atol=0.05)  # levels


def test_int8_needs_a_scale_for_each_row(clips: dict[str, Clip]) -> None:
    tensors = clips["int8"].mae.tensors
    name = "blocks.1.fc1.weight"
    for wrong, reason in (
        ({k: v for k, v in tensors.items() if k != f"{name}{SCALE}"}, rf"missing: \['{name}{SCALE}'\]"),
        (tensors | {f"{name}{SCALE}": np.ones(3, np.float32)}, rf"other shape: \['{name}{SCALE}'\]"),
        (tensors | {name: tensors[name].astype(np.float32)}, rf"unexpected: \['{name}{SCALE}'\]"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            FrozenMAE.of(ENCODER, wrong, "x")


def test_int8_stands_for_the_rows_times_their_scales(clips: dict[str, Clip]) -> None:
    mae, name = clips["int8"].mae, "blocks.0.attn.proj.weight"
    assert mae.tensors[name].dtype == np.int8
    assert np.array_equal(mae.floats(name), mae.tensors[name] * mae.tensors[f"{name}{SCALE}"][:, None])
    assert mae.floats("norm.bias") is mae.tensors["norm.bias"]
    whole = clips["float32"].mae
    assert mae.names == whole.names
    np.testing.assert_allclose(mae.floats(name), whole.tensors[name], atol=np.abs(whole.tensors[name]).max() / 200)
    assert mae.fingerprint != whole.fingerprint


def test_more_masks_or_layers_than_an_encoder_has_are_refused(clip: Clip) -> None:
    runtime = OpenVINORuntime(clip.mae)
    with pytest.raises(ValueError, match=r"4 blocks, layers \(5,\)"):
        runtime.view(pink(1, SIDE), NOTHING, (5,))
    with pytest.raises(ValueError, match="for an MAE of 32x32 pixels"):
        runtime.view(pink(1, 64), NOTHING)
