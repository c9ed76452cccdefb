"""Differences between scales: which features they are of, and what a head makes of them."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from cinemae.features.spec import DEFAULT_BACKBONES, FeatureSpec
from cinemae.fusion.config import BranchConfig, DistanceConfig, FitConfig, TrainConfig
from cinemae.fusion.differences import add_differences, with_differences
from cinemae.fusion.division import Parts
from cinemae.fusion.errors import HeadError
from cinemae.fusion.fit import fit_head
from cinemae.fusion.head import FusionHead
from toys import SCALES

NAMES = (
    "fine.error.a",
    "fine.error.b",
    "fine.global.c",
    "half.global.c",
    "half.error.a",
    "half.error.z",
    "far.error.a",
)
SPEC = FeatureSpec(scales=dict.fromkeys(("fine", "half", "far"), SCALES["fine"]), names=NAMES)
OCTAVE = {"octave": ("fine", "half")}
LONG = {"hidden": 8, "dropout": 0.2, "noise": 0.3, "decay": 1e-2, "epochs": 40}


def test_they_are_of_the_features_that_both_scales_have_in_the_order_of_the_first():
    wide, plus, minus = with_differences(SPEC, OCTAVE | {"two": ("half", "far")})
    assert wide.names == (*NAMES, "octave.error.a", "octave.global.c", "two.error.a")
    assert (plus.tolist(), minus.tolist()) == ([0, 2, 4], [4, 3, 6])
    assert wide.select(("octave",), ("error", "global")) == [7, 8]
    assert with_differences(SPEC, {})[0] == SPEC
    rows = np.arange(14.0).reshape(2, 7)
    assert add_differences(rows, plus, minus)[:, 7:].tolist() == [[-4, -1, -2]] * 2
    as_torch = add_differences(torch.from_numpy(rows), torch.from_numpy(plus), torch.from_numpy(minus))
    assert np.array_equal(as_torch.numpy(), add_differences(rows, plus, minus))
    assert add_differences(rows, plus[:0], minus[:0]) is rows


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        ({"fine": ("fine", "half")}, "fine is both a scale and a difference"),
        ({"d": ("fine", "none")}, "the difference d is one of fine and none; there is no none"),
        ({"d": ("semantic", "fine")}, "there is no semantic"),
    ],
)
def test_what_makes_no_sense_is_named(differences, message):
    with pytest.raises(ValueError, match=message):
        with_differences(SPEC, differences)


def test_scales_that_share_nothing_are_named():
    apart = SPEC.model_copy(update={"names": ("fine.error.a", "half.global.a", "far.error.b")})
    with pytest.raises(ValueError, match="the difference octave: fine and half have no feature in common"):
        with_differences(apart, OCTAVE)


def test_a_part_reads_a_difference_that_there_is_and_something_at_all():
    branch = BranchConfig(groups=("error",), differences=("octave",))
    with pytest.raises(ValidationError, match="far reads the difference octave; there is no such difference"):
        FitConfig(branches={"far": branch}, distances={}, differences={})
    with pytest.raises(ValidationError, match="reads neither a scale nor a difference"):
        DistanceConfig(groups=("error",), scales=())


def test_a_training_names_a_difference_that_its_scales_do_not_give():
    with pytest.raises(ValidationError, match=r"octave is of fine and half; there is no scale half"):
        TrainConfig(scales={"fine": SCALES["fine"]})
    with pytest.raises(
        ValidationError, match=r"fit.differences.octave is of fine and half, whose MAEs are not the same"
    ):
        TrainConfig(backbones=DEFAULT_BACKBONES | {"half": "another"})
    unread = FitConfig(branches={"error": BranchConfig(groups=("error",))}, distances={})
    assert TrainConfig(scales={"fine": SCALES["fine"]}, fit=unread).fit.used_differences == {}


def toy(rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Parts]:
    """Both scales vary a thousand times more than what tells the classes apart: how much they differ."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % 2)
    features = rng.normal(size=(rows, len(NAMES)))
    common = rng.normal(0, 1000, rows)
    for number in (0, 4):
        features[:, number] += common
    features[:, 0] += 5 * labels
    turn = np.arange(rows) % 20
    return features.astype(np.float32), labels, Parts(turn < 12, (turn >= 12) & (turn < 16), turn >= 16)


def fitted(**parts: object) -> tuple[float, FusionHead, np.ndarray]:
    features, labels, rows = toy()
    config = FitConfig.model_validate(
        {"members": 2, "batch": 64, "rate": 5e-3, "branches": {}, "distances": {}} | parts
    )
    names = dict.fromkeys(SPEC.scales, "x")
    report = fit_head(features, labels, np.ones(len(labels)), rows, SPEC, names, names, config)
    return report.held_out_auc, report.head, features


def test_a_branch_learns_from_a_difference_what_it_can_hardly_from_both_scales():
    both = {"groups": ("error",), "scales": ("fine", "half"), **LONG}
    plain, head, _ = fitted(branches={"error": both})
    assert head.config.differences == {}
    better, head, features = fitted(branches={"error": both | {"differences": ("octave",)}})
    assert plain < 0.75 < 0.95 < better
    assert head.config.differences == OCTAVE
    assert head.weights["error.index"].tolist() == [0, 1, 4, 5, 7]
    alone, head, _ = fitted(branches={"error": both | {"scales": (), "differences": ("octave",)}})
    assert alone > 0.95
    assert head.weights["error.index"].tolist() == [7]
    shifted = features + np.where(np.isin(np.arange(len(NAMES)), (0, 4)), 64.0, 0.0).astype(np.float32)
    np.testing.assert_allclose(head.logits(shifted), head.logits(features), atol=1e-2)


def test_a_distance_reads_differences_too():
    distance = {"groups": ("error",), "scales": (), "differences": ("octave",), "components": 1}
    area, head, features = fitted(distances={"odd": distance})
    assert area > 0.8
    assert head.weights["odd.index"].tolist() == [7]
    values = features[:, 0].astype(np.float64) - features[:, 4]
    order = np.argsort(np.abs(values - np.median(values[toy()[1] == 0])))
    assert head.logits(features)[order[:20]].max() < head.logits(features)[order[-20:]].min()


def test_a_saved_head_has_its_differences_and_an_impossible_one_is_refused(tmp_path):
    branch = {"groups": ("error",), "scales": (), "differences": ("octave",), **LONG}
    _, head, features = fitted(branches={"error": branch})
    head.save(tmp_path / "head")
    again = FusionHead.load(tmp_path / "head")
    assert again.config.differences == OCTAVE
    assert again.logits(features).tobytes() == head.logits(features).tobytes()
    assert again.logits(features[:1]).tobytes() == head.logits(features)[:1].tobytes()
    for differences, message in (
        ({"octave": ("fine", "none")}, "no none"),
        ({}, "9 standardised features for 7 names"),
    ):
        config = head.config.model_copy(update={"differences": differences})
        with pytest.raises(HeadError, match=message):
            FusionHead(config, head.weights)
