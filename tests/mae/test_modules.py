"""From arrays to torch and back: the same weights, and whose memory they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.conv import ConvMAE
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.modules import build, to_frozen, to_module
from cinemae.mae.vit import ViTMAE
from toys import SMALL_CONV, SMALL_VIT, small_conv, small_vit


@pytest.mark.parametrize("module", [small_vit(), small_conv()], ids=["vit", "conv"])
def test_there_and_back(module: ViTMAE | ConvMAE) -> None:
    again = to_module(to_frozen(module))
    assert type(again) is type(module)
    assert again.config == module.config
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    state = again.state_dict()
    assert state.keys() == module.state_dict().keys()
    for name, tensor in module.state_dict().items():
        assert torch.equal(state[name], tensor)


def test_frozen_weights_are_a_copy_of_that_moment() -> None:
    module = small_conv()
    frozen = to_frozen(module)
    before = frozen.tensors["head.bias"].copy()
    module.head.bias += 1
    assert np.array_equal(frozen.tensors["head.bias"], before)
    assert not np.array_equal(to_frozen(module).tensors["head.bias"], before)


def test_a_module_takes_no_memory_of_its_own() -> None:
    frozen = to_frozen(small_vit())
    for name, tensor in to_module(frozen).state_dict().items():
        assert np.shares_memory(tensor.numpy(), frozen.tensors[name])


def test_int8_becomes_the_float32_that_it_stands_for() -> None:
    whole, name = to_frozen(small_vit()), "blocks.1.fc1.weight"
    scale = np.linspace(0.001, 0.002, 48, dtype=np.float32)
    matrix = np.random.default_rng(0).integers(-127, 128, (48, 24)).astype(np.int8)
    small = FrozenMAE.of(whole.config, whole.tensors | {name: matrix, f"{name}.scale": scale}, "int8")
    state = to_module(small).state_dict()
    assert state.keys() == to_module(whole).state_dict().keys()
    assert np.array_equal(state[name].numpy(), matrix * scale[:, None])


def test_half_precision_is_frozen_as_float32() -> None:
    half = small_conv().to(torch.bfloat16)
    frozen = to_frozen(half)
    assert {tensor.dtype for tensor in frozen.tensors.values()} == {np.dtype(np.float32)}
    assert np.array_equal(frozen.tensors["stem.weight"], half.stem.weight.float().numpy())


@pytest.mark.parametrize(("config", "kind"), [(SMALL_VIT, ViTMAE), (SMALL_CONV, ConvMAE)])
def test_the_configuration_says_which_network(config: ViTMAEConfig | ConvMAEConfig, kind: type) -> None:
    assert type(build(config)) is kind
