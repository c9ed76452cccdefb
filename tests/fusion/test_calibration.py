"""Calibration: parameters and curves that are most likely, the threshold that is right most often."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.isotonic import IsotonicRegression

from cinemae.fusion.calibration import best_threshold, isotonic, platt, temperature
from cinemae.fusion.curve import monotone, sigmoid


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


@pytest.mark.parametrize("wanted", [0.3, 1.0, 4.0])
def test_temperature_recovers_the_temperature(wanted):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2 * wanted, 20_000)
    labels = (rng.random(20_000) < sigmoid(logits / wanted)).astype(int)
    assert temperature(logits, labels, np.ones(20_000)) == pytest.approx(wanted, rel=0.05)


def test_temperature_is_the_best_slope_without_a_bias():
    rng = np.random.default_rng(1)
    logits, labels, weights = rng.normal(1, 2, 300), rng.integers(0, 2, 300), rng.uniform(0.2, 2, 300)

    def cost(slope: float) -> float:
        return float(weights @ (np.logaddexp(0, slope * logits) - labels * slope * logits)) + 5e-4 * (slope - 1) ** 2

    best = optimize.minimize_scalar(cost, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}).x
    assert 1 / temperature(logits, labels, weights) == pytest.approx(best, rel=1e-4)
    assert temperature(np.array([-1.0, 1.0]), np.array([0, 1]), np.full(2, 1e9)) == 1 / 20  # separable: bounded


def test_isotonic_follows_a_curve_that_two_parameters_cannot():
    rng = np.random.default_rng(0)
    logits = rng.uniform(-3, 3, 30_000)
    truth = sigmoid(logits**3 / 2)
    labels = (rng.random(30_000) < truth).astype(int)
    at, to = isotonic(logits, labels, np.ones(30_000))
    found = sigmoid(monotone(logits, at, to))
    assert np.abs(found - truth).mean() < 0.02
    divisor, bias = platt(logits, labels, np.ones(30_000))
    assert np.abs(sigmoid(logits / divisor + bias) - truth).mean() > 0.05


def stretches(fit: IsotonicRegression, logits: np.ndarray) -> list[np.ndarray]:
    """Which logits each value of a regression was found for."""
    said = fit.predict(logits).round(12)
    return [said == value for value in np.unique(said)]


RUNS = st.lists(st.tuples(st.integers(-20, 20), st.booleans(), st.integers(0, 3)), min_size=2, max_size=60).filter(
    lambda rows: any(weight for *_, weight in rows)
)


@given(RUNS)
def test_isotonic_keeps_what_isotonic_regression_says_at_the_middle_of_each_stretch(rows):
    logits, labels, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    at, to = isotonic(logits / 4, labels.astype(int), weights)
    assert (np.diff([at, to]) > 0).all()
    counted = weights > 0
    fit = IsotonicRegression(out_of_bounds="clip").fit(
        logits[counted] / 4, labels[counted], sample_weight=weights[counted]
    )
    pull = 1 / (counted.sum() + 1)
    assert sigmoid(to) == pytest.approx((1 - pull) * np.unique(fit.y_thresholds_) + pull / 2)
    middles = [
        np.average(logits[counted][part] / 4, weights=weights[counted][part])
        for part in stretches(fit, logits[counted] / 4)
    ]
    assert at == pytest.approx(middles)


KNOTS = st.lists(st.integers(-400, 400), min_size=1, max_size=12, unique=True).map(lambda x: np.array(sorted(x)) / 16)


@given(KNOTS, st.integers(0, 999))
def test_the_curve_is_straight_between_its_knots_and_of_slope_one_beyond(at, seed):
    rng = np.random.default_rng(seed)
    to = np.cumsum(rng.uniform(0.01, 3, len(at)))
    x = np.concatenate([at, rng.uniform(-40, 40, 50)])
    wanted = np.interp(x, at, to) + np.minimum(x - at[0], 0) + np.maximum(x - at[-1], 0)
    assert monotone(x, at, to) == pytest.approx(wanted, abs=1e-9)
    assert monotone(torch.from_numpy(x), torch.from_numpy(at), torch.from_numpy(to)).numpy() == pytest.approx(wanted)


@given(KNOTS, st.integers(0, 999))
def test_the_curve_never_falls_not_even_by_rounding(at, seed):
    rng = np.random.default_rng(seed)
    to = np.cumsum(rng.uniform(1e-6, 3, len(at)))
    start = rng.uniform(-30, 30, 40)
    x = np.sort(
        np.concatenate([start, np.nextafter(start, np.inf), np.nextafter(at, np.inf), at, np.nextafter(at, -np.inf)])
    )
    assert (np.diff(monotone(x, at, to)) >= 0).all()
    one_by_one = np.array([monotone(value, at, to) for value in x])
    assert one_by_one.tobytes() == monotone(x, at, to).tobytes()
