"""Our own checkpoints: round trips, fingerprints, and no weight made up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.checkpoint import CheckpointError, CheckpointRecord, load_mae, save_mae
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.modules import build, to_frozen

VIT = ViTMAEConfig(
    image_size=16,
    patch_size=4,
    width=16,
    depth=1,
    heads=2,
    mlp_width=32,
    decoder_width=8,
    decoder_depth=1,
    decoder_heads=2,
    decoder_mlp_width=16,
    output="logistic",
)
CONV = ConvMAEConfig(width=8)


def initialised(config: ViTMAEConfig | ConvMAEConfig, seed: int = 0) -> FrozenMAE:
    module = build(config)
    module.initialise(torch.Generator().manual_seed(seed))
    return to_frozen(module)


@pytest.mark.parametrize("config", [VIT, CONV], ids=["vit", "conv"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 0), (np.float16, 1e-3)])
def test_round_trip(
    tmp_path: Path, config: ViTMAEConfig | ConvMAEConfig, dtype: type[np.floating], tolerance: float
) -> None:
    mae = initialised(config)
    record = CheckpointRecord(architecture=config, licence="Apache-2.0", training={"steps": 3})
    save_mae(tmp_path / "mae", mae, record, dtype)
    loaded, read = load_mae(tmp_path / "mae")
    assert read == record
    assert loaded.config == config
    assert loaded.tensors.keys() == mae.tensors.keys()
    for name, tensor in mae.tensors.items():
        assert loaded.tensors[name].dtype == np.float32
        np.testing.assert_allclose(loaded.tensors[name], tensor, atol=tolerance, rtol=0)


def test_noise_model_travels_along(tmp_path: Path) -> None:
    record = CheckpointRecord(architecture=CONV, noise=NoiseModel(coefficients=(1.0, 0.5, 0.25)))
    save_mae(tmp_path, initialised(CONV), record)
    assert load_mae(tmp_path)[1].noise == record.noise


def test_a_fingerprint_survives_the_file(tmp_path: Path) -> None:
    mae = initialised(VIT)
    save_mae(tmp_path, mae, CheckpointRecord(architecture=VIT), np.float32)
    assert load_mae(tmp_path)[0].fingerprint == mae.fingerprint


def in_int8(mae: FrozenMAE) -> FrozenMAE:
    """The same MAE with its encoder blocks' matrices in int8, and scales that float16 could not hold."""
    tensors = dict(mae.tensors)
    rng = np.random.default_rng(0)
    for name in [name for name, tensor in tensors.items() if name.startswith("blocks.") and tensor.ndim == 2]:
        tensors[f"{name}.scale"] = rng.uniform(1e-3, 2e-3, len(tensors[name])).astype(np.float32)
        tensors[name] = rng.integers(-127, 128, tensors[name].shape).astype(np.int8)
    return FrozenMAE.of(mae.config, tensors, "int8")


@pytest.mark.parametrize("apart", [False, True], ids=["one file", "two files"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_int8_matrices_stay_as_they_are(tmp_path: Path, apart: bool, dtype: type[np.floating]) -> None:
    mae = in_int8(initialised(VIT))
    record = CheckpointRecord(architecture=VIT, encoder="encoder.safetensors" if apart else None)
    save_mae(tmp_path, mae, record, dtype)
    back, read = load_mae(tmp_path)
    assert read == record
    assert back.tensors.keys() == mae.tensors.keys()
    for name, tensor in mae.tensors.items():
        assert back.tensors[name].dtype == tensor.dtype
        if apart and name in mae.encoder.tensors:
            assert np.array_equal(back.tensors[name], tensor)  # not even rounded to float16
        elif tensor.dtype == np.int8 or name.endswith(".scale"):
            assert np.array_equal(back.tensors[name], tensor)


def test_an_encoder_has_a_file_of_its_own(tmp_path: Path) -> None:
    mae = initialised(VIT)
    save_mae(tmp_path, mae, CheckpointRecord(architecture=VIT, encoder="encoder.safetensors"))
    assert load_file(tmp_path / "encoder.safetensors").keys() == mae.encoder.tensors.keys()
    assert load_file(tmp_path / "model.safetensors").keys() == mae.tensors.keys() - mae.encoder.tensors.keys()
    assert load_mae(tmp_path)[0].encoder.fingerprint == mae.encoder.fingerprint


def test_an_encoder_without_a_decoder_comes_back(tmp_path: Path) -> None:
    mae = initialised(VIT).encoder
    assert isinstance(mae.config, ViTMAEConfig)
    save_mae(tmp_path, mae, CheckpointRecord(architecture=mae.config, encoder="encoder.safetensors"))
    assert not load_file(tmp_path / "model.safetensors")
    assert load_mae(tmp_path)[0].fingerprint == mae.fingerprint


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_an_encoder_s_file_that_is_missing_or_damaged_is_named(tmp_path: Path, damage: str) -> None:
    save_mae(tmp_path, initialised(VIT), CheckpointRecord(architecture=VIT, encoder="encoder.safetensors"))
    file = tmp_path / "encoder.safetensors"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors"):
        load_mae(tmp_path)


@pytest.mark.parametrize("name", ["../encoder.safetensors", "/etc/passwd", "other.safetensors"])
def test_an_encoder_s_file_is_in_the_folder(tmp_path: Path, name: str) -> None:
    save_mae(tmp_path, initialised(VIT), CheckpointRecord(architecture=VIT))
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"encoder": name}))
    with pytest.raises(CheckpointError, match=r"config\.json: not a cinemae MAE"):
        load_mae(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_mae(tmp_path)
    (tmp_path / "config.json").write_text(CheckpointRecord(architecture=CONV).model_dump_json())
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        load_mae(tmp_path)


def test_tensors_must_fit_exactly(tmp_path: Path) -> None:
    save_mae(tmp_path, initialised(CONV), CheckpointRecord(architecture=CONV))
    whole = load_file(tmp_path / "model.safetensors")
    for tensors, reason in (
        ({k: v for k, v in whole.items() if k != "head.bias"}, r"missing: \['head\.bias'\]"),
        (whole | {"extra": np.zeros(1)}, r"unexpected: \['extra'\]"),
        (whole | {"head.bias": np.zeros(2)}, r"other shape: \['head\.bias'\]"),
    ):
        save_file(tensors, tmp_path / "model.safetensors")
        with pytest.raises(CheckpointError, match=reason):
            load_mae(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    save_mae(tmp_path, initialised(CONV), CheckpointRecord(architecture=CONV))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged"):
        load_mae(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2, "architecture": {"kind": "conv"}}', '{"x": 1}'])
def test_other_configurations_are_refused(tmp_path: Path, content: str) -> None:
    save_mae(tmp_path, initialised(CONV), CheckpointRecord(architecture=CONV))
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json: not a cinemae MAE"):
        load_mae(tmp_path)


def test_config_is_plain_json(tmp_path: Path) -> None:
    save_mae(tmp_path, initialised(CONV), CheckpointRecord(architecture=CONV))
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["format"] == 1
    assert values["architecture"]["kind"] == "conv"
