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
from cinemae.export.describe import LABELS, _native_steps
from cinemae.export.scorer import Scorer, outwards
from cinemae.features.extractor import FeatureExtractor, views_of
from cinemae.features.spec import FeatureSpec, ScaleSpec
from cinemae.fusion.config import FitConfig, PartConfig
from cinemae.fusion.fit import fit_head
from cinemae.fusion.head import FusionHead
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.checkpoint import ENCODER_FILE, CheckpointRecord, save_mae
from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.modules import to_frozen
from cinemae.mae.openvino_library import ov
from cinemae.mae.vit import ViTMAE
from toys import (
    FIT,
    SCALES,
    SMALL_VIT,
    banded,
    extractor_from,
    pink,
    rows_for,
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
NATIVE = ScaleSpec(view="native", size=224, crops=2, enlarge=True, patch=16, layers=(1, 3), pools=("cls", "mean"))
TOKENS = {"resized": NATIVE.model_copy(update={"view": "resized", "resize": 224}), "native": NATIVE}
SEEDS = {"all scales": 3, "mean only": 5, "encoder only": 0}
MASKED = ["all scales", "mean only"]
BAND = (0.35, 0.907)  # between what "all scales" says of the first picture and of the fifth
SIZES = [(96, 96), (128, 96), (97, 203), (64, 64), (300, 70), (260, 231)]


def lively(config: ViTMAEConfig, contrast: float) -> ViTMAE:
    """A small ViT whose predictions differ from place to place, as a trained one's do.

    Where they hardly differ, float32 leaves little of the shape of their distribution.
    """
    mae = small_vit(0, config)
    mae.decoder_pred.weight.data.mul_(contrast)
    return mae


def save_encoder(place: Path) -> str:
    """Save an encoder alone as the shipped one is: CLIP's arithmetic, and matrices in int8."""
    config = SMALL_VIT.model_copy(update={"activation": "quick_gelu", "pre_norm": True})
    encoder = to_frozen(small_vit(4, config)).encoder
    tensors = dict(encoder.tensors)
    for name, tensor in encoder.tensors.items():
        if name.startswith("blocks.") and tensor.ndim == 2:
            scale = np.abs(tensor).max(1) / 127
            tensors |= {name: np.rint(tensor / scale[:, None]).astype(np.int8), f"{name}.scale": scale}
    record = CheckpointRecord(architecture=config.model_copy(update={"decoder_depth": 0}), encoder=ENCODER_FILE)
    save_mae(place, FrozenMAE.of(record.architecture, tensors, "the toy"), record)
    return str(place)


def fitted(names: dict[str, str], spec: FeatureSpec, fit: FitConfig = FIT) -> Detector:
    """A detector whose head says of pictures all that a verdict can be."""
    extractor = extractor_from(names, spec)
    rows = [extractor.extract(draw(90_000 + n)).features for draw in (pink, upsampled) for n in range(16)]
    known = rows_for(np.repeat([0, 1], 16))
    head = fit_head(np.stack(rows), known, extractor.spec, extractor.fingerprints, names, fit).head
    settings = {"temperature": 5.0, "bias": -0.3, "threshold": 0.4, "licence": "CC0-1.0"}
    return Detector(extractor, banded(head, *BAND, **settings))


@pytest.fixture(scope="module")
def detectors(tmp_path_factory) -> dict[str, Detector]:
    place = tmp_path_factory.mktemp("maes")
    semantic, fine = save_small(place / "vit", lively(SMALL_VIT, 8)), save_small(place / "conv", small_conv())
    encoder = save_encoder(place / "encoder")
    config = SMALL_VIT.model_copy(update={"output": "mean", "target": "patch_norm"})
    noise = NoiseModel(coefficients=(0.5, 0.7, 0.4))
    normed = {"semantic": save_small(place / "normed", lively(config, 3), noise)}
    tokens = {name: TOKENS[name] for name in ("resized", "native")}
    names = {"semantic": semantic, "fine": fine, "half": fine} | dict.fromkeys(tokens, encoder)
    reads_tokens = PartConfig(groups=("global",), scales=tuple(tokens), axes=5, strength=0.01)
    all_parts = FIT.model_copy(update={"parts": FIT.parts | {"encoder": reads_tokens}})
    one_part = FIT.model_copy(update={"parts": {"encoder": reads_tokens}})
    return {
        "all scales": fitted(names, FeatureSpec(scales=SCALES | {"half": HALF} | tokens), all_parts),
        "mean only": fitted(normed, FeatureSpec(scales={"semantic": SCALES["semantic"]})),
        "encoder only": fitted(dict.fromkeys(tokens, encoder), FeatureSpec(scales=tokens), one_part),
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
    bits = {"bits_per_dim": extraction.bits_per_dim("semantic")} if "semantic" in extraction.likelihoods else {}
    return said | bits


def assert_same(said: dict[str, np.ndarray], wanted: dict[str, Any]) -> None:
    assert said.keys() == wanted.keys()
    assert float(said["probability"]) == pytest.approx(wanted["probability"], abs=1e-4)
    assert int(said["verdict"]) == wanted["verdict"]
    for name in wanted.keys() & {"bits_per_dim"}:
        assert float(said[name]) == pytest.approx(wanted[name], abs=1e-4)
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
    found = {truth(detectors["all scales"], pixels, 3)["verdict"] for pixels in pictures()}
    assert found == {0, 1, 2}


@pytest.mark.parametrize("seed", [0, 11])
@pytest.mark.parametrize("name", MASKED)
def test_other_seeds_are_those_of_the_library(detectors, name, seed):
    detector = detectors[name]
    scorer = Scorer(detector, detector.head, seed)
    for pixels in pictures()[:2]:
        said = run_torch(scorer, pixels, detector.extractor.spec)
        assert_same(said, truth(detector, pixels, seed))
        other = truth(detector, pixels, seed + 1)
        assert abs(said["semantic_nll"] - other["semantic_nll"]).max() > 0.01


def test_rounds_and_a_threshold_of_its_own_are_taken_over(detectors):
    plain = detectors["all scales"]
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
    detector, exported = detectors["all scales"], exports["all scales", "onnx"]
    about = exported.description
    assert about.model == detector.fingerprint == detector.detect_one(pictures()[0]).model
    assert (about.threshold, about.alpha, about.seed) == (0.4, FIT.alpha, 3)
    assert about.band == pytest.approx(BAND)
    assert about.feature_version == detector.extractor.spec.version
    assert about.labels == LABELS
    assert about.licences == {
        "head": "CC0-1.0",
        "semantic": "unknown",
        "fine": "unknown",
        "half": "unknown",
    } | dict.fromkeys(TOKENS, "unknown")
    session = onnxruntime.InferenceSession(exported.files[0])
    for described, real in ((about.inputs, session.get_inputs()), (about.outputs, session.get_outputs())):
        types = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(int64)": "int64"}
        wanted = [(each.name, list(each.shape), each.type) for each in described]
        assert [(each.name, each.shape, types[each.type]) for each in real] == wanted


def test_the_model_is_one_file_that_holds_no_path_of_this_machine(exports):
    exported = exports["all scales", "onnx"]
    assert [path.name for path in exported.files] == ["cinemae.onnx", "cinemae.json"]
    assert str(ROOT).encode() not in exported.files[0].read_bytes()
    weights = [each for each in onnx.load(exported.files[0]).graph.initializer if list(each.dims) == [8, 16, 3, 3]]
    assert len(weights) == 1  # fine and half share their MAE


def test_the_documented_example_needs_nothing_but_the_json(exports, detectors, tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), flags=re.DOTALL)
    assert "cinemae " not in example.replace("export/cinemae", "")
    assert "import cinemae" not in example
    model = exports["all scales", "onnx"].files[0]
    (tmp_path / "export").symlink_to(model.parent)
    monkeypatch.chdir(tmp_path)
    for pixels in pictures():
        Image.fromarray(pixels).save("photo.jpg", format="PNG")
        exec(compile(example, "docs/export.md", "exec"), {})
        label, probability = capsys.readouterr().out.split()
        wanted = truth(detectors["all scales"], pixels, 3)
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


def test_an_encoder_alone_gives_a_probability_and_no_likelihood(exports):
    for runtime in ("onnx", "openvino"):
        about = exports["encoder only", runtime].description
        assert [output.name for output in about.outputs] == ["probability", "verdict"]
        assert [each.views.enlarge for each in about.inputs] == [False, True]
        assert {each.views.smallest_side for each in about.inputs} == {1}


def test_the_steps_of_enlarging_come_before_those_of_reducing():
    """As views are cut: whether an image is large enough is asked of the image itself."""
    reduced = NATIVE.model_copy(update={"reduce": 2})
    enlarge, reduce, *_ = _native_steps(reduced)
    assert enlarge.startswith("If the shorter side is below 448")
    assert reduce.startswith("Reduce the image by 2")
    assert len(views_of(pink(1, 447), reduced)) == 1
    assert views_of(pink(1, 448), reduced)[0].shape == (224, 224, 3)


def test_a_detector_without_a_head_is_refused(detectors, tmp_path):
    with pytest.raises(ExportError, match="without a head"):
        export_detector(Detector(detectors["mean only"].extractor, None), tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()


def test_small_images_are_refused_by_name_before_the_work(detectors, tmp_path):
    with pytest.raises(ExportError, match=r"small\.png: an image of 70x60 is too small .* must be 64"):
        export_detector(detectors["all scales"], tmp_path / "out", "onnx", pictures={"small.png": pink(1, 70)[:60]})
    assert not (tmp_path / "out").exists()


def test_crops_that_do_not_repeat_evenly_are_refused(detectors):
    fine = SCALES["fine"].model_copy(update={"crops": 3})
    with pytest.raises(ExportError, match="2 distinct fine views can't fill 3 evenly"):
        inputs_of(pink(1, 64)[:, :64].repeat(2, 1)[:, :65], FeatureSpec(scales={"fine": fine}))
