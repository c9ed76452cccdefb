"""The exported scorer: in its own runtimes it says what the library says, and its JSON is enough to use it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cinemae.detector import Detector
from cinemae.export import Exported, ExportError, export_detector, inputs_of, open_exported, write
from cinemae.export.describe import LABELS
from cinemae.export.scorer import Scorer, outwards
from cinemae.features.extractor import FeatureExtractor
from cinemae.features.spec import FeatureSpec
from cinemae.fusion.config import DistanceConfig, FitConfig
from cinemae.fusion.fit import fit_head
from cinemae.fusion.head import FusionHead
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.openvino_library import ov
from cinemae.mae.vit import ViTMAE
from toys import (
    FIT,
    SCALES,
    SMALL_VIT,
    banded,
    extractor_from,
    pink,
    quarters,
    save_small,
    small_conv,
    small_vit,
    upsampled,
)
from tracing import traced_once

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[1]
HALF = SCALES["fine"].model_copy(update={"reduce": 2, "size": 32, "crops": 1})
SEEDS = {"three scales": 3, "mean only": 5}
SIZES = [(96, 96), (128, 96), (97, 203), (64, 64), (300, 70)]


def lively(config: ViTMAEConfig, contrast: float) -> ViTMAE:
    """A small ViT whose predictions differ from place to place, as a trained one's do.

    Where they hardly differ, float32 leaves little of the shape of their distribution.
    """
    mae = small_vit(0, config)
    mae.decoder_pred.weight.data.mul_(contrast)
    return mae


def with_octave(fit: FitConfig) -> FitConfig:
    """A branch and a distance that read what changes between two scales, as the shipped head's do."""
    error = fit.branches["error"].model_copy(update={"differences": ("octave",)})
    between = DistanceConfig(groups=("global",), scales=(), differences=("octave",), components=2, share=0.2)
    update = {"branches": fit.branches | {"error": error}, "distances": fit.distances | {"between": between}}
    return fit.model_copy(update=update)


def fitted(names: dict[str, str], spec: FeatureSpec, calibration: str = "platt") -> Detector:
    """A detector whose head says of pictures all that a verdict can be."""
    extractor = extractor_from(names, spec)
    rows = [extractor.extract(draw(90_000 + n)).features for draw in (pink, upsampled) for n in range(16)]
    labels, parts = np.repeat([0, 1], 16), quarters(32)
    prints = {scale: backbone.fingerprint for scale, backbone in extractor.backbones.items()}
    fit = FIT.model_copy(update={"calibration": calibration})
    fit = with_octave(fit) if "half" in spec.scales else fit
    head = fit_head(np.stack(rows), labels, np.ones(32), parts, extractor.spec, prints, names, fit).head
    settings = {"temperature": 5.0, "bias": -0.3, "threshold": 0.4, "licence": "CC0-1.0"}
    return Detector(extractor, banded(head, 0.35, 0.65, **settings))


@pytest.fixture(scope="module")
def detectors(tmp_path_factory) -> dict[str, Detector]:
    place = tmp_path_factory.mktemp("maes")
    semantic, fine = save_small(place / "vit", lively(SMALL_VIT, 8)), save_small(place / "conv", small_conv())
    names = {"semantic": semantic, "fine": fine, "half": fine}
    config = SMALL_VIT.model_copy(update={"output": "mean", "target": "patch_norm"})
    noise = NoiseModel(coefficients=(0.5, 0.7, 0.4))
    normed = {"semantic": save_small(place / "normed", lively(config, 3), noise)}
    return {
        "three scales": fitted(names, FeatureSpec(scales=SCALES | {"half": HALF})),
        "mean only": fitted(normed, FeatureSpec(scales={"semantic": SCALES["semantic"]}), "isotonic"),
    }


@pytest.fixture(scope="module")
def once() -> Iterator[None]:
    with traced_once():
        yield


@pytest.fixture(scope="module")
def exports(detectors, once, tmp_path_factory) -> dict[tuple[str, str], Exported]:
    place = tmp_path_factory.mktemp("exports")
    return {
        (name, runtime): export_detector(detector, place / name / runtime, runtime, seed=SEEDS[name])
        for name, detector in detectors.items()
        for runtime in ("onnx", "openvino")
    }


def pictures() -> list[np.ndarray]:
    found = []
    for number, (width, height) in enumerate(SIZES):
        draw = pink if number % 2 else upsampled
        found.append(np.ascontiguousarray(draw(40 + number, 2 * (max(width, height) // 2 + 1))[:height, :width]))
    return found


def truth(detector: Detector, pixels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """What the library says, by the names of an export's outputs."""
    extraction = detector.extractor.extract(pixels, seed)
    probability = float(detector.head.probabilities(extraction.features[None])[0])
    label = detector.head.decide(probability, detector.threshold)
    said = {"probability": probability, "verdict": ["real", "inconclusive", "ai"].index(label)}
    for scale, views in extraction.likelihoods.items():
        patch = detector.extractor.spec.scales[scale].patch
        said[f"{scale}_nll"] = np.stack([view.per_patch(view.nll, patch) for view in views])
    return said | {"bits_per_dim": extraction.bits_per_dim("semantic")}


def assert_same(said: dict[str, np.ndarray], wanted: dict[str, Any]) -> None:
    assert said.keys() == wanted.keys()
    assert float(said["probability"]) == pytest.approx(wanted["probability"], abs=1e-4)
    assert int(said["verdict"]) == wanted["verdict"]
    assert float(said["bits_per_dim"]) == pytest.approx(wanted["bits_per_dim"], abs=1e-4)
    for name in (name for name in wanted if name.endswith("_nll")):
        again = len(said[name]) // len(wanted[name])  # a small image's crops are repeated
        np.testing.assert_allclose(said[name], np.concatenate([wanted[name]] * again), atol=1e-3)


def run_torch(scorer: Scorer, pixels: np.ndarray, spec: FeatureSpec) -> dict[str, np.ndarray]:
    views = [torch.from_numpy(views) for views in inputs_of(pixels, spec).values()]
    return {name: values.numpy() for name, values in zip(scorer.outputs, scorer(*views), strict=True)}


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize("name", SEEDS)
def test_each_runtime_says_what_the_library_says(exports, detectors, name, runtime):
    detector, run = detectors[name], open_exported(exports[name, runtime].files[0], runtime)
    for pixels in pictures():
        assert_same(run(inputs_of(pixels, detector.extractor.spec)), truth(detector, pixels, SEEDS[name]))


def test_the_pictures_get_every_verdict(detectors):
    found = {truth(detectors["three scales"], pixels, 3)["verdict"] for pixels in pictures()}
    assert found == {0, 1, 2}


@pytest.mark.parametrize("seed", [0, 11])
@pytest.mark.parametrize("name", SEEDS)
def test_other_seeds_are_those_of_the_library(detectors, name, seed):
    detector = detectors[name]
    scorer = Scorer(detector, detector.head, seed)
    for pixels in pictures()[:2]:
        said = run_torch(scorer, pixels, detector.extractor.spec)
        assert_same(said, truth(detector, pixels, seed))
        other = truth(detector, pixels, seed + 1)
        assert abs(said["semantic_nll"] - other["semantic_nll"]).max() > 0.01


def test_rounds_and_a_threshold_of_its_own_are_taken_over(detectors):
    plain = detectors["three scales"]
    for pixels in pictures():
        probability = truth(plain.with_rounds(2), pixels, 0)["probability"]
        for threshold in (0.95 * probability, probability + 0.05 * (1 - probability)):
            detector = Detector(plain.extractor, plain.head, threshold=threshold).with_rounds(2)
            said = run_torch(Scorer(detector, detector.head), pixels, detector.extractor.spec)
            assert_same(said, truth(detector, pixels, 0))


@pytest.mark.parametrize("family", ["gaussian", "laplace"])
def test_other_families_are_taken_over(detectors, family):
    plain = detectors["mean only"]
    spec = plain.extractor.spec.model_copy(update={"family": family})
    config = plain.head.config.model_copy(update={"spec": spec})
    detector = Detector(FeatureExtractor(plain.extractor.backbones, spec), FusionHead(config, plain.head.weights))
    said = run_torch(Scorer(detector, detector.head), pictures()[0], spec)
    assert_same(said, truth(detector, pictures()[0], 0))


def test_the_same_description_is_beside_the_model_and_inside(exports):
    for (_, runtime), exported in exports.items():
        model = exported.files[0]
        text = (model.parent / "cinemae.json").read_text().strip()
        if runtime == "onnx":
            (inside,) = (each.value for each in onnx.load(model).metadata_props if each.key == "cinemae")
        else:
            inside = ov.Core().read_model(model).get_rt_info(["cinemae"]).astype(str)
        assert json.loads(inside) == json.loads(text) == exported.description.model_dump(mode="json")


@pytest.mark.parametrize("end", [0.0, 0.1, 0.3, 0.5, 1.0, np.nextafter(0.5, 0), np.nextafter(1.0, 2), -5e-324])
def test_a_band_is_never_narrower_in_float32(end):
    low, high = outwards((end, end))
    assert low <= end <= high
    assert np.float32(low) == low
    assert np.float32(high) == high
    assert np.nextafter(np.float32(low), np.float32(2)) >= np.float32(high)


def test_the_description_says_what_the_model_is(exports, detectors):
    detector, exported = detectors["three scales"], exports["three scales", "onnx"]
    about = exported.description
    assert about.model == detector.fingerprint == detector.detect_one(pictures()[0]).model
    assert (about.threshold, about.alpha, about.seed) == (0.4, FIT.alpha, 3)
    assert about.band == pytest.approx((0.35, 0.65))
    assert about.feature_version == detector.extractor.spec.version
    assert about.labels == LABELS
    assert about.licences == {"head": "CC0-1.0", "semantic": "unknown", "fine": "unknown", "half": "unknown"}
    session = onnxruntime.InferenceSession(exported.files[0])
    for described, real in ((about.inputs, session.get_inputs()), (about.outputs, session.get_outputs())):
        types = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(int64)": "int64"}
        wanted = [(each.name, list(each.shape), each.type) for each in described]
        assert [(each.name, each.shape, types[each.type]) for each in real] == wanted


def test_the_model_is_one_file_that_holds_no_path_of_this_machine(exports):
    exported = exports["three scales", "onnx"]
    assert [path.name for path in exported.files] == ["cinemae.onnx", "cinemae.json"]
    assert str(ROOT).encode() not in exported.files[0].read_bytes()
    weights = [each for each in onnx.load(exported.files[0]).graph.initializer if list(each.dims) == [8, 16, 3, 3]]
    assert len(weights) == 1  # fine and half share their MAE


def test_the_documented_example_needs_nothing_but_the_json(exports, detectors, tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), flags=re.DOTALL)
    assert "cinemae " not in example.replace("export/cinemae", "")
    assert "import cinemae" not in example
    model = exports["three scales", "onnx"].files[0]
    (tmp_path / "export").symlink_to(model.parent)
    monkeypatch.chdir(tmp_path)
    for pixels in pictures():
        Image.fromarray(pixels).save("photo.jpg", format="PNG")
        exec(compile(example, "docs/export.md", "exec"), {})
        label, probability = capsys.readouterr().out.split()
        wanted = truth(detectors["three scales"], pixels, 3)
        assert LABELS[wanted["verdict"]] == label
        assert float(probability) == pytest.approx(wanted["probability"], abs=6e-4)  # three digits are printed


@pytest.mark.parametrize(
    ("limit", "said"),
    [("TOLERANCE", "of synthetic, which is .* from the library;"), ("NLL_TOLERANCE", "NLL of a patch of synthetic is")],
)
def test_what_does_not_agree_is_not_kept(exports, detectors, tmp_path, monkeypatch, limit, said):
    before = tmp_path / "cinemae.onnx"
    before.write_text("an earlier export")
    monkeypatch.setattr(write, limit, -1.0)
    with pytest.raises(ExportError, match=f"{said}.*it was not kept"):
        export_detector(detectors["mean only"], tmp_path, "onnx", seed=5)
    assert [path.name for path in tmp_path.iterdir()] == ["cinemae.onnx"]
    assert before.read_text() == "an earlier export"


def test_onnx_is_checked_without_onnxruntime_too(exports, detectors, monkeypatch):
    monkeypatch.setattr("cinemae.export.check.find_spec", lambda name: None)
    detector, exported = detectors["mean only"], exports["mean only", "onnx"]
    pixels = pictures()[0]
    said = open_exported(exported.files[0], "onnx")(inputs_of(pixels, detector.extractor.spec))
    assert_same(said, truth(detector, pixels, 5))


def test_a_detector_without_a_head_is_refused(detectors, tmp_path):
    with pytest.raises(ExportError, match="without a head"):
        export_detector(Detector(detectors["mean only"].extractor, None), tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()


def test_small_images_are_refused_by_name_before_the_work(detectors, tmp_path):
    with pytest.raises(ExportError, match=r"small\.png: an image of 70x60 is too small .* must be 64"):
        export_detector(detectors["three scales"], tmp_path / "out", "onnx", pictures={"small.png": pink(1, 70)[:60]})
    assert not (tmp_path / "out").exists()


def test_crops_that_do_not_repeat_evenly_are_refused(detectors):
    fine = SCALES["fine"].model_copy(update={"crops": 3})
    with pytest.raises(ExportError, match="2 distinct fine views can't fill 3 evenly"):
        inputs_of(pink(1, 64)[:, :64].repeat(2, 1)[:, :65], FeatureSpec(scales={"fine": fine}))
