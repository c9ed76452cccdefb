"""Abstention: the risk-coverage area against its definition, the band against the head's verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from cinemae.metrics.selective import RiskCoverage, missed, said
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


@pytest.mark.parametrize(("ai", "real"), [((0.4,) * 9, (0.6,) * 9), ((0.6,) * 9, (0.4,) * 9)], ids=["both", "none"])
def test_verdicts_and_sets_are_the_head_s(ai: tuple[float, ...], real: tuple[float, ...]) -> None:
    head = head_of(threshold=0.9, ai=ai, real=real)
    decision = head.decision()
    low, high = decision.band
    ends = [np.nextafter(end, to) for end in (low, high) for to in (0, 1)]
    p = np.array([0.0, 0.39, low, 0.5, high, 0.61, 1.0, *ends])
    verdicts = [head.decide(float(value)) for value in p]
    assert {"ai", "real", "inconclusive"} == set(verdicts)
    found, passed = said(p, decision.band)
    assert np.select([found, passed], ["ai", "real"], "inconclusive").tolist() == verdicts
    lacks_ai, lacks_real = missed(p, decision.band, decision.empty)
    p_ai, p_real = head.conformal.p_values(p)
    assert lacks_ai.tolist() == (p_ai <= 0.1).tolist()
    assert lacks_real.tolist() == (p_real <= 0.1).tolist()


def test_a_threshold_leaves_nothing_undecided() -> None:
    found, passed = said(np.array([0.4, 0.5, 0.6]), (0.5, 0.5))
    assert found.tolist() == [False, True, True]
    assert passed.tolist() == [True, False, False]
