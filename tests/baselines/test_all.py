"""What every baseline must do: learn a planted trace and nothing else, twice the same, and come back from disk."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from safetensors.numpy import load_file, save_file
from sklearn.metrics import log_loss, roc_auc_score

from cinemae.baselines import (
    Baseline,
    BaselineConfig,
    BaselineError,
    ProbeConfig,
    ResidualConfig,
    Scorer,
    SpectrumConfig,
    parse_baseline,
)
from cinemae.datasets import read_images
from cinemae.features.collect import Job, Variant, collect
from cinemae.images import load_image
from toys import write_set

QUICK = {"size": 48, "crops": 2, "channels": (8, 16, 16), "epochs": 15, "patience": 15, "batch": 8, "rate": 5e-3}


@pytest.fixture(scope="module", params=["spectrum", "probe", "residual-cnn"])
def baseline(request, vit_folder) -> Baseline:
    return {
        "spectrum": SpectrumConfig(size=64, bins=16),
        "probe": ProbeConfig(checkpoint=str(vit_folder)),
        "residual-cnn": ResidualConfig(**QUICK, threads=1),
    }[request.param]


@pytest.fixture(scope="module")
def data(baseline, toy_set):
    return toy_set(baseline)


@pytest.fixture(scope="module")
def scorer(baseline, data) -> Scorer:
    return baseline.fit(data.features, data.labels, data.weights, data.held_out, seed=3)


def chance(labels: np.ndarray) -> float:
    """Three standard deviations of the ROC-AUC of scores that know nothing."""
    ai = int(labels.sum())
    real = len(labels) - ai
    return 3 * float(np.sqrt((ai + real + 1) / (12 * ai * real)))


def test_a_planted_trace_is_learnt(scorer, data):
    p = scorer.probabilities(data.unseen)
    assert roc_auc_score(data.unseen_labels, p) > 0.9
    assert np.mean((p >= scorer.threshold) == data.unseen_labels) > 0.8
    assert p.dtype == np.float64
    assert ((p > 0) & (p < 1)).all()


def test_where_labels_mean_nothing_nothing_is_found(baseline, data):
    rng = np.random.default_rng(5)
    scorer = baseline.fit(data.features, rng.permutation(data.labels), data.weights, data.held_out, seed=3)
    p, labels = scorer.probabilities(data.unseen), rng.permutation(data.unseen_labels)
    assert abs(roc_auc_score(labels, p) - 0.5) < chance(labels)
    assert log_loss(labels, p) < 1.3 * np.log(2)  # nor does it claim to know


def test_the_same_seed_gives_the_same_scorer(baseline, data, scorer):
    again = baseline.fit(data.features, data.labels, data.weights, data.held_out, seed=3)
    assert again.config == scorer.config
    assert again.fingerprint() == scorer.fingerprint()
    for name, array in scorer.weights.items():
        assert again.weights[name].tobytes() == array.tobytes()


def test_a_row_s_probability_does_not_depend_on_the_others(scorer, data):
    everything = scorer.probabilities(data.unseen)
    assert np.array_equal(scorer.probabilities(data.unseen[::-1])[::-1], everything)
    assert np.array_equal(scorer.probabilities(data.unseen[7:8]), everything[7:8])
    assert np.array_equal(scorer.probabilities(data.unseen[5:20]), everything[5:20])
    assert scorer.probabilities(data.unseen[:0]).shape == (0,)


def test_held_out_rows_are_not_fitted_on(baseline, data):
    """Rows that count for nothing, and what is held out, leave the weights of a given strength or epoch alone."""
    one = {"strengths": (0.1,)} if isinstance(baseline, SpectrumConfig | ProbeConfig) else {"epochs": 1}
    fixed = baseline.model_copy(update=one)
    other = data.features.copy()
    other[data.held_out] = other[data.held_out][::-1]
    idle = data.weights.copy()
    idle[np.flatnonzero(~data.held_out)[:4]] = 0
    odd = other.copy()
    odd[idle == 0] = 0
    a, b = (fixed.fit(rows, data.labels, idle, data.held_out, seed=1) for rows in (data.features, odd))
    for name, array in a.weights.items():
        assert np.array_equal(b.weights[name], array)


def test_weights_of_rows_count(baseline, data):
    weights = np.where(np.arange(len(data.labels)) % 4 < 2, 1.0, 3.0)
    plain = baseline.fit(data.features, data.labels, data.weights, data.held_out, seed=3)
    weighted = baseline.fit(data.features, data.labels, weights, data.held_out, seed=3)
    assert weighted.fingerprint() != plain.fingerprint()


def test_the_threshold_and_the_probabilities_are_calibrated_on_the_held_out_rows(scorer, data):
    p = scorer.probabilities(data.features[data.held_out])
    labels = data.labels[data.held_out]
    at_half = np.mean((p >= 0.5) == labels)
    assert np.mean((p >= scorer.threshold) == labels) >= at_half
    assert abs(p.mean() - labels.mean()) < 0.05  # what Platt's bias is for


def test_saved_and_loaded_it_is_the_same(scorer, data, tmp_path):
    scorer.save(tmp_path / "scorer")
    assert sorted(file.name for file in (tmp_path / "scorer").iterdir()) == ["config.json", "model.safetensors"]
    loaded = Scorer.load(tmp_path / "scorer")
    assert loaded.fingerprint() == scorer.fingerprint()
    assert loaded.baseline == scorer.baseline
    assert loaded.threshold == scorer.threshold
    assert np.array_equal(loaded.probabilities(data.unseen), scorer.probabilities(data.unseen))
    assert loaded.measurer("f32", "cpu") == scorer.baseline.measurer("f32", "cpu")


def test_damaged_scorers_are_refused_by_name(scorer, tmp_path):
    scorer.save(tmp_path / "whole")

    def copy(name: str):
        return shutil.copytree(tmp_path / "whole", tmp_path / name)

    for missing in ("config.json", "model.safetensors"):
        place = copy(f"no-{missing}")
        (place / missing).unlink()
        with pytest.raises(BaselineError, match=f"no-{missing}.*{missing} is missing"):
            Scorer.load(place)
    cut = copy("cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:40])
    with pytest.raises(BaselineError, match=r"cut.*damaged"):
        Scorer.load(cut)
    other = copy("other")
    values = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(values | {"baseline": {"kind": "oracle"}}))
    with pytest.raises(BaselineError, match=r"(?s)other.*oracle"):
        Scorer.load(other)
    name, array = next(iter(scorer.weights.items()))
    for place, changed, reason in (
        ("less", {}, "differ from what is needed"),
        ("odd", {name: np.full_like(array, np.nan)}, "not finite"),
        ("flat", {name: array.flatten()[:2]}, "has shape"),
    ):
        tensors = load_file(copy(place) / "model.safetensors")
        del tensors[name]
        save_file(tensors | changed, tmp_path / place / "model.safetensors")
        with pytest.raises(BaselineError, match=f"{place}: .*{reason}"):
            Scorer.load(tmp_path / place)


def test_other_features_are_refused(scorer, data):
    with pytest.raises(BaselineError, match="given are"):
        scorer.probabilities(data.unseen[:, :-1])


def test_a_part_of_one_class_can_not_be_fitted(baseline, data):
    held = data.labels == 1
    with pytest.raises(BaselineError, match="training part has images of one class only"):
        baseline.fit(data.features, data.labels, data.weights, held)
    held = (data.labels == 1) & data.held_out
    with pytest.raises(BaselineError, match="held-out part has images of one class only"):
        baseline.fit(data.features, data.labels, data.weights, held)


def test_a_set_is_measured_in_workers_as_here(baseline, tmp_path):
    images = read_images(write_set(tmp_path / "set", {"train": 3}))
    measurer = baseline.measurer("f32", "cpu")
    jobs = [Job(image, Variant()) for image in images]
    two = collect(jobs, measurer, tmp_path / "two", workers=2)
    assert not two.refused
    measure = measurer.build()
    for job, row in zip(two.jobs, two.features, strict=True):
        pixels = load_image(job.image.path).pixels
        assert np.array_equal(row, np.concatenate([measure(pixels, part) for part in measurer.parts]))
    assert np.array_equal(collect(jobs, measurer, tmp_path / "two", workers=1).features, two.features)


def test_settings_are_read_by_kind(baseline):
    class Compare(BaseModel):
        methods: dict[str, BaselineConfig]

    values = baseline.model_dump(mode="json")
    assert parse_baseline(values) == baseline
    assert Compare.model_validate_json(json.dumps({"methods": {"x": values}})).methods["x"] == baseline
    with pytest.raises(ValidationError, match="kind"):
        parse_baseline(values | {"kind": "oracle"})
    with pytest.raises(ValidationError, match="colour"):
        parse_baseline(values | {"colour": "blue"})


def test_features_that_are_not_finite_are_refused(data):
    if data.features.dtype == np.uint8:
        pytest.skip("bytes are finite")
    broken = data.features.copy()
    broken[3, 1] = np.nan
    with pytest.raises(BaselineError, match="not finite"):
        SpectrumConfig().fit(broken, data.labels, data.weights, data.held_out)


@given(size=st.integers(16, 64).map(lambda n: 2 * n), crops=st.integers(1, 4), bins=st.integers(4, 64))
def test_identities_tell_settings_apart(size, crops, bins):
    assert SpectrumConfig(size=size, bins=bins).digest() != SpectrumConfig(size=size + 2, bins=bins).digest()
    assert SpectrumConfig(size=size, bins=bins).digest() != SpectrumConfig(size=size, bins=bins + 1).digest()
    fitted_otherwise = SpectrumConfig(size=size, bins=bins, strengths=(1,))
    assert SpectrumConfig(size=size, bins=bins).digest() == fitted_otherwise.digest()
    one, other = ResidualConfig(size=size, crops=crops), ResidualConfig(size=size, crops=crops + 1)
    assert one.digest() != other.digest()
    assert one.measurer().parts != other.measurer().parts
