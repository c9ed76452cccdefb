"""The head at inference: plain NumPy, saved and loaded without loss, its threshold inside."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from cinemae.features.spec import FeatureSpec
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
    for part in ("local", "tokens"):
        total += z[:, w[f"{part}.index"].long()] @ w[f"{part}.line"] + w[f"{part}.bias"]
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


def test_parts_add_up(rows):
    head = head_of()
    parts = head.part_logits(rows)
    assert list(parts) == ["local", "tokens"]
    np.testing.assert_allclose(parts["local"] + parts["tokens"], head.raw_logits(rows), rtol=1e-12)
    spoilt = rows.copy()
    spoilt[:, 8:] += 1  # the tokens alone
    assert np.array_equal(head.part_logits(spoilt)["local"], parts["local"])
    assert (head.part_logits(spoilt)["tokens"] != parts["tokens"]).all()


def test_rows_do_not_depend_on_each_other():
    """Bit for bit, in any number, at any place, beside whatever else."""
    rows = np.random.default_rng(1).normal(0, 3, (3 * ROWS + 5, 12)).astype(np.float32)
    head = head_of()
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
    center, spread = (head.weights[name] for name in ("center", "spread"))
    rows = (center + spread * rng.normal(size=(40, count))).astype(np.float32)
    together = head.logits(rows)
    assert np.concatenate([head.logits(row[None]) for row in rows]).tobytes() == together.tobytes()
    for other in (rows[::-1], np.asfortranarray(rows)[::-1], np.repeat(rows[::-1], 2, axis=0)[::2]):
        assert head.logits(other)[::-1].tobytes() == together.tobytes()


def test_the_sum_of_many_parts_does_not_depend_on_the_number_of_images():
    rng = np.random.default_rng(0)
    parts = {str(number): rng.normal(size=40) for number in range(12)}
    alone = [total_of({name: logits[n : n + 1] for name, logits in parts.items()}) for n in range(40)]
    assert np.concatenate(alone).tobytes() == total_of(parts).tobytes()


def test_no_rows():
    assert head_of().probabilities(np.zeros((0, 12), dtype=np.float32)).shape == (0,)


def test_extreme_logits_give_probabilities(rows):
    head = head_of(temperature=1e-4)
    p = head.probabilities(rows)  # warnings are errors here: no overflow either
    assert ((p >= 0) & (p <= 1)).all()
    assert p.min() < 1e-6
    assert p.max() > 1 - 1e-6


def wide_head(count: int = 500) -> FusionHead:
    """A head of many features, as the shipped one has."""
    rng, small = np.random.default_rng(3), head_of()
    names = tuple(f"fine.global.x{n}" for n in range(count))
    weights = small.weights | {
        "center": rng.normal(size=count),
        "spread": rng.uniform(0.5, 2, count),
        "local.index": rng.permutation(count)[: count - 100],
        "local.line": rng.normal(size=count - 100),
        "tokens.index": np.arange(count)[::2],
        "tokens.line": rng.normal(size=(count + 1) // 2).astype(np.float32),
    }
    spec = small.config.spec.model_copy(update={"names": names})
    return FusionHead(small.config.model_copy(update={"spec": spec}), weights)


def test_rows_of_a_wide_head_do_not_depend_on_each_other():
    """Hundreds of products are added in the same order, however many images there are and however they lie."""
    head = wide_head()
    rows = np.random.default_rng(0).normal(size=(2 * ROWS + 7, 500)).astype(np.float32)
    together = head.logits(rows)
    assert np.concatenate([head.logits(row[None]) for row in rows]).tobytes() == together.tobytes()
    for other in (rows[::-1], np.asfortranarray(rows)[::-1], np.repeat(rows[::-1], 2, axis=0)[::2]):
        assert head.logits(other)[::-1].tobytes() == together.tobytes()


def test_saved_and_loaded_is_the_same_head(rows, tmp_path):
    head = head_of(temperature=1.234567890123, bias=0.1, threshold=0.44, alpha=0.2, licence="Apache-2.0",
                   ai=(0.4, 0.5, 0.6, 0.7), real=(0.2, 0.5, 0.6, 0.65, 0.7),
                   training={"manifest_hash": "00ff", "images": {"ai": 3}})  # fmt: skip
    head.save(tmp_path / "a" / "b")
    back = FusionHead.load(tmp_path / "a" / "b")
    assert back.fingerprint() == head.fingerprint()
    assert back.config == head.config
    assert {name: array.shape for name, array in back.weights.items()} == {
        name: array.shape for name, array in head.weights.items()
    }
    assert back.band == head.band
    assert back.probabilities(rows).tobytes() == head.probabilities(rows).tobytes()


def test_fingerprint_covers_what_decides_and_not_where_it_came_from():
    head = head_of()
    assert len(head.fingerprint()) == 16
    for update in (
        {"threshold": 0.51},
        {"alpha": 0.2},
        {"ai": (0.4,) * 9},
        {"temperature": 2.0},
        {"clip": 3.0},
        {"backbones": {"fine": "f" * 16}},
    ):
        assert head_of(**update).fingerprint() != head.fingerprint()
    assert head_of(seed=1).fingerprint() != head.fingerprint()
    told = {"training": {"note": "x"}, "backbone_names": {"fine": "there"}}
    assert FusionHead(head.config.model_copy(update=told), head.weights).fingerprint() == head.fingerprint()


@pytest.mark.parametrize(
    ("given", "fields"),
    [(1, {"band": (0.4, 0.6)}), (3, {"members": 3, "hidden": {"local": 5}, "calibration": "platt"})],
)
def test_a_head_of_an_earlier_format_is_to_be_trained_again(tmp_path, given, fields):
    """The first stored an abstention band, the third networks."""
    head_of().save(tmp_path)
    config = tmp_path / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values | fields | {"format": given}))
    with pytest.raises(
        HeadError, match=rf"(?s)config.json.*a head of format {given}; this cinemae reads format 4: train it again"
    ):
        FusionHead.load(tmp_path)


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
            config.write_text(json.dumps(values | {"format": 5}))
    file = weights if damage in ("truncated", "text", "empty") else config
    with pytest.raises(HeadError, match=file.name):
        FusionHead.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("local.line"), "local.line"),
        (lambda w: w.update(extra=np.zeros(3)), "extra"),
        (lambda w: w.update(center=w["center"][:-1]), "11 standardised features for 12 names"),
        (lambda w: w.update({"local.index": w["local.index"] + 9}), "local.index does not point"),
        (lambda w: w.update({"local.index": w["local.index"] - 1}), "local.index does not point"),
        (lambda w: w.update({"tokens.index": w["tokens.index"].astype(float)}), "tokens.index does not point"),
        (lambda w: w.update({"local.line": w["local.line"][:-1]}), r"local.line has shape \(7,\)"),
        (lambda w: w.update({"local.line": w["local.line"][None]}), r"local.line has shape \(1, 8\)"),
        (lambda w: w.update({"tokens.bias": np.zeros(2)}), r"tokens.bias has shape \(2,\)"),
        (lambda w: w["local.line"].__setitem__(0, np.nan), r"not finite: \['local.line'\]"),
        (lambda w: w.pop("conformal.real"), "conformal.real"),
        (lambda w: w.update({"conformal.ai": np.arange(9.0)[::-1]}), "conformal.ai is no row of rising numbers"),
        (lambda w: w.update({"conformal.ai": np.arange(9, dtype=np.float32)}), "conformal.ai is no row .* in float64"),
        (lambda w: w.update({"conformal.ai": np.zeros(8)}), "alpha 0.1 needs 9 AI-generated images .* there are 8"),
        (lambda w: w.update({"local.in": np.zeros((1, 8, 4))}), "local.in"),
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
    for wrong in ({"temperature": 0.0}, {"threshold": 1.0}, {"alpha": 0.0}, {"parts": ()}, {"colour": "blue"}):
        with pytest.raises(ValidationError):
            HeadConfig.model_validate(values | wrong)
    assert HeadConfig.model_validate(values).spec == FeatureSpec.model_validate(values["spec"])


def test_sigmoid_is_exact_and_never_overflows():
    x = np.array([-800.0, -5, 0, 5, 800])
    assert sigmoid(x) == pytest.approx([0, 1 / (1 + np.exp(5)), 0.5, 1 / (1 + np.exp(-5)), 1])
