"""Paired differences against scikit-learn, and what pairing is for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from cinemae.compare.paired import Pairing, Scores


def make(seed: int = 0, count: int = 120, families: dict[str, list[str]] | None = None, resamples: int = 300):
    """A test set of two generators, and two methods that mostly agree."""
    rng = np.random.default_rng(seed)
    labels, generators = np.arange(count) % 2, ["g" if number < count // 2 else "h" for number in range(count)]
    hard = rng.normal(size=count)  # what both find hard
    p = [1 / (1 + np.exp(-(labels - 0.5 + hard + 0.2 * rng.normal(size=count)))) for _ in range(2)]
    pairing = Pairing(labels, generators, [str(number) for number in range(count)], families, resamples, 7)
    everything = np.arange(count)
    return pairing, Scores(everything, p[0], 0.5), Scores(everything, p[1], 0.4)


def by_hand(pairing: Pairing, scores: Scores, names: tuple[str, ...], measure) -> float:
    generators = np.array(pairing.generators)
    return float(np.mean([measure(pairing.labels[generators == g], scores.p[generators == g]) for g in names]))


def test_values_are_scikit_learn_s():
    pairing, one, other = make()
    (found,) = pairing.differences(one, other)
    assert (found.family, found.generators, found.images) == ("all", ("g", "h"), 120)
    areas = [by_hand(pairing, scores, ("g", "h"), roc_auc_score) for scores in (one, other)]
    assert found.roc_auc.value == pytest.approx(areas[0] - areas[1])
    balanced = [
        by_hand(pairing, s, ("g", "h"), lambda y, p, t=s.threshold: balanced_accuracy_score(y, p >= t))
        for s in (one, other)
    ]
    assert found.balanced_accuracy.value == pytest.approx(balanced[0] - balanced[1])


def test_the_other_way_round_is_the_negative():
    pairing, one, other = make()
    (forth,), (back,) = pairing.differences(one, other), pairing.differences(other, one)
    assert forth.roc_auc.value == -back.roc_auc.value
    assert forth.roc_auc.interval == pytest.approx((-back.roc_auc.interval[1], -back.roc_auc.interval[0]))


def test_a_method_does_not_differ_from_itself():
    pairing, one, _ = make()
    (found,) = pairing.differences(one, one)
    assert (found.roc_auc.value, found.roc_auc.interval) == (0, (0, 0))


def test_pairing_makes_intervals_narrow():
    pairing, one, other = make()
    (found,) = pairing.differences(one, other)
    areas = []
    rng = np.random.default_rng(1)
    for _ in range(300):  # resampled apart
        both = []
        for scores in (one, other):
            rows = rng.integers(0, 120, 120)
            both.append(roc_auc_score(pairing.labels[rows], scores.p[rows]))
        areas.append(both[0] - both[1])
    low, high = np.quantile(areas, (0.025, 0.975))
    assert found.roc_auc.interval[1] - found.roc_auc.interval[0] < 0.6 * (high - low)


def test_families():
    families = {"first": ["g"], "both": ["h", "g"], "none": ["x"]}
    pairing, one, other = make(families=families)
    first, both, none = pairing.differences(one, other)
    second = make(families={"second": ["h"]})[0].differences(one, other)[0]
    assert both.roc_auc.value == pytest.approx((first.roc_auc.value + second.roc_auc.value) / 2)
    assert (none.generators, none.images, none.roc_auc) == ((), 0, None)
    assert first.images == 60


def test_only_images_that_both_have_scored_count():
    pairing, one, other = make()
    fewer = Scores(other.numbers[10:], other.p[10:], other.threshold)
    (found,) = pairing.differences(one, fewer)
    assert found.images == 110
    cut = Pairing(pairing.labels[10:], pairing.generators[10:], pairing.sources[10:], None, 300, 7)
    (wanted,) = cut.differences(
        Scores(np.arange(110), one.p[10:], one.threshold), Scores(np.arange(110), fewer.p, fewer.threshold)
    )
    assert found == wanted
    nothing = Scores(np.array([], dtype=int), np.array([]), 0.5)
    assert pairing.differences(one, nothing) == ()


def test_without_resamples_there_are_no_intervals():
    pairing, one, other = make(resamples=0)
    assert pairing.differences(one, other)[0].roc_auc.interval is None
