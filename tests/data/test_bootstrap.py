"""The vectorised bootstrap against scikit-learn on resamples that are really made."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from cinemae.data.bootstrap import (
    bootstrap_counts,
    bootstrap_groups,
    bootstrap_statistics,
    percentile_interval,
    weighted_auc,
)


@pytest.fixture(params=[False, True], ids=["distinct", "tied"])
def scores(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    ai, real = rng.normal(0.7, 1, 60), rng.normal(0, 1, 45)
    return (ai.round(), real.round()) if request.param else (ai, real)


def copies(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.repeat(values, counts.astype(int))


def test_weighted_auc_is_sklearns_on_copies(scores: tuple[np.ndarray, np.ndarray]) -> None:
    ai, real = scores
    rng = np.random.default_rng(1)
    ai_counts = bootstrap_counts(rng, np.arange(60), 40)
    real_counts = bootstrap_counts(rng, np.arange(45) // 5, 40)
    areas = weighted_auc(ai, real, ai_counts, real_counts)
    for area, a, r in zip(areas, ai_counts, real_counts, strict=True):
        values = np.concatenate([copies(ai, a), copies(real, r)])
        truth = np.repeat([1, 0], [int(a.sum()), int(r.sum())])
        assert area == pytest.approx(roc_auc_score(truth, values), abs=1e-12)


def test_statistics_are_sklearns_on_copies_in_chunks_too(
    scores: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    ai, real = scores
    groups = np.arange(60), np.arange(45) // 5

    def run() -> np.ndarray:
        rngs = np.random.default_rng(2), np.random.default_rng(3)
        return bootstrap_statistics(ai, real, 1.0, groups, rngs, 30)

    result = run()
    assert result.shape == (30, 2)
    a_counts = bootstrap_counts(np.random.default_rng(2), groups[0][np.argsort(ai)], 30)
    r_counts = bootstrap_counts(np.random.default_rng(3), groups[1][np.argsort(real)], 30)
    for row, a, r in zip(result, a_counts, r_counts, strict=True):
        values = np.concatenate([copies(np.sort(ai), a), copies(np.sort(real), r)])
        truth = np.repeat([1, 0], [int(a.sum()), int(r.sum())])
        assert row[0] == pytest.approx(roc_auc_score(truth, values), abs=1e-12)
        assert row[1] == pytest.approx(balanced_accuracy_score(truth, values >= 1.0), abs=1e-12)
    monkeypatch.setattr("cinemae.data.bootstrap._COUNTS_AT_A_TIME", 300)
    assert np.allclose(run(), result)


def test_counts_draw_whole_groups() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2])
    counts = bootstrap_counts(np.random.default_rng(0), groups, 500)
    assert counts.shape == (500, 6)
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 4] == counts[:, 5]).all()
    assert (counts[:, [0, 3, 4]].sum(axis=1) == 3).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.15)


def test_few_sources_are_resampled_by_image() -> None:
    sources = np.array(["b", "a", "b", "c"])
    assert bootstrap_groups(sources, 3).tolist() == [1, 0, 1, 2]
    assert bootstrap_groups(sources, 4).tolist() == [0, 1, 2, 3]


def test_percentile_interval() -> None:
    assert percentile_interval(np.linspace(0, 1, 1001)) == pytest.approx((0.025, 0.975))
    assert percentile_interval(np.empty(0)) is None
