"""``cinemae train``: a labelled folder becomes a head; a second run only fits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.datasets import read_images
from cinemae.detector import Detector
from cinemae.fusion.head import FusionHead
from toys import FIT, MILD, SCALES


@pytest.fixture(scope="module")
def settings(tmp_path_factory, mae_folders) -> Path:
    """A ``--config`` file: small scales and a mild augmentation, so that a run takes seconds."""
    scales = {name: scale.model_dump(mode="json") for name, scale in SCALES.items()}
    scales["fine"]["crops"] = 1
    values = {
        "scales": scales,
        "backbones": mae_folders,
        "augment": MILD.model_dump(mode="json"),
        "augmentations": 1,
        "fit": FIT.model_dump(mode="json"),
        "licence": "CC-BY-4.0",
        "seed": 3,
    }
    path = tmp_path_factory.mktemp("settings") / "train.json"
    path.write_text(json.dumps(values))
    return path


def run(*arguments: object):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def trained(toy_set, settings, tmp_path_factory):
    place = tmp_path_factory.mktemp("out")
    options = ("--out", place / "head", "--config", settings, "--cache", place / "cache", "--jobs", 1, "--parts")
    return place, run(toy_set, *options), options


def test_writes_heads_and_says_how_good_they_are(trained, toy_set):
    place, result, _ = trained
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(place / f"head{part}") for part in ("", "-local", "-tokens")]
    head = FusionHead.load(place / "head")
    assert f"ROC-AUC {head.config.training['held_out_auc']:.3f}" in lines[0]
    assert f"threshold {head.config.threshold:.3f}" in lines[0]
    images = read_images(toy_set, split="val")
    said = [verdict.verdict for verdict in Detector.load(place / "head").detect(image.path for image in images)]
    right = [verdict == ("real", "ai")[image.label] for verdict, image in zip(said, images, strict=True)]
    assert sum(right) >= 14  # of 16


def test_a_second_run_only_fits(trained, toy_set):
    place, _, options = trained
    first = FusionHead.load(place / "head").fingerprint()
    (cache,) = (place / "cache").glob("*.sqlite")
    before = cache.read_bytes()
    again = run(toy_set, *options)
    assert again.exit_code == 0
    assert cache.read_bytes() == before
    assert FusionHead.load(place / "head").fingerprint() == first


def test_settings_are_kept_where_no_option_replaces_them(trained, toy_set, settings, tmp_path):
    place, _, _ = trained
    kept = FusionHead.load(place / "head").config
    assert (kept.licence, kept.training["config"]["seed"], kept.training["config"]["augmentations"]) == (
        "CC-BY-4.0",
        3,
        1,
    )
    result = run(
        toy_set,
        "--out",
        tmp_path / "head",
        "--config",
        settings,
        "--cache",
        place / "cache",
        "--jobs",
        1,
        "--licence",
        "MIT",
    )
    assert result.exit_code == 0, result.output
    other = FusionHead.load(tmp_path / "head").config
    assert (other.licence, other.training["config"]["seed"]) == ("MIT", 3)


def test_a_head_s_own_record_is_a_config_file(trained, toy_set, tmp_path):
    place, _, _ = trained
    head = FusionHead.load(place / "head").config
    scales = head.model_dump(mode="json")["spec"]["scales"]
    (tmp_path / "again.json").write_text(json.dumps(head.training["config"] | {"scales": scales}))
    result = run(
        toy_set, "--out", tmp_path / "h", "--config", tmp_path / "again.json", "--cache", place / "cache", "--jobs", 1
    )
    assert result.exit_code == 0, result.output
    assert FusionHead.load(tmp_path / "h").fingerprint() == FusionHead.load(place / "head").fingerprint()


def test_photographs_join_the_real_class(trained, toy_set, toy_photos, settings, tmp_path):
    place, _, _ = trained
    options = ("--photos", toy_photos / "small", "--photos", toy_photos / "large", "--photos-limit", 3)
    result = run(
        toy_set, "--out", tmp_path / "h", "--config", settings, "--cache", place / "cache", "--jobs", 1, *options
    )
    assert result.exit_code == 0, result.output
    assert FusionHead.load(tmp_path / "h").config.training["images"] == {"ai": 12, "real": 12, "photos": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"augmentatons": 3}', "augmentatons"), ("not JSON", "JSON"), ('{"precision": "f8"}', "precision")],
)
def test_wrong_settings_are_a_usage_error(toy_set, tmp_path, text, message):
    (tmp_path / "bad.json").write_text(text)
    result = run(toy_set, "--out", tmp_path / "h", "--config", tmp_path / "bad.json")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "h").exists()


def test_a_folder_without_classes_is_refused_by_name(tmp_path, toy_set, settings):
    shutil.copytree(toy_set / "toygen" / "train" / "ai", tmp_path / "flat")
    result = run(tmp_path / "flat", "--out", tmp_path / "h", "--config", settings, "--cache", tmp_path / "c")
    assert result.exit_code == 2
    assert "lies in no class folder" in result.stderr


def test_a_missing_mae_is_refused_by_name(toy_set, settings, tmp_path):
    result = run(toy_set, "--out", tmp_path / "h", "--config", settings, "--backbone", "cinemae/vit-gigantic")
    assert result.exit_code == 2
    assert "cinemae/vit-gigantic" in result.stderr
