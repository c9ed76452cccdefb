"""Meta's .pth layout: parity, what a name says, and files that hold more than data."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cinemae.mae.errors import CheckpointError
from cinemae.mae.meta import load_meta
from cinemae.mae.modules import to_module
from references import WIDTH_OF_BASE, Reference, random_batch, to_meta

VISUALIZE = "mae_visualize_vit_base.pth"


@pytest.fixture(scope="module")
def reference(make_reference: Callable[..., Reference]) -> Reference:
    return make_reference(**WIDTH_OF_BASE)


@pytest.fixture(scope="module")
def state(reference: Reference) -> dict[str, Tensor]:
    return to_meta(reference)


def test_parity(reference: Reference, state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"model": state}, tmp_path / VISUALIZE)
    mae = load_meta(tmp_path / VISUALIZE)
    images, hidden = random_batch(2, 32, (4, 4))
    torch.testing.assert_close(to_module(mae)(images, hidden), reference.run(images, hidden)[0], atol=1e-5, rtol=0)
    assert (mae.config.image_size, mae.config.patch_size, mae.config.depth) == (32, 8, 2)
    assert (mae.config.heads, mae.config.decoder_heads, mae.config.norm_eps) == (12, 16, 1e-6)


@pytest.mark.parametrize(("name", "target"), [(VISUALIZE, "raw"), ("mae_pretrain_vit_base_full.pth", "patch_norm")])
def test_the_name_says_the_target(state: dict[str, Tensor], tmp_path: Path, name: str, target: str) -> None:
    torch.save({"model": state}, tmp_path / name)
    assert load_meta(tmp_path / name).config.target == target


def test_an_unknown_name_needs_a_target(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-799.pth"
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"target='raw'.*target='patch_norm'"):
        load_meta(path)
    assert load_meta(path, target="patch_norm").config.target == "patch_norm"


def test_command_line_arguments_are_read_as_data(state: dict[str, Tensor], tmp_path: Path) -> None:
    arguments = argparse.Namespace(model="mae_vit_base_patch16", norm_pix_loss=True, lr=1e-4)
    torch.save({"model": state, "args": arguments, "epoch": 3}, tmp_path / VISUALIZE)
    assert load_meta(tmp_path / VISUALIZE).config.width == 768


class Evil:
    """Makes a folder when a careless loader unpickles it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.place),)


def test_a_pickle_with_code_is_refused_and_not_run(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"model": state, "args": Evil(tmp_path / "owned")}, tmp_path / VISUALIZE)
    with pytest.raises(CheckpointError, match=r"refused.*posix\.mkdir|nt\.mkdir"):
        load_meta(tmp_path / VISUALIZE)
    assert not (tmp_path / "owned").exists()
    torch.load(tmp_path / VISUALIZE, weights_only=False)
    assert (tmp_path / "owned").exists(), "the attack must work on a careless loader"


def test_namespace_is_not_allowed_for_everyone_afterwards(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"model": state, "args": argparse.Namespace(a=1)}, tmp_path / VISUALIZE)
    load_meta(tmp_path / VISUALIZE)
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


def test_encoder_only_is_refused_with_files_that_work(state: dict[str, Tensor], tmp_path: Path) -> None:
    encoder = {name: tensor for name, tensor in state.items() if not name.startswith(("decoder", "mask"))}
    path = tmp_path / "mae_pretrain_vit_base.pth"
    torch.save({"model": encoder}, path)
    with pytest.raises(CheckpointError, match=r"only the encoder.*mae_visualize_vit_base\.pth"):
        load_meta(path)


def test_an_incomplete_decoder_is_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    for missing in ("decoder_blocks.0.attn.qkv.bias", "decoder_embed.weight", "pos_embed"):
        torch.save({"model": {k: v for k, v in state.items() if k != missing}}, tmp_path / VISUALIZE)
        with pytest.raises(CheckpointError, match=re.escape(missing)):
            load_meta(tmp_path / VISUALIZE)


def test_an_unknown_width_is_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"model": state | {"patch_embed.proj.weight": torch.zeros(100, 3, 8, 8)}}, tmp_path / VISUALIZE)
    with pytest.raises(CheckpointError, match="width 100"):
        load_meta(tmp_path / VISUALIZE)


@pytest.mark.parametrize("content", [b"", b"hello" * 100, b"PK\x03\x04" + b"\0" * 60])
def test_damage_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / VISUALIZE
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable torch checkpoint"):
        load_meta(path)


def test_other_contents_are_refused(tmp_path: Path) -> None:
    for content, reason in (([1, 2], "neither a state dict"), ({"model": {"a": torch.zeros(1)}}, "no MAE of Meta")):
        torch.save(content, tmp_path / VISUALIZE)
        with pytest.raises(CheckpointError, match=reason):
            load_meta(tmp_path / VISUALIZE)
    with pytest.raises(CheckpointError, match="not a readable file"):
        load_meta(tmp_path / "absent.pth")
