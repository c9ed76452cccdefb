"""The trainer: it learns, it ends, and it goes on after a break as if there had been none."""

import json
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from cinemae.mae.checkpoint import CheckpointError, CheckpointRecord, load_mae, save_mae
from cinemae.mae.config import ARCHITECTURES
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.modules import to_frozen
from cinemae.pretrain import train
from cinemae.pretrain.config import PRESETS, PretrainConfig, TileConfig
from cinemae.pretrain.train import REPORT_EVERY, RunMismatchError, Trainer, check_resumable, learning_rate
from toys import SMALL_CONV, SMALL_VIT, pink, small_vit

TILES = np.stack([pink(number, 40) for number in range(24)])
TILE = TileConfig(size=40, count=24, native=1.0)
CONV = PretrainConfig(
    architecture="toy-conv", tiles=TILE, crop=32, batch=2, groups=2, steps=120, precision="f32",
    save_minutes=1e-9, validation=0.1, weight_decay=0.01,
)  # fmt: skip
VIT = CONV.model_copy(update={"architecture": "toy-vit", "groups": 4, "steps": 100})


class Break(BaseException):
    """Stands for whatever ends a run in the middle."""


@pytest.fixture(autouse=True)
def toy_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "toy-conv", SMALL_CONV)
    monkeypatch.setitem(ARCHITECTURES, "toy-vit", SMALL_VIT.model_copy(update={"image_size": 32, "patch_size": 8}))
    monkeypatch.setattr(train, "VALIDATION_BATCHES", 2)


def run(config: PretrainConfig, out: Path, stop_after: int | None = None) -> Trainer:
    """Train; with ``stop_after`` the run is broken at the first log line from that step on."""
    trainer = Trainer(config, TILES, out)

    def report(line: dict[str, float]) -> None:
        if stop_after is not None and line["step"] >= stop_after and "bits_per_dim" in line:
            raise Break

    if stop_after is None:
        trainer.run(report)
    else:
        with pytest.raises(Break):
            trainer.run(report)
    return trainer


def curve(out: Path) -> dict[tuple[int, str], float]:
    """The log's figures by step and kind."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {(line["step"], key): line[key] for line in lines for key in line if key.endswith("bits_per_dim")}


@pytest.mark.parametrize("config", [CONV, VIT], ids=["conv", "vit"])
def test_resumed_run_takes_the_same_steps(config, tmp_path):
    run(config, tmp_path / "whole")
    run(config, tmp_path / "broken", stop_after=60)
    steps_logged = max(step for step, _ in curve(tmp_path / "broken"))
    resumed = run(config, tmp_path / "broken")
    assert steps_logged == 60
    assert resumed.step == config.steps
    whole, broken = curve(tmp_path / "whole"), curve(tmp_path / "broken")
    assert whole.keys() == broken.keys()
    assert (20, "bits_per_dim") in whole
    assert (40, "validation_bits_per_dim") in whole
    for key, value in whole.items():
        assert broken[key] == pytest.approx(value, abs=1e-5), key
    a, b = load_mae(tmp_path / "whole")[0], load_mae(tmp_path / "broken")[0]
    for name, tensor in a.tensors.items():
        assert np.allclose(tensor, b.tensors[name], atol=1e-5), name


ENCODER = SMALL_VIT.model_copy(update={"image_size": 32, "patch_size": 8, "pre_norm": True, "activation": "quick_gelu"})


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretrainConfig:
    """A run that trains a decoder, of another shape, behind an encoder with int8 matrices."""
    mae = to_frozen(small_vit(7, ENCODER))
    tensors = dict(mae.tensors)
    for name in [name for name, tensor in tensors.items() if name.startswith("blocks.") and tensor.ndim == 2]:
        scale = np.abs(tensors[name]).max(axis=1) / np.float32(127)
        tensors |= {name: np.rint(tensors[name] / scale[:, None]).astype(np.int8), f"{name}.scale": scale}
    record = CheckpointRecord(architecture=ENCODER, encoder="encoder.safetensors")
    save_mae(tmp_path / "encoder", FrozenMAE.of(ENCODER, tensors, "x"), record)
    tapped = ENCODER.model_copy(update={"taps": (0, 2, 4), "decoder_width": 20, "decoder_depth": 2})
    monkeypatch.setitem(ARCHITECTURES, "toy-frozen", tapped)
    return VIT.model_copy(update={"architecture": "toy-frozen", "encoder": str(tmp_path / "encoder"), "steps": 80})


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_frozen_encoder_stays_to_the_bit(frozen, tmp_path, precision):
    trainer = run(frozen.model_copy(update={"precision": precision, "steps": 40}), tmp_path / "out")
    given, _ = load_mae(Path(str(frozen.encoder)))
    mae, record = load_mae(tmp_path / "out")
    assert record.encoder == "encoder.safetensors"
    assert mae.config == ARCHITECTURES["toy-frozen"]
    assert mae.encoder.fingerprint == given.encoder.fingerprint
    assert {name: tensor.dtype for name, tensor in mae.encoder.tensors.items()} == {
        name: tensor.dtype for name, tensor in given.encoder.tensors.items()
    }
    assert (tmp_path / "out" / "encoder.safetensors").read_bytes() == (
        Path(str(frozen.encoder)) / "encoder.safetensors"
    ).read_bytes()
    for network in (trainer.master, trainer.average):
        assert np.array_equal(network.blocks[1].fc1.weight.detach().numpy(), given.floats("blocks.1.fc1.weight"))
    fresh = train.start(frozen, given.encoder)
    assert not torch.equal(trainer.master.decoder_embed.weight, fresh.decoder_embed.weight)  # and the rest has moved
    assert trainer.average.decoder_embed.weight.shape == (20, 72)


def test_a_run_with_a_frozen_encoder_is_resumed_as_if_unbroken(frozen, tmp_path):
    run(frozen, tmp_path / "whole")
    run(frozen, tmp_path / "broken", stop_after=40)
    resumed = run(frozen, tmp_path / "broken")
    assert resumed.step == 80
    whole, broken = curve(tmp_path / "whole"), curve(tmp_path / "broken")
    assert whole.keys() == broken.keys()
    assert list(whole.values()) == pytest.approx([broken[key] for key in whole], abs=1e-5)
    a, b = load_mae(tmp_path / "whole")[0], load_mae(tmp_path / "broken")[0]
    for name, tensor in a.tensors.items():
        assert np.allclose(tensor, b.tensors[name], atol=1e-5), name
    saved = load_file(tmp_path / "whole" / "state.safetensors")  # the encoder is not stored once more, twice
    assert not any("blocks.0.fc1" in name and "decoder" not in name for name in saved)


def test_a_run_s_own_result_may_be_the_next_one_s_encoder(frozen, tmp_path):
    run(frozen.model_copy(update={"steps": 20}), tmp_path / "first")
    again = frozen.model_copy(update={"steps": 20, "encoder": str(tmp_path / "first")})
    run(again, tmp_path / "second")
    first, second = (load_mae(tmp_path / name)[0] for name in ("first", "second"))
    assert first.encoder.fingerprint == second.encoder.fingerprint


@pytest.mark.parametrize(
    "update", [{"width": 32}, {"depth": 3}, {"activation": "gelu"}, {"pre_norm": False}, {"pixel_mean": (0.5,) * 3}]
)
def test_an_encoder_of_another_architecture_is_refused(frozen, tmp_path, update):
    """Not only where tensors do not fit: another activation would be computed without a word."""
    other = ENCODER.model_copy(update=update)
    mae = to_frozen(small_vit(7, other))
    save_mae(tmp_path / "other", mae, CheckpointRecord(architecture=other))
    with pytest.raises(CheckpointError, match="other: its encoder is not that of toy-frozen"):
        Trainer(frozen.model_copy(update={"encoder": str(tmp_path / "other")}), TILES, tmp_path / "out")


def test_a_convolutional_mae_has_no_encoder_to_freeze(frozen, tmp_path):
    config = CONV.model_copy(update={"encoder": frozen.encoder})
    with pytest.raises(CheckpointError, match="its encoder is not that of toy-conv"):
        Trainer(config, TILES, tmp_path / "out")


def test_it_learns(tmp_path):
    run(CONV, tmp_path)
    figures = curve(tmp_path)
    assert figures[120, "bits_per_dim"] < figures[20, "bits_per_dim"] - 0.3
    assert figures[120, "validation_bits_per_dim"] < figures[20, "validation_bits_per_dim"] - 0.3


def test_bf16_copy_keeps_float32_masters(tmp_path):
    trainer = run(CONV.model_copy(update={"precision": "bf16", "steps": 40}), tmp_path)
    assert {p.dtype for p in trainer.fast.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in trainer.master.parameters()} == {torch.float32}
    for master, fast in zip(trainer.master.parameters(), trainer.fast.parameters(), strict=True):
        assert torch.equal(master.to(torch.bfloat16), fast)


def test_saved_model_is_the_average(tmp_path):
    trainer = run(CONV.model_copy(update={"steps": 30}), tmp_path)
    mae, record = load_mae(tmp_path)
    for name, tensor in trainer.average.state_dict().items():
        assert np.allclose(mae.tensors[name], tensor.numpy(), atol=1e-3), name
    assert not torch.equal(trainer.average.head.weight, trainer.master.head.weight)
    assert record.training["step"] == 30


def test_validation_is_deterministic_and_on_held_out_tiles(tmp_path):
    trainer = Trainer(CONV, TILES, tmp_path)
    first = trainer.validate()
    torch.manual_seed(5)
    np.random.default_rng(5)
    assert trainer.validate() == first
    assert len(trainer.held_out) == 2
    assert len(trainer.tiles) == 22
    assert np.array_equal(np.concatenate([trainer.held_out, trainer.tiles]), TILES)


def test_wall_clock_schedule_ends(tmp_path, monkeypatch):
    """By a clock that ticks once a step, or a busy machine would end the run before it can be broken."""
    ticks = count(step=0.02)
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    config = CONV.model_copy(update={"steps": None, "minutes": 0.02})  # 1.2 seconds
    trainer = run(config, tmp_path / "a")
    assert trainer.progress == 1
    assert trainer.seconds == pytest.approx(1.2, abs=0.03)
    lines = (tmp_path / "a" / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["eta"] == 0
    # The time of a broken run counts.
    broken = run(config, tmp_path / "b", stop_after=REPORT_EVERY * 2)
    resumed = Trainer(config, TILES, tmp_path / "b")
    assert 0 < resumed.seconds <= broken.seconds < trainer.seconds


def test_finished_run_can_be_trained_further(tmp_path):
    run(CONV.model_copy(update={"steps": 20}), tmp_path)
    longer = run(CONV.model_copy(update={"steps": 40}), tmp_path)
    assert longer.step == 40
    assert {step for step, _ in curve(tmp_path)} == {20, 40}


def test_other_settings_are_refused(tmp_path):
    run(CONV.model_copy(update={"steps": 20}), tmp_path)
    assert int(check_resumable(tmp_path, CONV)["step"]) == 20
    assert check_resumable(tmp_path / "new", CONV) == {}
    changed = CONV.model_copy(update={"batch": 3, "seed": 1})
    for refuse in (lambda: check_resumable(tmp_path, changed), lambda: Trainer(changed, TILES, tmp_path)):
        with pytest.raises(RunMismatchError, match="batch, seed"):
            refuse()


def test_tiles_that_do_not_fit_are_refused(tmp_path):
    for tiles in (TILES[:1], TILES[:, :16, :16]):
        with pytest.raises(ValueError, match="too few or too small"):
            Trainer(CONV, tiles, tmp_path)


def test_log_of_a_killed_run_is_mended(tmp_path):
    """Lines after the last checkpoint and a half-written one are dropped."""
    run(CONV.model_copy(update={"steps": 40}), tmp_path)
    log = tmp_path / "log.jsonl"
    before = log.read_text()
    log.write_text(before + '{"step": 60, "seconds": 1, "eta": 1, "bits_per_dim": 9.9}\n{"step": 80, "sec')
    Trainer(CONV, TILES, tmp_path)
    assert log.read_text() == before
    # A log without a checkpoint is another, earlier run's.
    (tmp_path / "state.safetensors").unlink()
    Trainer(CONV, TILES, tmp_path)
    assert not log.exists()


def test_learning_rate():
    rates = [learning_rate(share, 0.1) for share in np.linspace(0, 1, 101)]
    assert rates[0] == 0.01
    assert max(rates) == rates[10] == 1
    assert rates[-1] == pytest.approx(0.01)
    assert all(a < b for a, b in pairwise(rates[1:11]))
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert learning_rate(0.0, 0.0) == 1


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_fit_their_architecture(name):
    preset = PRESETS[name]
    shape = ARCHITECTURES[preset.architecture]
    assert preset.tiles.size >= preset.crop
    assert preset.crop == getattr(shape, "image_size", preset.crop)
