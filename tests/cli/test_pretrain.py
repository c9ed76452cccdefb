"""``cinemae pretrain`` from outside: it trains, survives SIGKILL, and says what is wrong."""

import json
import os
import pty
import select
import signal
from pathlib import Path

import pytest
import typer
from PIL import Image

from cinemae.cli.pretrain import build_config, describe, duration
from cinemae.mae.checkpoint import load_mae
from cinemae.pretrain.config import PRESETS
from processes import environment, start
from toys import pink

STEPS = 120
SETTINGS = [
    "--preset", "conv-fine", "--steps", STEPS, "--tiles", 32, "--crop", 16, "--batch", 2,
    "--precision", "f32", "--save-minutes", 1e-9, "--jobs", 1, "--device", "cpu",
]  # fmt: skip
ONE_THREAD = environment(OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    for number in range(4):
        Image.fromarray(pink(number, 128)).save(place / f"{number}.png")
    return place


def curve(out: Path) -> dict[tuple[int, str], float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {(line["step"], key): line[key] for line in lines for key in line if key.endswith("bits_per_dim")}


def test_killed_and_resumed_gives_the_same_curve(photos, cinemae, tmp_path):
    whole = cinemae("pretrain", photos, "--out", tmp_path / "whole", *SETTINGS, env=ONE_THREAD)
    assert whole.returncode == 0, whole.stderr
    assert f"{STEPS} steps, validation" in whole.stdout
    process = start("pretrain", photos, "--out", tmp_path / "killed", *SETTINGS, env=ONE_THREAD)
    for line in process.stderr:
        if line.startswith("step 40 "):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert max(step for step, _ in curve(tmp_path / "killed")) < STEPS
    resumed = cinemae("pretrain", photos, "--out", tmp_path / "killed", *SETTINGS, env=ONE_THREAD)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.startswith(f"resuming {tmp_path / 'killed'} at step ")
    expected, found = curve(tmp_path / "whole"), curve(tmp_path / "killed")
    trained = {key: value for key, value in expected.items() if key[1] == "bits_per_dim"}
    assert {step for step, _ in trained} == set(range(20, STEPS + 1, 20))
    # A validation line may be missing where the kill fell between the checkpoint and its line.
    assert trained.keys() <= found.keys() <= expected.keys()
    for key, value in found.items():
        assert value == pytest.approx(expected[key], abs=1e-5), key
    assert load_mae(tmp_path / "killed")[1].training["step"] == STEPS


def test_ctrl_c_ends_with_a_hint(photos, tmp_path):
    process = start("pretrain", photos, "--out", tmp_path / "out", *SETTINGS, "--steps", 100_000, env=ONE_THREAD)
    for line in process.stderr:
        if line.startswith("step 40 "):
            process.send_signal(signal.SIGINT)
            break
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: the same command again goes on")
    assert "Traceback" not in said


def test_bar_on_a_terminal(photos, tmp_path):
    main, side = pty.openpty()
    settings = [*SETTINGS, "--steps", 20]
    process = start("pretrain", photos, "--out", tmp_path / "out", *settings, stderr=side, env=ONE_THREAD)
    os.close(side)
    seen = b""
    while process.poll() is None or select.select([main], [], [], 0)[0]:
        if select.select([main], [], [], 0.1)[0]:
            try:
                seen += os.read(main, 65536)
            except OSError:  # Linux says so when the last writer is gone
                break
    os.close(main)
    assert process.wait(timeout=60) == 0
    assert "validation" in seen.decode()
    assert "100%" in seen.decode()
    assert "validation" in process.stdout.read()
    process.stdout.close()


def test_other_settings_in_the_same_folder_are_refused_before_any_work(photos, cinemae, tmp_path):
    out = tmp_path / "out"
    assert cinemae("pretrain", photos, "--out", out, *SETTINGS, "--steps", 1, env=ONE_THREAD).returncode == 0
    pack = (out / "pack" / "pack.json").read_text()
    done = cinemae("pretrain", photos, "--out", out, *SETTINGS, "--tiles", 40, env=ONE_THREAD)
    assert done.returncode == 2
    assert "other settings" in done.stderr
    assert (out / "pack" / "pack.json").read_text() == pack


def test_folder_without_photographs(cinemae, tmp_path):
    done = cinemae("pretrain", tmp_path / "none", "--out", tmp_path / "out", *SETTINGS)
    assert done.returncode == 2
    assert done.stderr == f"cinemae: no image below {tmp_path / 'none'}\n"


def test_presets_and_what_overrides_them():
    assert build_config("vit-tiny") == PRESETS["vit-tiny"]
    config = build_config(
        "conv-fine", minutes=5, crop=96, tiles=100, batch=7, precision="f32", save_minutes=None, seed=3
    )
    assert (config.minutes, config.steps) == (5, None)
    assert (config.crop, config.tiles.size, config.tiles.count) == (96, 128, 100)
    assert (config.batch, config.precision, config.seed) == (7, "f32", 3)
    assert config.save_minutes == PRESETS["conv-fine"].save_minutes
    assert config.tiles.native == PRESETS["conv-fine"].tiles.native
    by_steps = build_config("conv-fine", steps=9)
    assert (by_steps.minutes, by_steps.steps) == (None, 9)
    assert PRESETS["conv-fine"].tiles.count == 64_000  # the preset itself is as it was


@pytest.mark.parametrize(
    ("preset", "options", "said"),
    [
        ("conv-fine", {"minutes": 1, "steps": 1}, "not both"),
        ("vit-tiny", {"crop": 64}, "224"),
        ("conv-fine", {"crop": 33}, "odd"),
        ("conv-fine", {"minutes": -1}, "greater than 0"),
        ("conv-fine", {"save_minutes": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_make_no_sense(preset, options, said):
    with pytest.raises(typer.BadParameter, match=said):
        build_config(preset, **options)


def test_lines_for_people():
    line = {"step": 40, "seconds": 75.2, "eta": 3725, "bits_per_dim": 4.56789}
    assert describe(line) == "step 40  4.5679 bits/dim  1:15 done, 1:02:05 to go"
    valid = {"step": 40, "seconds": 0.4, "eta": 0, "validation_bits_per_dim": 4.5}
    assert describe(valid) == "step 40  validation 4.5000 bits/dim  0:00 done, 0:00 to go"
    assert duration(3599.6) == "1:00:00"
