"""Calibration figures against scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

from cinemae.metrics.calibration import BINS, equal_mass_bins, log_odds, losses, min_cllr


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    return 1 / (1 + np.exp(-rng.normal(2 * labels - 1))), labels


def cllr(ai: np.ndarray, real: np.ndarray) -> float:
    return (losses(ai, 1)["cllr"].mean() + losses(real, 0)["cllr"].mean()) / 2


def test_brier_and_nll_are_sklearns(sample: tuple[np.ndarray, np.ndarray]) -> None:
    p, labels = sample
    costs = losses(p[labels == 1], 1), losses(p[labels == 0], 0)
    brier, nll = (np.concatenate([part[name] for part in costs]).mean() for name in ("brier", "nll"))
    assert brier == pytest.approx(brier_score_loss(labels, p))
    assert nll == pytest.approx(log_loss(labels, p))


def test_certainty_that_is_wrong_costs_much_but_not_infinitely_much() -> None:
    assert losses(np.array([0.0]), 1)["nll"][0] == pytest.approx(log_loss([1], [0.0], labels=[0, 1]))
    assert losses(np.array([0.0]), 0)["nll"][0] == pytest.approx(0, abs=1e-12)
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


def test_cllr_is_its_definition(sample: tuple[np.ndarray, np.ndarray]) -> None:
    p, labels = sample
    ratio = p / (1 - p)
    wanted = np.log2(1 + 1 / ratio[labels == 1]).mean() / 2 + np.log2(1 + ratio[labels == 0]).mean() / 2
    assert cllr(p[labels == 1], p[labels == 0]) == pytest.approx(wanted)
    assert cllr(np.full(3, 0.5), np.full(5, 0.5)) == pytest.approx(1)


def test_bins_hold_equally_many_and_ties_share_one() -> None:
    p = np.random.default_rng(0).permutation(np.linspace(0, 1, 150))
    numbers = equal_mass_bins(p)
    assert np.bincount(numbers).tolist() == [10] * BINS
    for number, part in enumerate(np.array_split(np.sort(p), BINS)):
        assert np.array_equal(np.sort(p[numbers == number]), part)
    assert set(equal_mass_bins(np.full(90, 0.3)).tolist()) == {BINS // 2}
    assert equal_mass_bins(np.array([0.9, 0.1])).tolist() == [11, 3]


def test_min_cllr_is_the_cllr_of_isotonic_regression(sample: tuple[np.ndarray, np.ndarray]) -> None:
    p, labels = sample
    ai, real = p[labels == 1][:90], p[labels == 0].round(1)  # unequal classes, ties
    values, truth = np.concatenate([ai, real]), np.repeat([1, 0], [len(ai), len(real)])
    weights = np.where(truth, 0.5 / len(ai), 0.5 / len(real))
    q = IsotonicRegression(y_min=0, y_max=1).fit_transform(values, truth, sample_weight=weights)
    best = min_cllr(ai, real)
    assert best == pytest.approx(cllr(q[truth == 1], q[truth == 0]), abs=1e-9)
    assert best < cllr(ai, real)
    assert min_cllr(ai**3 / 2, real**3 / 2) == pytest.approx(best)


def test_min_cllr_of_separable_reversed_and_mute_scores() -> None:
    low, high = np.array([0.1, 0.2]), np.array([0.6, 0.7, 0.8])
    assert min_cllr(high, low) == 0
    assert min_cllr(low, high) == pytest.approx(1)
    assert min_cllr(np.full(4, 0.3), np.full(2, 0.3)) == pytest.approx(1)
