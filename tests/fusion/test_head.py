"""The head at inference: plain NumPy, saved and loaded without loss, its threshold inside."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from cinemae.features.spec import FeatureSpec
from cinemae.fusion.distance import FLOOR
from cinemae.fusion.forward import ROWS, total_of
from cinemae.fusion.head import FusionHead, HeadConfig, HeadError, sigmoid
from cinemae.loading import find_head
from toys import head_of


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 3, (40, 12)).astype(np.float32)


def torch_forward(head: FusionHead, rows: np.ndarray) -> torch.Tensor:
    """The formula of the module's first lines, once more, in torch."""
    w = {name: torch.from_numpy(np.asarray(array, dtype=np.float64)) for name, array in head.weights.items()}
    z = ((torch.from_numpy(rows).double() - w["center"]) / w["spread"]).clamp(-head.config.clip, head.config.clip)
    total = torch.zeros(len(rows), dtype=torch.float64)
    for branch in ("local", "global"):
        x = z[:, w[f"{branch}.index"].long()]
        members = []
        for number in range(head.config.members):
            hidden = torch.relu(x @ w[f"{branch}.in"][number] + w[f"{branch}.in_bias"][number])
            members.append(hidden @ w[f"{branch}.out"][number] + w[f"{branch}.out_bias"][number])
        total += torch.stack(members).mean(0)
    for name, relative in head.config.distances.items():
        placed = (z[:, w[f"{name}.index"].long()] - w[f"{name}.mean"]) @ w[f"{name}.axes"]
        score = (placed.square().sum(-1) + FLOOR).log()
        if relative:
            score -= (((placed - w[f"{name}.other_mean"]) @ w[f"{name}.other_axes"]).square().sum(-1) + FLOOR).log()
        total += score * w[f"{name}.line"][0] + w[f"{name}.line"][1]
    return torch.sigmoid(total / head.config.temperature + head.config.bias)


def test_forward_equals_torch(rows):
    head = head_of(temperature=1.7, bias=-0.4)
    np.testing.assert_allclose(head.probabilities(rows), torch_forward(head, rows).numpy(), rtol=1e-10)
    assert np.ptp(head.probabilities(rows)) > 0.1


def test_features_are_clipped(rows):
    head = head_of(clip=2.0)
    wild = rows.copy()
    wild[:, 0] = 1e9
    edge = rows.copy()
    edge[:, 0] = head.weights["center"][0] + 2 * head.weights["spread"][0]
    np.testing.assert_allclose(head.logits(wild), head.logits(edge), atol=1e-5)
    assert np.isfinite(head.probabilities(np.full((1, 12), 3e38, dtype=np.float32))).all()


@pytest.mark.parametrize("knots", [None, (np.linspace(-9, 9, 23), np.linspace(-2, 3, 23) ** 3)])
def test_rows_do_not_depend_on_each_other(knots):
    """Bit for bit, in any number, at any place, beside whatever else."""
    rows = np.random.default_rng(1).normal(0, 3, (3 * ROWS + 5, 12)).astype(np.float32)
    head = head_of(knots=knots)
    together = head.logits(rows)
    for size in (1, 3, 7, ROWS, ROWS + 1, 2 * ROWS):
        parts = [head.logits(rows[start : start + size]) for start in range(0, len(rows), size)]
        assert np.concatenate(parts).tobytes() == together.tobytes()
    order = np.random.default_rng(0).permutation(len(rows))
    assert head.logits(rows[order]).tobytes() == together[order].tobytes()
    wild = rows.copy()
    wild[1:] = 3e38
    assert head.logits(wild)[0] == together[0]


def test_rows_of_the_shipped_head_do_not_depend_on_each_other():
    """As many features as it really has, and as they lie in memory when they are read from a cache."""
    head = FusionHead.load(find_head(None))
    rng = np.random.default_rng(0)
    count = len(head.config.spec.names)
    center, spread = (head.weights[name][:count] for name in ("center", "spread"))  # without differences
    rows = (center + spread * rng.normal(size=(40, count))).astype(np.float32)
    together = head.logits(rows)
    assert np.concatenate([head.logits(row[None]) for row in rows]).tobytes() == together.tobytes()
    for other in (rows[::-1], np.asfortranarray(rows)[::-1], np.repeat(rows[::-1], 2, axis=0)[::2]):
        assert head.logits(other)[::-1].tobytes() == together.tobytes()


def test_the_sum_of_many_branches_does_not_depend_on_the_number_of_images():
    rng = np.random.default_rng(0)
    branches = {str(number): rng.normal(size=40) for number in range(12)}
    alone = [total_of({name: logits[n : n + 1] for name, logits in branches.items()}) for n in range(40)]
    assert np.concatenate(alone).tobytes() == total_of(branches).tobytes()


def test_no_rows():
    assert head_of().probabilities(np.zeros((0, 12), dtype=np.float32)).shape == (0,)


def test_extreme_logits_give_probabilities(rows):
    head = head_of(temperature=1e-4)
    p = head.probabilities(rows)  # warnings are errors here: no overflow either
    assert ((p >= 0) & (p <= 1)).all()
    assert p.min() < 1e-6
    assert p.max() > 1 - 1e-6


@pytest.mark.parametrize("curve", [False, True])
def test_saved_and_loaded_is_the_same_head(rows, tmp_path, curve):
    knots = ([-1.0, 0.25], [-0.5, 1 / 3]) if curve else None
    head = head_of(temperature=1.234567890123, bias=0.1, threshold=0.44, alpha=0.2, licence="Apache-2.0",
                   ai=(0.4, 0.5, 0.6, 0.7), real=(0.2, 0.5, 0.6, 0.65, 0.7), knots=knots,
                   training={"manifest_hash": "00ff", "images": {"ai": 3}})  # fmt: skip
    head.save(tmp_path / "a" / "b")
    back = FusionHead.load(tmp_path / "a" / "b")
    assert back.fingerprint() == head.fingerprint()
    assert back.config == head.config
    assert back.band == head.band
    assert back.probabilities(rows).tobytes() == head.probabilities(rows).tobytes()


def test_fingerprint_covers_what_decides_and_not_where_it_came_from():
    head = head_of()
    assert len(head.fingerprint()) == 16
    for update in (
        {"threshold": 0.51},
        {"alpha": 0.2},
        {"ai": (0.4,) * 9},
        {"knots": ([0.0], [0.0])},
        {"temperature": 2.0},
        {"clip": 3.0},
        {"backbones": {"fine": "f" * 16}},
    ):
        assert head_of(**update).fingerprint() != head.fingerprint()
    assert head_of(seed=1).fingerprint() != head.fingerprint()
    told = {"training": {"note": "x"}, "backbone_names": {"fine": "there"}}
    assert FusionHead(head.config.model_copy(update=told), head.weights).fingerprint() == head.fingerprint()


def test_a_head_of_the_first_format_is_to_be_trained_again(tmp_path):
    """It stored an abstention band, not the images behind it."""
    head_of().save(tmp_path)
    config = tmp_path / "config.json"
    values = json.loads(config.read_text())
    del values["alpha"], values["calibration"]
    config.write_text(json.dumps(values | {"format": 1, "band": (0.4, 0.6)}))
    with pytest.raises(
        HeadError, match=r"(?s)config.json.*a head of format 1; this cinemae reads format 3: train it again"
    ):
        FusionHead.load(tmp_path)


@pytest.mark.parametrize(
    "knots",
    [([], []), ([0.0, 0.0], [0.0, 1.0]), ([0.0, 1.0], [1.0, 0.5]), ([0.0, 1.0], [0.0]), ([[0.0, 1.0]], [[0.0, 1.0]])],
)
def test_knots_that_do_not_rise_are_refused(knots):
    with pytest.raises(HeadError, match=r"calibration.at and calibration.to are no knots of a rising curve"):
        head_of(knots=knots)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    head_of().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(HeadError, match=f"{tmp_path}.*{name} is missing"):
        FusionHead.load(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(HeadError, match=r"nowhere.*config.json is missing"):
        FusionHead.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "damage", ["truncated", "text", "empty", "binary config", "half config", "other model", "newer"]
)
def test_damaged_files_are_named(tmp_path, damage):
    head_of().save(tmp_path)
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"
    values = json.loads(config.read_text())
    match damage:
        case "truncated":
            weights.write_bytes(weights.read_bytes()[:-100])
        case "text":
            weights.write_text("version https://git-lfs.github.com/spec/v1")
        case "empty":
            weights.write_bytes(b"")
        case "binary config":
            config.write_bytes(b"\xff\xfe{}")
        case "half config":
            config.write_text(config.read_text()[:200])
        case "other model":
            config.write_text(json.dumps(values | {"model_type": "vit_mae"}))
        case "newer":
            config.write_text(json.dumps(values | {"format": 4}))
    file = weights if damage in ("truncated", "text", "empty") else config
    with pytest.raises(HeadError, match=file.name):
        FusionHead.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("local.in"), "local.in"),
        (lambda w: w.update(extra=np.zeros(3)), "extra"),
        (lambda w: w.update(center=w["center"][:-1]), "11 standardised features for 12 names"),
        (lambda w: w.update({"local.index": w["local.index"] + 9}), "local.index does not point"),
        (lambda w: w.update({"global.index": w["global.index"].astype(float)}), "global.index does not point"),
        (lambda w: w.update({"local.in": w["local.in"].transpose(0, 2, 1)}), r"local.in has shape \(3, 5, 8\)"),
        (lambda w: w.update({"global.out_bias": w["global.out_bias"][:1]}), r"global.out_bias has shape \(1,\)"),
        (lambda w: w["local.out"].__setitem__((0, 0), np.nan), r"not finite: \['local.out'\]"),
        (lambda w: w.pop("conformal.real"), "conformal.real"),
        (lambda w: w.update({"conformal.ai": np.arange(9.0)[::-1]}), "conformal.ai is no row of rising numbers"),
        (lambda w: w.update({"conformal.ai": np.arange(9, dtype=np.float32)}), "conformal.ai is no row .* in float64"),
        (lambda w: w.update({"conformal.ai": np.zeros(8)}), "alpha 0.1 needs 9 AI-generated images .* there are 8"),
        (lambda w: w.update({"calibration.at": np.zeros(1)}), "calibration.at"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, change, message):
    head = head_of()
    change(head.weights)
    with pytest.raises(HeadError, match=message):
        FusionHead(head.config, head.weights)
    head.save(tmp_path)
    with pytest.raises(HeadError, match=f"{tmp_path}.*{message}"):
        FusionHead.load(tmp_path)


def test_configuration_is_strict():
    head = head_of()
    values = head.config.model_dump()
    for wrong in ({"temperature": 0.0}, {"threshold": 1.0}, {"alpha": 0.0}, {"members": 0}, {"colour": "blue"}):
        with pytest.raises(ValidationError):
            HeadConfig.model_validate(values | wrong)
    assert HeadConfig.model_validate(values).spec == FeatureSpec.model_validate(values["spec"])


def test_sigmoid_is_exact_and_never_overflows():
    x = np.array([-800.0, -5, 0, 5, 800])
    assert sigmoid(x) == pytest.approx([0, 1 / (1 + np.exp(5)), 0.5, 1 / (1 + np.exp(-5)), 1])
