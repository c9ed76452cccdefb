"""Frozen encoders: the numbers of transformers and timm themselves, whole checkpoints only, and no network."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from baselines_tools import PROCESSOR, write_json
from cinemae.baselines import BaselineError, ProbeConfig, Scorer
from cinemae.baselines.encoders import MissingLibraryError, find_checkpoint, open_encoder
from cinemae.images import native_crops, resized_view
from cinemae.mae.checkpoint import CheckpointRecord, save_mae
from cinemae.mae.errors import CheckpointError
from cinemae.mae.modules import to_frozen
from cinemae.masks import PartitionMasks
from pictures import photo
from toys import pink, save_small, small_conv, small_vit

PICTURE = pink(1, 64)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Any use of the network fails the test."""

    def refuse(*args: object, **settings: object) -> None:
        pytest.fail(f"the network was used: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def vector(checkpoint: object, pixels: np.ndarray = PICTURE, pool: str = "auto") -> np.ndarray:
    return open_encoder(find_checkpoint(str(checkpoint)), pool, "f32", "cpu")(pixels)


def without(folder: Path, place: Path, *parts: str) -> Path:
    """A copy of a checkpoint that lacks the weights whose names hold one of these."""
    shutil.copytree(folder, place)
    tensors = load_file(place / "model.safetensors")
    kept = {name: array for name, array in tensors.items() if not any(part in name for part in parts)}
    assert len(kept) < len(tensors)
    save_file(kept, place / "model.safetensors", metadata={"format": "pt"})
    return place


def wanted(model: torch.nn.Module, pixels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (np.array(PROCESSOR[name]) for name in ("image_mean", "image_std"))
    values = ((pixels / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]
    with torch.inference_mode():
        out = model.eval()(pixel_values=torch.from_numpy(values))
    return out.last_hidden_state[0], out.pooler_output[0]


def test_the_vectors_are_those_of_transformers(vit_folder):
    from transformers import ViTModel

    tokens, pooler = wanted(ViTModel.from_pretrained(vit_folder, local_files_only=True), PICTURE)
    for pool, expected in (("auto", pooler), ("pooler", pooler), ("cls", tokens[0]), ("mean", tokens.mean(0))):
        assert vector(vit_folder, pool=pool) == pytest.approx(expected.numpy(), abs=1e-5)


def test_pictures_are_prepared_as_the_checkpoint_says(vit_folder):
    """Short side to the recorded size by the recorded filter, then the centre: never squashed."""
    from transformers import ViTModel

    tall = np.asarray(Image.fromarray(pink(2, 128)).crop((16, 0, 112, 128)))
    scaled = Image.fromarray(tall).resize((64, 64), Image.Resampling.BILINEAR, box=(0, 16, 96, 112))
    _, pooler = wanted(ViTModel.from_pretrained(vit_folder, local_files_only=True), np.asarray(scaled))
    assert vector(vit_folder, tall) == pytest.approx(pooler.numpy(), abs=1e-5)


def test_of_pictures_and_text_the_vision_tower_is_taken(tmp_path):
    from transformers import CLIPConfig, CLIPModel, CLIPVisionModel

    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
        vision_config={**small, "image_size": 64, "patch_size": 16},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    write_json(tmp_path / "clip" / "processor_config.json", {"image_processor": PROCESSOR, "processor_class": "x"})
    tower = CLIPVisionModel.from_pretrained(tmp_path / "clip", local_files_only=True)
    assert vector(tmp_path / "clip") == pytest.approx(wanted(tower, PICTURE)[1].numpy(), abs=1e-5)


def test_the_same_picture_has_the_same_vector_to_the_bit(vit_folder):
    first = vector(vit_folder)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert vector(vit_folder).tobytes() == first.tobytes()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    encoder = open_encoder(find_checkpoint(str(vit_folder)), "auto", "f32", "cpu")
    encoder(pink(9, 64))
    assert encoder(PICTURE).tobytes() == first.tobytes()


def test_other_arithmetic_is_another_part_of_the_cache(vit_folder):
    config = ProbeConfig(checkpoint=str(vit_folder))
    single, half = config.measurer("f32", "cpu"), config.measurer("bf16", "cpu")
    assert single.parts != half.parts
    near, exact = half.build()(PICTURE, "probe"), single.build()(PICTURE, "probe")
    assert near.dtype == np.float32
    assert near == pytest.approx(exact, abs=0.1)
    assert not np.array_equal(near, exact)
    assert config.measurer("auto", "cpu") == single


def test_a_missing_weight_is_an_error_and_never_a_random_one(vit_folder, tmp_path):
    broken = without(vit_folder, tmp_path / "broken", "layer.1")
    for pool in ("auto", "cls", "mean"):
        with pytest.raises(CheckpointError, match=r"broken: \d+ weights are missing.*as layers\.1"):
            vector(broken, pool=pool)
    with pytest.raises(CheckpointError, match="weights are missing"):
        ProbeConfig(checkpoint=str(broken)).measurer("f32", "cpu")


def test_a_checkpoint_without_its_pooler_gives_the_class_token(vit_folder, tmp_path):
    bare = without(vit_folder, tmp_path / "bare", "pooler")
    assert np.array_equal(vector(bare), vector(vit_folder, pool="cls"))
    assert np.array_equal(vector(bare, pool="mean"), vector(vit_folder, pool="mean"))
    with pytest.raises(CheckpointError, match="no weights for the pooler"):
        vector(bare, pool="pooler")


def test_a_classifier_s_folder_gives_its_encoder(vit_folder, tmp_path):
    place = tmp_path / "classifier"
    shutil.copytree(vit_folder, place)
    tensors = load_file(place / "model.safetensors")
    prefixed = {f"vit.{name}": array for name, array in tensors.items() if "pooler" not in name}
    save_file(prefixed | {"classifier.bias": np.zeros(2, np.float32)}, place / "model.safetensors", {"format": "pt"})
    assert np.array_equal(vector(place), vector(vit_folder, pool="cls"))


def test_weights_of_another_shape_are_refused(vit_folder, tmp_path):
    place = tmp_path / "odd"
    shutil.copytree(vit_folder, place)
    values = json.loads((place / "config.json").read_text())
    write_json(place / "config.json", values | {"intermediate_size": 48})
    with pytest.raises(CheckpointError, match="odd"):
        vector(place)


def test_pickled_weights_are_not_read(vit_folder, tmp_path):
    place = tmp_path / "pickled"
    shutil.copytree(vit_folder, place)
    (place / "model.safetensors").rename(place / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="weights must be safetensors"):
        find_checkpoint(str(place))


def test_code_in_a_checkpoint_is_not_run(vit_folder, tmp_path):
    place = tmp_path / "trojan"
    shutil.copytree(vit_folder, place)
    values = json.loads((place / "config.json").read_text())
    remote = {"model_type": "trojan", "auto_map": {"AutoConfig": "trojan.Config", "AutoModel": "trojan.Model"}}
    write_json(place / "config.json", values | remote)
    (place / "trojan.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\n")
    with pytest.raises(CheckpointError, match="trojan"):
        vector(place)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"size": None}, "a size must be"),
        ({"size": {"height": 64, "width": 32}}, "a size must be"),
        ({"resample": None}, "resample"),
        ({"image_mean": [0.5]}, "mean"),
        ({"image_std": [0.5, 0.5, 0.0]}, "positive"),
        ({"rescale_factor": 1 / 127.5}, "1/255"),
        ({"size": 32}, "does not take images of 32"),
    ],
)
def test_records_that_do_not_say_how_images_are_prepared_are_refused(vit_folder, tmp_path, changed, reason):
    place = tmp_path / "record"
    shutil.copytree(vit_folder, place)
    write_json(place / "preprocessor_config.json", PROCESSOR | changed)
    with pytest.raises(CheckpointError, match=f"record.*(?s:.*){reason}"):
        vector(place)


def test_a_folder_without_a_record_is_refused(vit_folder, tmp_path):
    place = tmp_path / "bare"
    shutil.copytree(vit_folder, place)
    (place / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json"):
        vector(place)


def test_an_encoder_that_draws_is_refused(vit_folder, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr("cinemae.baselines.probe.open_encoder", lambda *args: lambda pixels: rng.normal(size=4))
    with pytest.raises(CheckpointError, match="another vector each time"):
        ProbeConfig(checkpoint=str(vit_folder)).measurer("f32", "cpu")


def test_a_name_that_is_not_here_is_not_looked_for_elsewhere():
    with pytest.raises(CheckpointError, match="nobody/nothing"):
        ProbeConfig(checkpoint="nobody/nothing").measurer("f32", "cpu")


def test_another_checkpoint_in_the_same_folder_is_noticed(vit_folder, tmp_path):
    place = tmp_path / "vit"
    shutil.copytree(vit_folder, place)
    config = ProbeConfig(checkpoint=str(place))
    measurer = config.measurer("f32", "cpu")
    rows = np.random.default_rng(0).normal(size=(16, measurer.width)).astype(np.float32)
    scorer = config.fit(rows, np.arange(16) % 2, np.ones(16), np.arange(16) % 4 < 2)
    scorer.save(tmp_path / "scorer")
    assert Scorer.load(tmp_path / "scorer").measurer("f32", "cpu") == measurer
    tensors = load_file(place / "model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] + 1}, place / "model.safetensors", {"format": "pt"})
    assert config.measurer("f32", "cpu").parts != measurer.parts
    with pytest.raises(BaselineError, match="another checkpoint"):
        Scorer.load(tmp_path / "scorer").measurer("f32", "cpu")


def test_an_mae_gives_the_pooled_features_of_its_last_block(tmp_path):
    from cinemae.features.extractor import Backbone
    from cinemae.mae.load import load_backbone
    from cinemae.mae.select import make_runtime

    pixels = np.array(photo())
    place = save_small(tmp_path / "vit", small_vit())
    runtime = Backbone(make_runtime(load_backbone(place).mae, "cpu", "f32")).runtime
    out = runtime.view(resized_view(pixels), PartitionMasks(groups=4).hidden((14, 14), 0)).encoder
    parts = [out[f"last.{part}"] for part in ("cls", "mean", "std")]
    assert vector(place, pixels) == pytest.approx(np.concatenate(parts), abs=1e-5)
    assert vector(place, pixels, "cls") == pytest.approx(parts[0], abs=1e-5)
    assert vector(place, pixels, "mean") == pytest.approx(parts[1], abs=1e-5)
    with pytest.raises(CheckpointError, match="no vector of the kind pooler"):
        vector(place, pixels, "pooler")


def test_an_encoder_without_a_decoder_gives_what_it_gave_with_one(tmp_path):
    whole = to_frozen(small_vit())
    save_mae(tmp_path / "encoder", whole.encoder, CheckpointRecord(architecture=whole.encoder.config), np.float32)
    save_mae(tmp_path / "whole", whole, CheckpointRecord(architecture=whole.config), np.float32)
    pixels = np.array(photo())
    assert np.array_equal(vector(tmp_path / "encoder", pixels), vector(tmp_path / "whole", pixels))


def test_a_convolutional_mae_is_asked_at_native_crops(tmp_path):
    place = save_small(tmp_path / "conv", small_conv())
    pixels = pink(3, 320)
    views = native_crops(pixels, size=160, count=2)
    assert vector(place, pixels) == pytest.approx(np.mean([vector(place, view) for view in views], 0), abs=1e-5)
    assert len(vector(place, pixels)) == 2 * len(vector(place, pixels, "mean"))
    with pytest.raises(CheckpointError, match="no vector of the kind cls"):
        vector(place, pixels, "cls")


def test_the_shipped_maes_can_be_probed():
    for name in ("cinemae/vit-tiny", "cinemae/vit-base", "cinemae/conv-fine"):
        found = find_checkpoint(name)
        assert found.kind == "cinemae"
        assert ProbeConfig(checkpoint=name).measurer("f32", "cpu").width > 100


def test_transformers_random_masks_never_reach_a_probe(tmp_path):
    """Its own ViTMAE draws masks anew: such a folder is taken as an MAE of ours."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    torch.manual_seed(0)
    config = ViTMAEConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, decoder_hidden_size=16,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=32,
    )  # fmt: skip
    ViTMAEForPreTraining(config).save_pretrained(tmp_path / "mae")
    write_json(tmp_path / "mae" / "preprocessor_config.json", PROCESSOR | {"size": 224})
    assert find_checkpoint(str(tmp_path / "mae")).kind == "cinemae"
    pixels = np.array(photo())
    assert np.array_equal(vector(tmp_path / "mae", pixels), vector(tmp_path / "mae", pixels))


def test_without_transformers_the_command_is_named(vit_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="pip install 'transformers"):
        vector(vit_folder)


def timm_record(**changes: object) -> dict[str, object]:
    """``config.json`` as timm's ``save_for_hf`` writes it."""
    record = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 3,
        "num_features": 32,
        "global_pool": "token",
        "model_args": {"img_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 2},
        "pretrained_cfg": {
            "tag": "x",
            "input_size": [3, 64, 64],
            "interpolation": "bicubic",
            "crop_pct": 0.8,
            "mean": PROCESSOR["image_mean"],
            "std": PROCESSOR["image_std"],
            "num_classes": 3,
            "classifier": "head",
        },
    }
    return record | changes


def timm_folder(place: Path, **changes: object) -> Path:
    place.mkdir()
    write_json(place / "config.json", timm_record(**changes))
    save_file({"x": np.zeros(1, np.float32)}, place / "model.safetensors")
    return place


def test_without_timm_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    folder = timm_folder(tmp_path / "timm")
    assert find_checkpoint(str(folder)).kind == "timm"
    with pytest.raises(MissingLibraryError, match="pip install timm"):
        vector(folder)
    with pytest.raises(CheckpointError, match="timm's models have no pooler"):
        vector(folder, pool="pooler")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"input_size": [3, 64, 32]}, "input_size"),
        ({"crop_pct": 0}, "crop_pct"),
        ({"interpolation": "random"}, "resample"),
        ({"mean": None}, "mean"),
    ],
)
def test_timm_s_records_are_checked(tmp_path, changed, reason):
    record = timm_record()
    folder = timm_folder(tmp_path / "record", pretrained_cfg=record["pretrained_cfg"] | changed)
    with pytest.raises(CheckpointError, match=f"record.*(?s:.*){reason}"):
        vector(folder)


@pytest.fixture
def timm_vit(tmp_path) -> tuple[Path, torch.nn.Module]:
    """A small ViT of timm, saved in the hub's layout, and itself."""
    timm = pytest.importorskip("timm", reason="timm needs the torchvision of this torch")
    from safetensors.torch import save_file as save_tensors

    torch.manual_seed(0)
    record = timm_record()
    model = timm.create_model(record["architecture"], num_classes=3, global_pool="token", **record["model_args"])
    folder = timm_folder(tmp_path / "timm")
    save_tensors(model.state_dict(), folder / "model.safetensors")
    return folder, model.eval()


def test_the_vectors_are_those_of_timm(timm_vit):
    folder, model = timm_vit
    scaled = resized_view(PICTURE, resize=80, crop=64)
    mean, std = (np.array(PROCESSOR[name]) for name in ("image_mean", "image_std"))
    values = torch.from_numpy(((scaled / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None])
    with torch.inference_mode():
        tokens = model.forward_features(values)
        head = model.forward_head(tokens, pre_logits=True)[0]
    for pool, expected in (("auto", head), ("cls", tokens[0, 0]), ("mean", tokens[0, 1:].mean(0))):
        assert vector(folder, pool=pool) == pytest.approx(expected.numpy(), abs=1e-5)


def test_timm_s_weights_must_be_whole_and_its_own(timm_vit, tmp_path):
    folder, _ = timm_vit
    with pytest.raises(CheckpointError, match=r"weights are missing, as blocks\.1"):
        vector(without(folder, tmp_path / "broken", "blocks.1"))
    assert np.array_equal(vector(without(folder, tmp_path / "headless", "head.")), vector(folder))
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"more": np.zeros(1, np.float32)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="that the architecture lacks, as more"):
        vector(folder)
    write_json(folder / "config.json", timm_record(global_pool=""))
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="without a pooling of its own"):
        vector(folder)
    shutil.copytree(folder, tmp_path / "unknown")
    write_json(tmp_path / "unknown" / "config.json", timm_record(architecture="no_such_net"))
    with pytest.raises(CheckpointError, match="no_such_net"):
        vector(tmp_path / "unknown")
