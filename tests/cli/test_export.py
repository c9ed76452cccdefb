"""``cinemae export``: a model that was tried, or one clear line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.detector import Detector
from cinemae.export import inputs_of, open_exported, write
from cinemae.extras import install_hint
from cinemae.features.spec import FeatureSpec
from cinemae.fusion.fit import fit_head
from cinemae.images import load_image
from toys import FIT, SCALES, extractor_from, pink, rows_for, save_small, small_conv, upsampled
from tracing import traced_once

pytest.importorskip("onnxscript")


def run(*arguments: object):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.fixture(scope="module")
def fine_head(tmp_path_factory) -> Path:
    """A head of one crop of the fine scale: the smallest scorer that there is."""
    place = tmp_path_factory.mktemp("fine")
    names = {"fine": save_small(place / "mae", small_conv())}
    spec = FeatureSpec(scales={"fine": SCALES["fine"].model_copy(update={"crops": 1})})
    extractor = extractor_from(names, spec)
    rows = np.stack([extractor.extract(draw(90_000 + n)).features for draw in (pink, upsampled) for n in range(8)])
    fit = FIT.model_copy(update={"parts": {"local": FIT.parts["local"]}})
    known = rows_for(np.repeat([0, 1], 8))
    fit_head(rows, known, extractor.spec, extractor.fingerprints, names, fit).head.save(place / "head")
    return place / "head"


@pytest.fixture(scope="module", autouse=True)
def once() -> Iterator[None]:
    """There is one scorer here."""
    with traced_once():
        yield


@pytest.fixture(scope="module")
def photo_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.fromarray(pink(1, 90)).save(path, quality=90)
    return path


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_writes_a_model_that_says_what_detect_says(fine_head, photo_file, tmp_path, kind):
    out = tmp_path / "new" / "folder"
    result = run("--format", kind, "--out", out, "--model", fine_head, "--seed", 2, "--check", photo_file)
    assert result.exit_code == 0, result.output
    about = json.loads((out / "cinemae.json").read_text())
    files = {about["file"], "cinemae.json"} | ({"cinemae.bin"} if kind == "openvino" else set())
    assert {path.name for path in out.iterdir()} == files
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[-2:]] == ["synthetic", str(photo_file)]
    assert all("differs from cinemae's by" in line for line in lines[-2:])
    detector = Detector.load(fine_head, device="cpu", precision="f32", jobs=1)
    said = open_exported(out / about["file"], kind)(inputs_of(load_image(photo_file).pixels, detector.extractor.spec))
    verdict = detector.detect_one(photo_file, seed=2)
    assert float(said["probability"]) == pytest.approx(verdict.probability, abs=1e-4)
    assert about["labels"][int(said["verdict"])] == verdict.verdict
    assert about["model"] == verdict.model


def test_a_model_that_disagrees_is_removed(fine_head, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "TOLERANCE", -1.0)
    result = run("--out", tmp_path, "--model", fine_head)
    assert result.exit_code == 2
    assert "from the library; it was not kept" in result.stderr
    assert not list(tmp_path.iterdir())


def test_says_in_one_line_what_to_install(fine_head, tmp_path, monkeypatch):
    monkeypatch.setattr("cinemae.cli.manners.find_spec", lambda name: None if name == "onnxscript" else find_spec(name))
    result = run("--out", tmp_path / "out", "--model", fine_head)
    assert result.exit_code == 2
    assert result.stderr == f"cinemae: needs onnxscript, not installed: {install_hint('export')}\n"
    assert not (tmp_path / "out").exists()


def test_an_mae_without_a_head_is_refused(mae_folders, tmp_path):
    result = run("--out", tmp_path / "out", "--backbone", mae_folders["semantic"])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("cinemae: without a head there is no probability")
    assert not (tmp_path / "out").exists()


def test_a_missing_or_small_check_image_is_named(fine_head, tmp_path):
    small = tmp_path / "small.png"
    Image.fromarray(pink(1, 40)).save(small)
    for path, said in ((tmp_path / "none.jpg", "none.jpg"), (small, f"{small}: an image of 40x40 is too small")):
        result = run("--out", tmp_path / "out", "--model", fine_head, "--check", path)
        assert result.exit_code == 2
        assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_a_usage_error(tmp_path):
    result = run("--out", tmp_path, "--format", "tflite")
    assert result.exit_code == 2
    assert "tflite" in result.stderr
