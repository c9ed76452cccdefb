"""``cinemae fit-noise``: an MAE that predicts only a mean becomes one that can be scored with."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.detector import Detector
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.spec import FeatureSpec, default_scales
from cinemae.images import load_image
from cinemae.likelihood.calibrate import fit_noise
from cinemae.loading import build_extractor
from cinemae.mae.checkpoint import load_mae
from cinemae.mae.openvino_runtime import OpenVINORuntime
from toys import SMALL_VIT, pink, save_small, small_conv, small_vit


def run(*arguments: object):
    return CliRunner().invoke(app, ["fit-noise", *map(str, arguments)])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    place = tmp_path_factory.mktemp("photos")
    for number in range(5):
        Image.fromarray(pink(number, 80)).save(place / f"{number}.png")
    (place / "2b.jpg").write_bytes(b"not a photograph")
    return place


@pytest.fixture(scope="module")
def mean_only(tmp_path_factory):
    mae = small_vit(1, SMALL_VIT.model_copy(update={"output": "mean"}))
    return save_small(tmp_path_factory.mktemp("mae") / "vit", mae)


@pytest.fixture(scope="module")
def fitted(photos, mean_only, tmp_path_factory):
    place = tmp_path_factory.mktemp("fitted") / "out"
    return place, run(photos, "--backbone", mean_only, "--out", place)


def test_the_new_checkpoint_holds_the_same_weights_and_the_noise(fitted, photos, mean_only):
    place, result = fitted
    assert result.exit_code == 0, result.output
    before, after = load_mae(type(place)(mean_only)), load_mae(place)
    assert after[0].fingerprint == before[0].fingerprint
    pictures = [load_image(path) for path in sorted(photos.glob("*.png"))]
    wanted = fit_noise(OpenVINORuntime(before[0]), pictures, default_scales()["semantic"])
    assert after[1].noise.coefficients == pytest.approx(wanted.coefficients, rel=1e-6)


def test_says_what_was_left_out_and_how_many_were_used(fitted):
    _, result = fitted
    assert "left out: " in result.stderr
    assert "2b.jpg" in result.stderr
    assert "from 5 photographs" in result.stdout


def test_it_can_be_scored_with_now_and_could_not_before(fitted, mean_only):
    place, _ = fitted
    spec = FeatureSpec(scales={"semantic": default_scales()["semantic"]})
    with pytest.raises(ValueError, match="fit-noise"):
        build_extractor({"semantic": mean_only}, spec)
    verdict = Detector(build_extractor({"semantic": str(place)}, spec), None).detect_one(pink(9))
    assert np.isfinite(verdict.bits_per_dim)
    assert 0 < verdict.bits_per_dim < 16


def test_a_limit_takes_photographs_from_all_over_the_folder(mean_only, tmp_path):
    for number in range(7):
        Image.fromarray(pink(number, 64)).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"the middle one")
    (tmp_path / "6.png").write_bytes(b"the last one")
    result = run(tmp_path, "--backbone", mean_only, "--out", tmp_path / "out", "--limit", 3)
    assert result.exit_code == 0, result.output
    assert "3.png" in result.stderr
    assert "6.png" in result.stderr
    assert "from 1 photographs" in result.stdout


def test_an_mae_that_predicts_a_distribution_is_refused(photos, tmp_path):
    for name, mae in (("vit", small_vit()), ("conv", small_conv())):
        result = run(photos, "--backbone", save_small(tmp_path / name, mae), "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert "needs no noise model" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_refused(mean_only, tmp_path):
    (tmp_path / "none").mkdir()
    result = run(tmp_path / "none", "--backbone", mean_only, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no image" in result.stderr


def test_the_noise_model_can_be_switched_off(fitted, mean_only, tmp_path):
    """The variance is the passes' own, and features measured with and without are kept apart."""
    result = run("--off", "--backbone", mean_only, "--out", tmp_path / "off")
    assert result.exit_code == 0, result.output
    assert "from no photographs" in result.stdout
    noise = load_mae(tmp_path / "off")[1].noise
    ensemble, contrast = np.array([0.0, 3.0, 900.0]), np.array([5.0, 0.0, 400.0])
    assert noise.variance(ensemble, contrast) == pytest.approx(ensemble + 1)
    spec = FeatureSpec(scales={"semantic": default_scales()["semantic"]})
    with_model, without = (
        ExtractorConfig.of(build_extractor(names, spec), names)
        for names in ({"semantic": str(place)} for place in (fitted[0], tmp_path / "off"))
    )
    assert with_model.fingerprints != without.fingerprints
    assert with_model.scale_key("semantic") != without.scale_key("semantic")


def test_photographs_or_off_but_not_both(photos, mean_only, tmp_path):
    for arguments in ((), (photos, "--off")):
        result = run(*arguments, "--backbone", mean_only, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert "--off" in result.stderr
    result = run("--off", "--backbone", save_small(tmp_path / "vit", small_vit()), "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "needs no noise model" in result.stderr
    assert not (tmp_path / "out").exists()
