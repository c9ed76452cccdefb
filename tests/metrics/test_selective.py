"""Abstention: the risk-coverage area against its definition, the band against the head's verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from cinemae.metrics.selective import RiskCoverage, decided
from toys import head_of


def by_definition(p: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    """The mean, over images, of the error among those at least as confident."""
    distance = np.abs(np.log(p / (1 - p)) - np.log(threshold / (1 - threshold))).round(9)
    wrong = (p >= threshold) != truth
    return float(np.mean([wrong[distance >= own].mean() for own in distance]))


@pytest.mark.parametrize("decimals", [8, 1], ids=["distinct", "tied"])
@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_area_is_its_definition_on_copies(decimals: int, threshold: float) -> None:
    rng = np.random.default_rng(0)
    ai, real = (np.clip(rng.beta(a, b, 40).round(decimals), 0.05, 0.95) for a, b in ((3, 2), (2, 3)))
    counts = rng.integers(0, 3, (10, 40)).astype(float), rng.integers(0, 3, (10, 40)).astype(float)
    areas = RiskCoverage(ai, real, threshold).area(*counts)
    for area, a, r in zip(areas, *counts, strict=True):
        copies = np.concatenate([np.repeat(ai, a.astype(int)), np.repeat(real, r.astype(int))])
        truth = np.repeat([True, False], [int(a.sum()), int(r.sum())])
        assert area == pytest.approx(by_definition(copies, truth, threshold))


def test_extremes() -> None:
    ones = np.ones((1, 4)), np.ones((1, 4))
    ai, real = np.array([0.7, 0.8, 0.9, 1.0]), np.array([0.0, 0.1, 0.2, 0.3])
    assert RiskCoverage(ai, real, 0.5).area(*ones) == [0]
    assert RiskCoverage(real, ai, 0.5).area(*ones) == [1]
    mute = np.full(4, 0.6)
    assert RiskCoverage(mute, mute, 0.5).area(*ones) == [0.5]
    # One error of eight, the least confident one: only the last image's share of errors is not 0.
    assert RiskCoverage(np.array([0.45, 0.8, 0.9, 0.95]), real, 0.5).area(*ones) == pytest.approx([1 / 64])


def test_the_band_is_the_head_s() -> None:
    head = head_of(threshold=0.5, band=(0.4, 0.6))
    p = np.array([0.0, 0.39, 0.4, 0.41, 0.5, 0.59, 0.6, 0.61, 1.0])
    verdicts = [head.decide(float(value)) for value in p]
    assert decided(p, head.config.band).tolist() == [verdict != "inconclusive" for verdict in verdicts]
    assert decided(p, (0.5, 0.5)).all()
