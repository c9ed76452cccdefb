"""Loading the hub's layout: parity with transformers, the spellings of keys, refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cinemae.mae.errors import CheckpointError
from cinemae.mae.frozen import sincos_positions
from cinemae.mae.huggingface import load_huggingface
from cinemae.mae.modules import to_module
from cinemae.mae.vit import ViTMAE, patchify
from references import SMALL, Reference, random_batch

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
TOLERANCE = 1e-5


def loss_of(mae: ViTMAE, images: Tensor, prediction: Tensor, hidden: Tensor) -> float:
    """The published loss: squared error, averaged over hidden patches only."""
    truth = patchify(images, mae.config.patch_size)
    if mae.config.target == "patch_norm":
        truth = (truth - truth.mean(-1, keepdim=True)) / (truth.var(-1, keepdim=True) + 1e-6).sqrt()
    error = ((prediction - truth) ** 2).mean(-1)
    return float((error * hidden).sum() / hidden.sum())


def loaded(folder: Path) -> ViTMAE:
    mae = to_module(load_huggingface(folder)[0])
    assert isinstance(mae, ViTMAE)
    return mae


@torch.inference_mode()
def assert_parity(reference: Reference, images: Tensor, hidden: Tensor) -> None:
    mae = loaded(reference.folder)
    logits, latent, loss = reference.run(images, hidden)
    assert logits.abs().mean() > 0.1, "a comparison of zeros would prove nothing"
    torch.testing.assert_close(mae.encode(mae.embed(images), hidden)[-1], latent, atol=TOLERANCE, rtol=0)
    prediction = mae(images, hidden)
    torch.testing.assert_close(prediction, logits, atol=TOLERANCE, rtol=0)
    assert loss_of(mae, images, prediction, hidden) == pytest.approx(loss, abs=TOLERANCE)


@pytest.mark.parametrize("norm_pix_loss", [False, True])
def test_small_parity(make_reference: Callable[..., Reference], norm_pix_loss: bool) -> None:
    reference = make_reference(**SMALL, norm_pix_loss=norm_pix_loss)
    mae, raw = load_huggingface(reference.folder)
    assert mae.config.target == ("patch_norm" if norm_pix_loss else "raw")
    assert raw["norm_pix_loss"] is norm_pix_loss
    assert_parity(reference, *random_batch(3, 32, (8, 8)))


@pytest.mark.parametrize(("size", "norm_pix_loss"), [("base", True), ("large", False)])
def test_published_sizes_parity(make_reference: Callable[..., Reference], size: str, norm_pix_loss: bool) -> None:
    reference = make_reference(**(LARGE if size == "large" else {}), norm_pix_loss=norm_pix_loss)
    try:
        assert_parity(reference, *random_batch(1, 224, (14, 14)))
    finally:
        shutil.rmtree(reference.folder)  # more than a gigabyte; pytest keeps three runs


def rename_to_published(name: str) -> str:
    """What a file on the hub from before transformers 5 calls this tensor."""
    return name.replace("decoder.decoder_encoder.layer.", "decoder.decoder_layers.")


def test_reads_every_spelling_of_the_keys(
    make_reference: Callable[..., Reference], small_reference: Reference, tmp_path: Path
) -> None:
    as_saved = load_file(small_reference.folder / "model.safetensors")
    published = {rename_to_published(name): tensor for name, tensor in as_saved.items()}
    assert "decoder.decoder_layers.0.attention.attention.query.weight" in published
    assert "vit.encoder.layer.0.attention.output.dense.bias" in published
    shutil.copy(small_reference.folder / "config.json", tmp_path)
    save_file(published, tmp_path / "model.safetensors")
    native = make_reference(**SMALL, save={"save_original_format": False})
    assert "vit.layers.0.attention.q_proj.weight" in load_file(native.folder / "model.safetensors")
    images, hidden = random_batch(2, 32, (8, 8))
    expected = small_reference.run(images, hidden)[0]
    for folder in (small_reference.folder, tmp_path, native.folder):
        torch.testing.assert_close(loaded(folder)(images, hidden), expected, atol=1e-5, rtol=0)


def test_reads_shards_and_pickles(
    make_reference: Callable[..., Reference], small_reference: Reference, tmp_path: Path
) -> None:
    sharded = make_reference(**SMALL, save={"max_shard_size": "50KB"})
    assert (sharded.folder / "model.safetensors.index.json").exists()
    shutil.copy(small_reference.folder / "config.json", tmp_path)
    torch.save(load_file(small_reference.folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    expected = load_huggingface(small_reference.folder)[0].tensors
    for folder in (sharded.folder, tmp_path):
        tensors = load_huggingface(folder)[0].tensors
        assert all(np.array_equal(tensors[name], tensor) for name, tensor in expected.items())


def test_a_shard_outside_the_folder_is_refused(small_reference: Reference, tmp_path: Path) -> None:
    shutil.copy(small_reference.folder / "config.json", tmp_path)
    index = {"weight_map": {"vit.embeddings.cls_token": "../elsewhere.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="outside"):
        load_huggingface(tmp_path)


@pytest.mark.parametrize("width", [24, 48])
def test_positions_equal_transformers(width: int) -> None:
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    model = ViTMAEForPreTraining(ViTMAEConfig(**SMALL | {"decoder_hidden_size": width}))
    model.decoder.initialize_weights(64)  # transformers 5 leaves the table zero in a fresh model
    table = model.decoder.decoder_pos_embed.detach()
    torch.testing.assert_close(torch.from_numpy(sincos_positions(width, (8, 8)))[None], table)


def test_positions_come_from_the_checkpoint(small_reference: Reference) -> None:
    mae, _ = load_huggingface(small_reference.folder)
    stored = load_file(small_reference.folder / "model.safetensors")
    assert np.array_equal(mae.tensors["pos_embed"], stored["vit.embeddings.position_embeddings"].numpy())
    assert np.array_equal(mae.tensors["decoder_pos_embed"], stored["decoder.decoder_pos_embed"].numpy())


def test_no_qkv_bias(make_reference: Callable[..., Reference]) -> None:
    assert_parity(make_reference(**SMALL, qkv_bias=False), *random_batch(2, 32, (8, 8)))


def copy_with(reference: Reference, place: Path, **changes: Any) -> Path:
    shutil.copytree(reference.folder, place, dirs_exist_ok=True)
    config = json.loads((place / "config.json").read_text()) | changes
    (place / "config.json").write_text(json.dumps(config))
    return place


def test_preprocessor_gives_the_normalisation(small_reference: Reference, tmp_path: Path) -> None:
    place = copy_with(small_reference, tmp_path)
    assert load_huggingface(place)[0].config.pixel_mean == (0.485, 0.456, 0.406)
    (place / "preprocessor_config.json").write_text(
        json.dumps({"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1]})
    )
    config = load_huggingface(place)[0].config
    assert (config.pixel_mean, config.pixel_std) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


def test_target_can_be_overridden(small_reference: Reference) -> None:
    assert load_huggingface(small_reference.folder, target="patch_norm")[0].config.target == "patch_norm"


def test_encoder_only_is_refused_with_one_that_works(tmp_path: Path) -> None:
    from transformers import ViTMAEConfig, ViTMAEModel

    ViTMAEModel(ViTMAEConfig(**SMALL)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"only the encoder.*facebook/vit-mae-base"):
        load_huggingface(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "vit"}, "model_type"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"num_channels": 1}, "num_channels"),
        ({"hidden_size": 34}, "multiple of 4"),
        ({"num_hidden_layers": 4}, "missing.*blocks.3"),
        ({"image_size": 64}, "other shape.*pos_embed"),
    ],
)
def test_what_does_not_fit_is_refused(
    small_reference: Reference, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        load_huggingface(copy_with(small_reference, tmp_path, **changes))


def test_a_missing_tensor_is_never_made_up(small_reference: Reference, tmp_path: Path) -> None:
    place = copy_with(small_reference, tmp_path)
    tensors = load_file(place / "model.safetensors")
    del tensors["vit.encoder.layer.1.attention.attention.key.weight"]
    save_file(tensors, place / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"missing.*blocks\.1\.attn\.qkv\.weight"):
        load_huggingface(place)


def test_missing_files_are_named(small_reference: Reference, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_huggingface(tmp_path)
    shutil.copy(small_reference.folder / "config.json", tmp_path)
    with pytest.raises(CheckpointError, match="no weights there"):
        load_huggingface(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        load_huggingface(tmp_path)
