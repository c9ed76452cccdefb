"""Ranking on counts against scikit-learn on resamples that are really made."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from cinemae.metrics.bootstrap import bootstrap_counts
from cinemae.metrics.ranking import FALSE_ALARM_RATES, Ranks, far_threshold


@pytest.fixture(params=[False, True], ids=["distinct", "tied"])
def scores(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    ai, real = np.sort(rng.normal(0.7, 1, 60)), np.sort(rng.normal(0, 1, 145))
    return (ai.round(), real.round()) if request.param else (ai, real)


def test_statistics_are_sklearns_on_copies(scores: tuple[np.ndarray, np.ndarray]) -> None:
    ai, real = scores
    rng = np.random.default_rng(1)
    ai_counts = bootstrap_counts(rng, np.arange(60), 40)
    real_counts = bootstrap_counts(rng, np.arange(145) // 5, 40)
    ai_counts[0], real_counts[0] = 1, 1
    found = Ranks.of(ai, real).statistics(ai_counts, real_counts)
    for number, (a, r) in enumerate(zip(ai_counts.astype(int), real_counts.astype(int), strict=True)):
        values = np.concatenate([np.repeat(ai, a), np.repeat(real, r)])
        truth = np.repeat([1, 0], [a.sum(), r.sum()])
        assert found["roc_auc"][number] == pytest.approx(roc_auc_score(truth, values), abs=1e-12)
        assert found["average_precision"][number] == pytest.approx(average_precision_score(truth, values), abs=1e-12)
        alarms, hits, _ = roc_curve(truth, values, drop_intermediate=False)
        for name, rate in FALSE_ALARM_RATES.items():
            best = hits[alarms <= rate + 1e-12].max()
            assert found[f"pd_{name}"][number] == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.5])
def test_the_threshold_is_the_lowest_that_keeps_to_the_rate(rate: float, scores: tuple[np.ndarray, np.ndarray]) -> None:
    real = np.random.default_rng(0).permutation(scores[1])
    threshold = far_threshold(real, rate)
    assert (real >= threshold).mean() <= rate
    next_lower = real[real < threshold].max()
    assert (real >= next_lower).mean() > rate


def test_thresholds_at_whole_numbers_of_images() -> None:
    real = np.arange(300) / 300  # 0.01 * 300 is not 3 in binary
    assert (real >= far_threshold(real, 0.01)).sum() == 3
    assert (real[:99] >= far_threshold(real[:99], 0.01)).sum() == 0
    assert (real >= far_threshold(real, 1.0)).all()
    assert far_threshold(np.full(50, 0.5), 0.05) == np.nextafter(0.5, 1)
