"""A frozen MAE as data: what its configuration needs, what does not fit, and its fingerprint."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
import torch

from cinemae.mae.config import ARCHITECTURES, ConvMAEConfig, ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.frozen import FrozenMAE, tensor_shapes
from cinemae.mae.load import load_backbone
from cinemae.mae.modules import build, to_frozen
from cinemae.weights import shipped
from toys import SMALL_CONV, SMALL_VIT, small_conv, small_vit

Config = ViTMAEConfig | ConvMAEConfig
SHAPES: dict[str, Config] = ARCHITECTURES | {
    "small-vit": SMALL_VIT,
    "small-conv": SMALL_CONV,
    "mean": SMALL_VIT.model_copy(update={"output": "mean", "decoder_depth": 3}),
    "encoder": SMALL_VIT.model_copy(update={"decoder_depth": 0}),
    "tapped": SMALL_VIT.model_copy(update={"taps": (0, 2, 4), "pre_norm": True, "activation": "quick_gelu"}),
    "deep-conv": ConvMAEConfig(width=12, encoder_blocks=3, decoder_blocks=2),
}
PARTS = {"vit": to_frozen(small_vit()), "conv": to_frozen(small_conv())}


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_shapes_are_those_of_the_torch_modules(name: str) -> None:
    with torch.device("meta"):
        state = build(SHAPES[name]).state_dict()
    assert tensor_shapes(SHAPES[name]) == {key: tuple(tensor.shape) for key, tensor in state.items()}


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16, np.float32])
def test_tensors_of_any_float_type_become_float32(dtype: type) -> None:
    mae = PARTS["conv"]
    given = {name: tensor.astype(dtype) for name, tensor in mae.tensors.items()}
    turned = FrozenMAE.of(mae.config, given, "x")
    assert turned.tensors.keys() == given.keys()
    for name, tensor in turned.tensors.items():
        assert tensor.dtype == np.float32
        assert np.array_equal(tensor, given[name].astype(np.float32))


def test_strided_tensors_become_contiguous() -> None:
    mae = PARTS["vit"]
    turned = FrozenMAE.of(mae.config, {k: np.asfortranarray(v) for k, v in mae.tensors.items()}, "x")
    assert all(tensor.flags.c_contiguous for tensor in turned.tensors.values())
    assert turned.fingerprint == mae.fingerprint


@pytest.mark.parametrize("kind", ["vit", "conv"])
def test_errors_name_the_tensors_and_their_origin(kind: str) -> None:
    mae = PARTS[kind]
    name = max(mae.tensors)
    tensor = mae.tensors[name]
    rest = {key: value for key, value in mae.tensors.items() if key != name}
    for tensors, reason in (
        (rest, rf"missing: \['{name}'\], unexpected: \[\], other shape: \[\]"),
        (mae.tensors | {"head.extra": tensor}, r"missing: \[\], unexpected: \['head.extra'\], other shape: \[\]"),
        (rest | {name: tensor[..., :-1]}, rf"missing: \[\], unexpected: \[\], other shape: \['{name}'\]"),
        (rest | {name: tensor[None]}, rf"other shape: \['{name}'\]"),
    ):
        with pytest.raises(CheckpointError, match=f"some.file: the weights do not fit.*{reason}"):
            FrozenMAE.of(mae.config, tensors, "some.file")


def test_a_fingerprint_is_of_configuration_and_weights() -> None:
    mae = PARTS["vit"]
    assert len(mae.fingerprint) == 16
    assert to_frozen(small_vit()).fingerprint == mae.fingerprint
    shuffled = dict(sorted(mae.tensors.items(), key=lambda item: item[0][::-1]))
    assert FrozenMAE.of(mae.config, shuffled, "x").fingerprint == mae.fingerprint
    bias = mae.tensors["norm.bias"].copy()
    bias[3] += 1e-6
    others = [
        to_frozen(small_vit(seed=1)),
        FrozenMAE(SMALL_VIT.model_copy(update={"norm_eps": 1e-5}), mae.tensors),
        FrozenMAE(SMALL_VIT.model_copy(update={"pixel_mean": (0.5, 0.5, 0.5)}), mae.tensors),
        FrozenMAE(mae.config, mae.tensors | {"norm.bias": bias}),
    ]
    assert len({other.fingerprint for other in (mae, *others)}) == 5


def test_the_encoder_is_what_is_left_without_the_decoder() -> None:
    mae = PARTS["vit"]
    encoder = mae.encoder
    assert isinstance(encoder.config, ViTMAEConfig)
    assert not encoder.config.has_decoder
    assert tensor_shapes(encoder.config) == {name: tensor.shape for name, tensor in encoder.tensors.items()}
    assert all(encoder.tensors[name] is mae.tensors[name] for name in encoder.tensors)
    assert encoder.encoder.fingerprint == encoder.fingerprint != mae.fingerprint
    assert PARTS["conv"].encoder is PARTS["conv"]


def test_an_encoder_s_fingerprint_is_of_its_own_settings_and_weights() -> None:
    """Whatever the decoder is, was, or has learnt."""
    mae = PARTS["vit"]
    assert isinstance(mae.config, ViTMAEConfig)
    learnt = FrozenMAE(mae.config, mae.tensors | {"decoder_pred.bias": mae.tensors["decoder_pred.bias"] + 1})
    bare = FrozenMAE(SMALL_VIT.model_copy(update={"decoder_depth": 0}), mae.encoder.tensors)
    mean = FrozenMAE(SMALL_VIT.model_copy(update={"output": "mean", "target": "patch_norm"}), mae.tensors)
    assert {other.encoder.fingerprint for other in (learnt, bare, mean)} == {mae.encoder.fingerprint}
    others = [
        FrozenMAE(SMALL_VIT.model_copy(update={"activation": "quick_gelu"}), mae.tensors),
        FrozenMAE(SMALL_VIT.model_copy(update={"pixel_std": (0.5, 0.5, 0.5)}), mae.tensors),
        FrozenMAE(mae.config, mae.tensors | {"norm.bias": mae.tensors["norm.bias"] + 1}),
    ]
    assert len({other.encoder.fingerprint for other in (mae, *others)}) == 4


def test_the_shipped_head_was_trained_on_the_shipped_maes() -> None:
    """Of a scale without masks, on the encoder: its record stays right whatever decoder is shipped beside it."""
    recorded = json.loads((shipped("head") / "config.json").read_text())
    scales = recorded["spec"]["scales"]
    maes = {scale: load_backbone(name).mae for scale, name in recorded["backbone_names"].items()}
    found = {
        scale: mae.fingerprint if scales[scale]["masks"] else mae.encoder.fingerprint for scale, mae in maes.items()
    }
    assert found == recorded["backbones"]
    assert len(found) == 3
