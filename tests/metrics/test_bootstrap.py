"""Resamples are counts: whole groups, the same for the same seed whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest

from cinemae.metrics.bootstrap import bootstrap_counts, bootstrap_groups, percentile_interval, resampled_counts


def test_counts_draw_whole_groups() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2])
    counts = bootstrap_counts(np.random.default_rng(0), groups, 500)
    assert counts.shape == (500, 6)
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 4] == counts[:, 5]).all()
    assert (counts[:, [0, 3, 4]].sum(axis=1) == 3).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.15)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.arange(60), np.arange(45) // 5

    def drawn() -> list[np.ndarray]:
        rngs = np.random.default_rng(2), np.random.default_rng(3)
        parts = list(resampled_counts(groups, rngs, 30))
        return [np.concatenate([part[side] for part in parts]) for side in (0, 1)]

    whole = drawn()
    assert [part.shape for part in whole] == [(30, 60), (30, 45)]
    monkeypatch.setattr("cinemae.metrics.bootstrap._COUNTS_AT_A_TIME", 300)
    for one, other in zip(whole, drawn(), strict=True):
        assert np.array_equal(one, other)


def test_few_sources_are_resampled_by_image() -> None:
    sources = np.array(["b", "a", "b", "c"])
    assert bootstrap_groups(sources, 3).tolist() == [1, 0, 1, 2]
    assert bootstrap_groups(sources, 4).tolist() == [0, 1, 2, 3]


def test_percentile_interval() -> None:
    values = np.linspace(0, 1, 1001)
    assert percentile_interval(values) == pytest.approx((0.025, 0.975))
    assert percentile_interval(np.append(values, [np.nan] * 50)) == percentile_interval(values)
    assert percentile_interval(np.empty(0)) is percentile_interval(np.array([np.nan])) is None
