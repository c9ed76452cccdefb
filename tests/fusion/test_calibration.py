"""Calibration: the temperature and bias that are most likely, the threshold that is right most often."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from cinemae.fusion.calibration import best_threshold, platt, weighted_quantile


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (3.0, 0.5), (0.4, -1.0)])
def test_platt_recovers_temperature_and_bias(temperature, bias):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2 * temperature, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(logits / temperature + bias)))).astype(int)
    found = platt(logits, labels, np.ones(20_000))
    assert found[0] == pytest.approx(temperature, rel=0.05)
    assert found[1] == pytest.approx(bias, abs=0.05)


@settings(max_examples=150)
@given(
    scale=st.floats(-3, 3).map(lambda x: 10**x),
    shift=st.floats(-60, 60),
    separation=st.floats(-2, 8),
    rows=st.integers(8, 200),
    seed=st.integers(0, 999),
)
def test_platt_finds_the_optimum_wherever_the_logits_lie(scale, shift, separation, rows, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    logits = scale * (rng.normal(size=rows) + separation * labels + shift)
    weights = rng.uniform(0.2, 3, rows)

    centre = np.average(logits, weights=weights)

    def cost(slope: float, bias: float) -> float:
        x = slope * logits + bias
        nll = weights @ np.where(labels == 1, np.logaddexp(0, -x), np.logaddexp(0, x))
        return float(nll + 5e-4 * ((slope - 1) ** 2 + (bias + slope * centre) ** 2))

    def best(slope: float) -> float:
        found = optimize.minimize_scalar(
            lambda b: cost(slope, b - slope * centre), bounds=(-200, 200), method="bounded", options={"xatol": 1e-7}
        )
        return float(found.fun)

    temperature, bias = platt(logits, labels, weights)
    slope = 1 / temperature
    assert np.isfinite([temperature, bias]).all()
    assert 0.05 - 1e-9 <= slope <= 20 + 1e-9
    found = cost(slope, bias)
    for factor in (0.7, 0.99, 1, 1.01, 1.4):  # with its best bias, no other slope within the bounds is better
        assert found <= best(float(np.clip(factor * slope, 0.05, 20))) + 1e-5 * (1 + found)


def test_best_threshold_is_in_the_middle_of_the_gap():
    p = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert best_threshold(p, labels, np.ones(6)) == pytest.approx(0.5, abs=0.01)
    assert best_threshold(p, np.array([0, 0, 0, 0, 1, 1]), np.ones(6)) == pytest.approx(0.75, abs=0.01)


def test_best_threshold_counts_weights():
    p = np.array([0.2, 0.4, 0.6, 0.8])
    labels = np.array([0, 1, 0, 1])
    assert best_threshold(p, labels, np.array([1, 5, 1, 1.0])) < 0.4
    assert best_threshold(p, labels, np.array([1, 1, 5, 1.0])) > 0.6


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=4, max_size=40).filter(
        lambda r: len({b for _, b in r}) == 2
    )
)
@settings(max_examples=80)
def test_best_threshold_is_never_beaten(rows):
    p, labels = np.array([row[0] for row in rows]), np.array([int(row[1]) for row in rows])
    found = best_threshold(p, labels, np.ones(len(p)))
    hits = [((p >= t) == labels).mean() for t in np.linspace(0.02, 0.98, 193)]
    assert ((p >= found) == labels).mean() == pytest.approx(max(hits))


def test_weighted_quantile():
    values, ones = np.array([3.0, 1.0, 2.0, 4.0]), np.ones(4)
    assert [weighted_quantile(values, ones, q) for q in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, 4]
    assert weighted_quantile(values, np.array([1, 1, 1, 97.0]), 0.1) == 4
