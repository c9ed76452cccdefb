"""Curves against scikit-learn and against the evaluation's own figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from cinemae.metrics import Scored, evaluate_scores
from cinemae.report.curves import RocOf, histogram, mean_roc, reliability

SIDE = st.lists(st.integers(0, 12).map(lambda n: n / 12), min_size=1, max_size=20)


@given(SIDE, SIDE)
def test_vertices_are_scikit_learn_s(ai, real):
    labels = np.repeat([1, 0], [len(ai), len(real)])
    wanted = roc_curve(labels, ai + real, drop_intermediate=False)
    alarms, found = RocOf(np.array(ai), np.array(real)).vertices()
    np.testing.assert_allclose(alarms, wanted[0], atol=1e-12)
    np.testing.assert_allclose(found, wanted[1], atol=1e-12)
    assert np.trapezoid(found, alarms) == pytest.approx(roc_auc_score(labels, ai + real))


@given(SIDE, SIDE)
def test_between_the_vertices_the_curve_is_straight_and_at_them_the_upper_end(ai, real):
    curve = RocOf(np.array(ai), np.array(real))
    alarms, found = curve.vertices()
    for place in np.unique(alarms):
        assert curve.at(np.array([place]))[0] == pytest.approx(found[alarms == place].max())
    middles = (np.unique(alarms)[1:] + np.unique(alarms)[:-1]) / 2
    for middle in middles:
        before, after = found[alarms < middle].max(), found[alarms > middle].min()
        assert curve.at(np.array([middle]))[0] == pytest.approx((before + after) / 2)


def test_counts_are_copies():
    ai, real = np.array([0.9, 0.4, 0.6]), np.array([0.5, 0.1])
    grid = np.linspace(0, 1, 11)
    counted = RocOf(ai, real).at(grid, (np.array([2.0, 1, 0]), np.array([0.0, 3])))
    np.testing.assert_allclose(counted, RocOf(np.array([0.9, 0.9, 0.4]), np.array([0.1] * 3)).at(grid))


def drawn(n: int = 80) -> Scored:
    rng = np.random.default_rng(1)
    p = np.concatenate([rng.beta(3, 2, n), rng.beta(2, 3, n)] * 2)
    labels = np.tile(np.repeat([1, 0], n), 2)
    return Scored(p, labels, ["a"] * 2 * n + ["b"] * 2 * n, [f"s{k % 9}" for k in range(4 * n)])


def test_the_area_of_the_mean_curve_is_the_mean_of_the_areas():
    scored = drawn()
    grid = np.linspace(0, 1, 4001)
    curve = mean_roc(scored, ["a", "b", "nobody"], grid, resamples=40, seed=0)
    table = evaluate_scores(scored, 0.5, resamples=0)
    assert np.trapezoid(curve.y, grid) == pytest.approx(table.mean("all").ranking.roc_auc.value, abs=2e-3)
    assert (curve.low <= curve.y).all()
    assert (curve.y <= curve.high).all()
    assert (curve.high - curve.low)[2000] > 0.02
    # The band's areas are about as wide as the evaluation's own interval.
    low, high = evaluate_scores(scored, 0.5, resamples=200).mean("all").ranking.roc_auc.interval
    assert 0.5 < (np.trapezoid(curve.high, grid) - np.trapezoid(curve.low, grid)) / (high - low) < 3


def test_a_mean_over_nothing_is_empty_and_without_resamples_there_is_no_band():
    assert not mean_roc(drawn(), ["nobody"], np.linspace(0, 1, 5), resamples=10, seed=0).x.size
    assert not mean_roc(drawn(), ["a"], np.linspace(0, 1, 5), resamples=0, seed=0).low.size


def test_the_reliability_diagram_shows_the_ece():
    scored = drawn()
    rows = scored.generators == "a"
    p, truth = scored.p[rows], scored.truth[rows]
    curve = reliability(p, truth)
    n = len(p) / len(curve.x)  # 160 images in 15 bins: not all of one size, so weigh them
    assert len(curve.x) == 15
    table = evaluate_scores(scored, 0.5, resamples=0)
    assert np.abs(curve.x - curve.y).mean() == pytest.approx(table.row("a").calibration.ece.value, rel=1 / n)
    assert (curve.low < curve.high).all()
    assert ((curve.low >= -1e-12) & (curve.high <= 1 + 1e-12)).all()


def test_a_histogram_holds_every_image_once():
    x, share = histogram(np.array([0.0, 0.04, 0.5, 1.0]))
    assert share.sum() == 1
    assert share[0] == 0.5
    assert share[-1] == 0.25
    assert x[0] == pytest.approx(0.025)
