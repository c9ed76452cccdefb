"""Distances: Mahalanobis along principal axes, without a direction, and relative to other images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.distance import mahalanobis
from sklearn.metrics import roc_auc_score

from cinemae.features.spec import FeatureSpec
from cinemae.fusion.config import BranchConfig, DistanceConfig, FitConfig
from cinemae.fusion.distance import FLOOR, RIDGE, fit_axes, fit_other, log_distance, places, zoom_directions
from cinemae.fusion.division import Parts
from cinemae.fusion.fit import fit_head
from cinemae.fusion.head import FusionHead, HeadError
from toys import SCALES

NAMES = tuple(f"fine.global.{part}.{number}" for part in ("0.mean", "0.std") for number in range(4))
SPEC = FeatureSpec(scales={"fine": SCALES["fine"]}, names=NAMES)


def cloud(rows: int, seed: int = 0) -> np.ndarray:
    """Correlated features, (rows, 5)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 5)) @ rng.normal(size=(5, 5)) + rng.normal(size=5)


def test_with_all_axes_it_is_the_mahalanobis_distance():
    real = cloud(400)
    mean, axes = fit_axes(real, np.ones(400), 5)
    inverse = np.linalg.inv(np.cov(real.T, bias=True))
    wanted = [mahalanobis(row, real.mean(0), inverse) ** 2 for row in real[:20]]
    np.testing.assert_allclose(np.exp(log_distance(places(real[:20], mean, axes))) - FLOOR, wanted, rtol=1e-9)


def test_the_axes_are_the_leading_ones_in_spreads():
    real = np.random.default_rng(0).normal(size=(1000, 3)) * [1, 10, 3]
    mean, axes = fit_axes(real, np.ones(1000), 2)
    assert np.abs(axes).argmax(0).tolist() == [1, 2]
    np.testing.assert_allclose(places(real, mean, axes).std(0), 1, rtol=1e-9)


def test_weights_count_as_copies():
    real = cloud(60)
    copies = np.concatenate([real, real[:20], real[:20]])
    weights = np.ones(60)
    weights[:20] = 3
    pairs = fit_axes(real, weights, 3), fit_axes(copies, np.ones(100), 3)
    found, wanted = (log_distance(places(real, *pair)) for pair in pairs)
    np.testing.assert_allclose(found, wanted, rtol=1e-8)


def test_the_distance_from_others_is_theirs():
    mean, axes = fit_axes(cloud(300), np.ones(300), 4)
    other = places(cloud(200, seed=1), mean, axes)
    center, matrix = fit_other(other, np.ones(200))
    inverse = np.linalg.inv(np.cov(other.T, bias=True) + RIDGE * np.eye(4))
    wanted = [mahalanobis(row, other.mean(0), inverse) ** 2 for row in other[:20]]
    np.testing.assert_allclose(np.exp(log_distance(places(other[:20], center, matrix))) - FLOOR, wanted, rtol=1e-9)


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 20), st.booleans())
def test_few_or_constant_images_give_finite_distances(rows, features, components, constant):
    rng = np.random.default_rng(rows)
    real = np.full((rows, features), 2.0) if constant else rng.normal(size=(rows, features))
    mean, axes = fit_axes(real, np.ones(rows), components)
    assert axes.shape == (features, max(1, min(components, rows // 4, features)))
    placed = places(real, mean, axes)
    assert np.isfinite(log_distance(placed)).all()
    assert np.isfinite(log_distance(places(placed, *fit_other(placed, np.ones(rows))))).all()


def test_axes_stand_at_right_angles_to_what_is_left_out():
    left_out = zoom_directions(np.random.default_rng(3).normal(size=(4, 2, 5)), 2)
    np.testing.assert_allclose(left_out @ left_out.T, np.eye(2), atol=1e-12)
    mean, axes = fit_axes(cloud(300), np.ones(300), 5, left_out)
    assert axes.shape == (5, 3)
    np.testing.assert_allclose(left_out @ axes, 0, atol=1e-9)
    here = cloud(20, seed=1)
    there = here + 7 * left_out[0] - 3 * left_out[1]
    np.testing.assert_allclose(*(log_distance(places(x, mean, axes)) for x in (here, there)), rtol=1e-9)


def test_what_moves_most_between_scales_is_found_whatever_the_photographs_are():
    rng = np.random.default_rng(0)
    photographs = 100 * rng.normal(size=(30, 1, 5))
    direction = np.array([0.6, 0, 0.8, 0, 0])
    steps = np.array([-1.0, 0.5, 1.0])[None, :, None] * rng.uniform(1, 2, (30, 1, 1))
    (found,) = zoom_directions(photographs + steps * direction + 0.01 * rng.normal(size=(30, 3, 5)), 1)
    assert abs(found @ direction) > 0.999


def test_as_many_directions_as_the_views_span():
    assert zoom_directions(np.zeros((0, 1, 5)), 2).shape == (0, 5)
    assert zoom_directions(np.ones((4, 2, 5)), 2).shape == (0, 5)
    assert zoom_directions(np.eye(5)[None, :2], 4).shape == (1, 5)


def two_sided(rows: int = 600) -> tuple[np.ndarray, np.ndarray, Parts]:
    """Fakes of training lie on one side of the real images in the first spread; those to be found on the other."""
    rng = np.random.default_rng(1)
    labels = np.arange(rows) % 2
    features = rng.normal(size=(rows, len(NAMES)))
    features[:, 4] += 4 * labels
    turn = np.arange(rows) % 10
    return features.astype(np.float32), labels, Parts(turn < 6, (turn >= 6) & (turn < 8), turn >= 8)


def fitted(distance: DistanceConfig, branches: dict[str, BranchConfig] | None = None, **rest: object) -> FusionHead:
    features, labels, parts = two_sided()
    config = FitConfig(branches=branches or {}, distances={"far": distance})
    weights = np.ones(len(labels))
    return fit_head(features, labels, weights, parts, SPEC, {"fine": "0" * 16}, {"fine": "x"}, config, **rest).head


def other_side() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    labels = np.arange(400) % 2
    features = rng.normal(size=(400, len(NAMES)))
    features[:, 4] -= 4 * labels
    return features.astype(np.float32), labels


def test_a_distance_finds_fakes_on_the_side_that_a_network_takes_for_real():
    features, labels = other_side()
    head = fitted(
        DistanceConfig(groups=("global",), only=".std.", components=4),
        {"global": BranchConfig(groups=("global",), decay=0.01, epochs=10)},
    )
    found = head.branch_logits(features)
    assert roc_auc_score(labels, found["global"]) < 0.4
    assert roc_auc_score(labels, found["far"]) > 0.9


def test_alone_it_makes_a_head():
    features, labels, parts = two_sided()
    head = fitted(DistanceConfig(groups=("global",), only=".std."))
    assert head.config.hidden == {}
    assert head.config.parts == ("far",)
    assert [NAMES[n] for n in head.weights["far.index"]] == [f"fine.global.0.std.{n}" for n in range(4)]
    assert roc_auc_score(labels, head.logits(features)) > 0.9
    real = head.branch_logits(features[parts.training & (labels == 0)])["far"]
    assert (real.mean(), real.std()) == pytest.approx((0, 1), abs=1e-6)  # its share, alone, is all there is


def test_relative_to_the_ai_images_or_to_the_pseudo_fakes_among_them():
    features, labels, _ = two_sided()
    relative = DistanceConfig(groups=("global",), only=".std.", relative=True)
    ai = fitted(relative)
    pseudo = (labels == 1) & (features[:, 5] > 0)
    some = fitted(relative, pseudo=pseudo)
    none = fitted(relative, pseudo=np.zeros(len(labels), dtype=bool))
    assert none.fingerprint() == ai.fingerprint() != some.fingerprint()
    ahead, behind = features[labels == 1][:1].copy(), features[labels == 0][:1].copy()
    ahead[0, 4], behind[0, 4] = 4, -4
    assert ai.logits(ahead)[0] > ai.logits(behind)[0]  # as far from the real ones, and nearer to the others


def test_pseudo_fakes_without_weight_are_nothing_to_be_relative_to():
    features, labels, parts = two_sided()
    pseudo = (labels == 1) & (features[:, 5] > 0)
    relative = DistanceConfig(groups=("global",), only=".std.", relative=True)
    config = FitConfig(branches={}, distances={"far": relative}, pseudo_share=0)
    given = (features, labels, 1.0 - pseudo, parts, SPEC, {"fine": "0" * 16}, {"fine": "x"}, config)
    heads = [fit_head(*given, pseudo=rows).head for rows in (pseudo, None)]
    assert heads[0].fingerprint() == heads[1].fingerprint()


def test_a_head_leaves_out_what_scale_moves():
    """The last 20 rows, in no part, are 10 photographs at two scales: the second spread changes with scale."""
    features, labels, parts = two_sided()
    rows = np.arange(len(labels) - 20, len(labels)).reshape(10, 2)
    features[rows[:, 1]] = features[rows[:, 0]] + 3 * np.eye(len(NAMES))[5]
    used = np.ones(len(labels), dtype=bool)
    used[rows] = False
    kept = Parts(parts.training & used, parts.validation & used, parts.conformal & used)
    weights = np.ones(len(labels))

    def fit(zoom_axes: int, zoomed: np.ndarray | None) -> FusionHead:
        distance = DistanceConfig(groups=("global",), only=".std.", zoom_axes=zoom_axes)
        config = FitConfig(branches={}, distances={"far": distance})
        prints = {"fine": "0" * 16}
        return fit_head(features, labels, weights, kept, SPEC, prints, {"fine": "x"}, config, zoomed=zoomed).head

    def moved(head: FusionHead, feature: int) -> float:
        probe = np.zeros((2, len(NAMES)), dtype=np.float32)
        probe[:, 7] = 1
        probe[1, feature] = 3
        return float(np.ptp(head.logits(probe)))

    blind = fit(1, rows)
    assert moved(blind, 5) < 0.05 < 0.5 < min(moved(blind, 6), moved(fit(0, rows), 5))
    assert fit(1, None).fingerprint() == fit(0, rows).fingerprint()  # no photograph at several scales


def test_saved_and_loaded_is_the_same(tmp_path):
    head = fitted(DistanceConfig(groups=("global",), relative=True))
    head.save(tmp_path)
    features, _ = other_side()
    assert FusionHead.load(tmp_path).logits(features).tobytes() == head.logits(features).tobytes()


@pytest.mark.parametrize("part", ["mean", "axes", "line", "other_mean", "other_axes"])
def test_weights_of_another_shape_are_refused(part):
    head = fitted(DistanceConfig(groups=("global",), relative=True, components=3))
    odd = head.weights | {f"far.{part}": head.weights[f"far.{part}"][:-1]}
    with pytest.raises(HeadError, match=rf"far\.{part} has shape"):
        FusionHead(head.config, odd)
    with pytest.raises(HeadError, match=rf"far\.{part}"):
        FusionHead(head.config, {name: array for name, array in head.weights.items() if name != f"far.{part}"})


def test_a_distance_that_reads_nothing_is_refused_by_name():
    with pytest.raises(ValueError, match=r"the distance far reads no feature: none has '\.median\.'"):
        fitted(DistanceConfig(groups=("global",), only=".median."))


def test_a_head_of_nothing_and_names_twice_are_refused():
    head = fitted(DistanceConfig(groups=("global",)))
    with pytest.raises(HeadError, match="no branches"):
        FusionHead(head.config.model_copy(update={"distances": {}}), head.weights)
    with pytest.raises(ValidationError, match="at least one branch or distance"):
        FitConfig(branches={}, distances={})
    with pytest.raises(ValidationError, match="both a branch and a distance: error"):
        FitConfig(distances={"error": DistanceConfig(groups=("error",))})
