"""Calibration: parameters that are most likely, parts weighed by their worth, thresholds that keep a promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from cinemae.fusion.calibration import best_threshold, fit_weights, platt, threshold_at


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


def test_platt_keeps_its_slope_within_bounds():
    temperature, bias = platt(np.array([-1.0, 1.0]), np.array([0, 1]), np.full(2, 1e9))  # separable
    assert temperature == pytest.approx(1 / 20)
    assert bias == pytest.approx(0, abs=1e-6)


def parts_of(seed: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of three parts (strong, weak, against itself), labels, and weights."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    sides = 2 * labels - 1
    logits = np.column_stack([slope * sides + rng.normal(0, 2, rows) for slope in (2.0, 0.7, -0.5)])
    return logits, labels, rng.uniform(0.2, 3, rows)


def cost_of(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray):
    """The weighted cross-entropy and its gradient, as a function of the parts' weights and the bias."""

    def cost(beta: np.ndarray) -> tuple[float, np.ndarray]:
        x = logits @ beta[:-1] + beta[-1]
        slope = weights * (1 / (1 + np.exp(-x)) - labels)
        return float(weights @ (np.logaddexp(0, x) - labels * x)), np.append(slope @ logits, slope.sum())

    return cost


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kept", [(0,), (0, 1), (0, 1, 2), (1, 2), (2,)])
def test_fit_weights_are_the_most_likely_that_are_not_negative(seed, kept):
    logits, labels, weights = parts_of(seed)
    logits = logits[:, list(kept)]
    found = fit_weights(logits, labels, weights)
    bounds = [(0, None)] * len(kept) + [(None, None)]
    best = optimize.minimize(cost_of(logits, labels, weights), np.zeros(len(kept) + 1), jac=True, bounds=bounds,
                             method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-8})  # fmt: skip
    assert found == pytest.approx(best.x[:-1], abs=2e-3)
    assert (found[: -1 if 2 in kept else None] > 0).all()
    assert 2 not in kept or found[-1] == 0


def test_fit_weights_give_log_odds_their_own_weight():
    """Parts that say their own, independent log-odds are added as they are."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (60_000, 2))
    labels = (rng.random(60_000) < 1 / (1 + np.exp(-logits.sum(1)))).astype(int)
    assert fit_weights(logits, labels, np.ones(60_000)) == pytest.approx([1, 1], rel=0.05)
    assert fit_weights(4 * logits, labels, np.ones(60_000)) == pytest.approx([0.25, 0.25], rel=0.05)


def test_fit_weights_count_rows_by_their_weights():
    logits, labels, weights = parts_of(5, 400)
    times = np.random.default_rng(0).integers(0, 4, 400)
    repeated = fit_weights(*(np.repeat(rows, times, axis=0) for rows in (logits, labels)), np.ones(times.sum()))
    assert fit_weights(logits, labels, times.astype(float)) == pytest.approx(repeated, abs=1e-6)
    assert not np.allclose(fit_weights(logits, labels, weights), repeated, atol=1e-3)


P = st.one_of(st.integers(0, 12).map(lambda n: n / 12), st.floats(0, 1))  # many ties, and both ends


@settings(max_examples=300)
@given(st.lists(st.tuples(P, st.integers(1, 4)), min_size=1, max_size=40), st.floats(0.01, 0.99), st.integers(0, 99))
def test_threshold_at_keeps_its_promise_and_no_lower_one_does(real, share, seed):
    """Whatever ties there are, and whatever the AI-generated images are."""
    rng = np.random.default_rng(seed)
    p, weights = (np.array(column, dtype=float) for column in zip(*real, strict=True))
    labels = np.repeat([0, 1], [len(p), 7])
    mixed = rng.permutation(len(labels))
    everything = np.concatenate([p, rng.random(7)])[mixed], labels[mixed], np.concatenate([weights, np.ones(7)])[mixed]
    threshold = threshold_at(*everything, share)
    assert 0 < threshold < 1

    def called(at: float) -> float:
        return float(weights[p >= at].sum() / weights.sum())

    if share >= float(weights[p == 1].sum() / weights.sum()):  # nothing in (0, 1) is above a probability of 1
        assert called(threshold) <= share + 1e-9
    below = p[p < threshold]
    if len(below):
        assert called(below.max()) > share - 1e-9


def test_threshold_at_lies_in_the_middle_of_the_gap():
    p, labels = np.array([0.1, 0.2, 0.4, 0.8, 0.9]), np.zeros(5, dtype=int)
    assert threshold_at(p, labels, np.ones(5), 0.2) == pytest.approx(0.85)
    assert threshold_at(p, labels, np.ones(5), 0.5) == pytest.approx(0.6)
    assert threshold_at(p, labels, np.ones(5), 0.1) == pytest.approx(0.95)
    assert threshold_at(p, labels, np.array([1, 1, 1, 1, 6.0]), 0.5) == pytest.approx(0.95)
