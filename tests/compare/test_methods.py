"""Methods made ready: what they share, and what makes one another."""

from __future__ import annotations

import pytest

from cinemae.compare.config import CompareConfig
from cinemae.compare.methods import Contestant, groups, prepare


@pytest.fixture(scope="module")
def contestants(document, head_folder) -> dict[str, Contestant]:
    methods = {
        "fused": {"kind": "head"},
        "local": {"kind": "head", "part": "local"},
        "twice": {"kind": "head", "train": {"augmentations": 2}},
        "laplace": {"kind": "head", "train": {"family": "laplace"}},
        "balanced": {"kind": "head", "train": {"fit.balance": 0.0}},
        "saved": {"kind": "saved", "model": str(head_folder)},
        "spectrum": {"kind": "spectrum", "bins": 8},
        "finer": {"kind": "spectrum", "bins": 16},
    }
    return {
        each.name: each
        for each in prepare(CompareConfig.model_validate(document | {"methods": methods, "ablations": None}))
    }


def names(contestants: list[Contestant]) -> list[list[list[str]]]:
    return [[[each.name for each in same] for same in trainings] for _, trainings in groups(contestants)]


def test_nothing_is_measured_twice(contestants):
    wanted = ["fused", "local", "twice", "laplace", "balanced", "saved", "spectrum", "finer"]
    assert names([contestants[name] for name in wanted]) == [
        [["fused", "local", "balanced"], ["twice"]],
        [["laplace"]],
        [["saved"]],  # the toy head looks at two crops, the others at one
        [["spectrum"]],
        [["finer"]],
    ]


def test_each_is_told_from_the_others(contestants):
    keys = {(each.digest(), each.measured_by()) for each in contestants.values()}
    assert len(keys) == len(contestants)
    assert contestants["fused"].measured_by() == contestants["local"].measured_by()
    assert contestants["fused"].measured_by() != contestants["laplace"].measured_by()
    assert contestants["spectrum"].measured_by() != contestants["finer"].measured_by()
    kinds = [each.kind for each in contestants.values()]
    assert kinds == ["head"] * 5 + ["saved"] + ["spectrum"] * 2
    assert contestants["saved"].training is None


@pytest.mark.parametrize(
    ("change", "heads", "baselines"),
    [
        ({"fit.clip": 4.0}, True, False),
        ({"fit.folds": 3}, True, True),
        ({"families": {"gan": ["biggan"]}}, True, True),
        ({"fit.balance": 0.1}, True, True),
        ({"fit.alpha": 0.41}, True, True),
        ({"augment.jpeg": 0.1}, True, True),
        ({"augmentations": 2}, True, True),
        ({"precision": "auto"}, False, False),
    ],
)
def test_what_the_shared_training_changes(document, contestants, change, heads, baselines):
    methods = {name: document["methods"][name] for name in ("fused", "spectrum")} | {
        "spectrum": {"kind": "spectrum", "bins": 8}
    }
    values = document | {"methods": methods, "ablations": None, "train": document["train"] | change}
    found = {each.name: each.digest() for each in prepare(CompareConfig.model_validate(values))}
    assert (found["fused"] != contestants["fused"].digest()) is heads
    assert (found["spectrum"] != contestants["spectrum"].digest()) is baselines
