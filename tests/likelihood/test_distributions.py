"""Likelihoods and entropies against scipy, exact sums and samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from cinemae.likelihood.distributions import (
    FAMILIES,
    LOGISTIC_VARIANCE,
    MAX_SCALE,
    MIN_SCALE,
    Family,
    entropy,
    logistic_entropy,
    logistic_nll,
    logistic_scale,
    nll,
)

LEVELS = np.arange(256, dtype=np.float32)
Array = NDArray[np.float64]


def reference_nll(values: Array, mean: Array, scale: Array) -> Array:
    """-log of a difference of scipy's logistic CDFs, in float64, in whichever tail does not cancel."""
    values, mean, scale = np.broadcast_arrays(values, mean, scale)
    lower = np.where(values <= 0, -np.inf, values - 0.5)
    upper = np.where(values >= 255, np.inf, values + 0.5)
    flip = values > mean
    low = np.where(flip, -(upper - mean), lower - mean) / scale
    high = np.where(flip, -(lower - mean), upper - mean) / scale
    with np.errstate(divide="ignore"):
        log_low, log_high = stats.logistic.logcdf(low), stats.logistic.logcdf(high)
        out: Array = -(log_high + np.log1p(-np.exp(log_low - log_high)))
    return out


def exact_entropy(mean: Array, scale: Array) -> Array:
    """The sum over all 256 values, in float64."""
    cost = reference_nll(np.arange(256.0), mean[..., None], scale[..., None])
    out: Array = (np.exp(-cost) * cost).sum(-1)
    return out


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_gaussian_and_laplace_are_scipys(rng: np.random.Generator) -> None:
    values, mean = rng.integers(0, 256, 500).astype(float), rng.uniform(0, 255, 500)
    variance = np.exp(rng.uniform(-2, 9, 500))
    for family, reference in (
        ("gaussian", stats.norm(mean, np.sqrt(variance))),
        ("laplace", stats.laplace(mean, np.sqrt(variance / 2))),
    ):
        got = nll(values, mean, variance, family)  # type: ignore[arg-type]
        np.testing.assert_allclose(got, -reference.logpdf(values), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            entropy(mean, variance, family),  # type: ignore[arg-type]
            reference.entropy(),
            rtol=1e-5,
            atol=1e-5,
        )
        assert reference.var() == pytest.approx(variance)


def test_logistic_is_scipys(rng: np.random.Generator) -> None:
    values = rng.integers(0, 256, 4000)
    values[:400], values[400:800] = 0, 255
    mean = rng.uniform(-20, 275, 4000)
    scale = np.exp(rng.uniform(np.log(MIN_SCALE), np.log(MAX_SCALE), 4000))
    got = logistic_nll(values.astype(np.float32), mean.astype(np.float32), scale.astype(np.float32))
    expected = reference_nll(values.astype(float), mean.astype(np.float32), scale.astype(np.float32))
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


def test_logistic_near_the_mean_is_a_plain_cdf_difference() -> None:
    mean, scale = np.float32(100.3), np.float32(2.0)
    values = LEVELS[90:111]
    mass = stats.logistic.cdf((values + 0.5 - mean) / scale) - stats.logistic.cdf((values - 0.5 - mean) / scale)
    np.testing.assert_allclose(np.exp(-logistic_nll(values, mean, scale)), mass, rtol=1e-5)


def test_variance_means_variance() -> None:
    scale = logistic_scale(np.array([7.0**2 * LOGISTIC_VARIANCE], dtype=np.float32))
    assert scale == pytest.approx(7.0)
    assert stats.logistic(0, 7.0).var() == pytest.approx(7.0**2 * LOGISTIC_VARIANCE)
    assert logistic_scale(np.array([0.0, 1e9], dtype=np.float32)).tolist() == pytest.approx([MIN_SCALE, MAX_SCALE])


@given(mean=st.floats(-100, 355, width=32), scale=st.floats(MIN_SCALE, MAX_SCALE))
def test_logistic_is_a_probability_of_256_values(mean: float, scale: float) -> None:
    cost = logistic_nll(LEVELS, np.float32(mean), np.float32(scale))
    assert (cost >= 0).all()
    assert np.isfinite(cost).all()
    assert np.exp(-cost.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


@given(distance=st.floats(0, 255), log_variance=st.floats(-20, 20), family=st.sampled_from(FAMILIES))
def test_every_cost_is_finite_and_grows_with_the_distance(distance: float, log_variance: float, family: Family) -> None:
    variance = np.float32(np.exp(log_variance))
    near = nll(0.0, distance / 2, variance, family)
    far = nll(0.0, distance, variance, family)
    assert np.isfinite(far)
    assert far >= near - 1e-3 * abs(near)


def test_logistic_entropy_equals_exact_sums() -> None:
    scales = np.exp(np.linspace(np.log(MIN_SCALE), np.log(MAX_SCALE), 120))
    # Prime numbers of points, so that they do not fall on the nodes of a table.
    means = np.concatenate([np.linspace(0, 3, 97), np.linspace(3, 252, 251), np.linspace(252, 255, 97)])
    mean, scale = np.meshgrid(means, scales)
    got = logistic_entropy(mean.astype(np.float32), scale.astype(np.float32))
    np.testing.assert_allclose(got, exact_entropy(mean, scale), atol=0.01, rtol=0)


@given(mean=st.floats(0, 255), scale=st.floats(MIN_SCALE, MAX_SCALE))
@example(mean=1.53125, scale=0.1015625)
def test_logistic_entropy_anywhere(mean: float, scale: float) -> None:
    got = logistic_entropy(np.array([mean], dtype=np.float32), np.array([scale], dtype=np.float32))
    assert got[0] == pytest.approx(exact_entropy(np.array([mean]), np.array([scale]))[0], abs=0.01)


def test_logistic_entropy_is_symmetric_and_broadcasts() -> None:
    mean = np.linspace(0, 255, 52, dtype=np.float32)[:, None]
    scale = np.array([[0.1, 0.5, 3.9, 4.1, 60.0]], dtype=np.float32)
    got = logistic_entropy(mean, scale)
    assert got.shape == (52, 5)
    np.testing.assert_allclose(got, got[::-1], atol=2e-3)


def test_means_outside_the_range_count_as_its_ends() -> None:
    scale = np.full(4, 3.0, dtype=np.float32)
    got = logistic_entropy(np.array([-30, 0, 255, 400], dtype=np.float32), scale)
    np.testing.assert_allclose(got, got[0], atol=1e-4)


def sample(family: Family, mean: float, variance: float, count: int, rng: np.random.Generator) -> Array:
    if family == "gaussian":
        return rng.normal(mean, np.sqrt(variance), count)
    if family == "laplace":
        return rng.laplace(mean, np.sqrt(variance / 2), count)
    return np.clip(np.rint(rng.logistic(mean, np.sqrt(variance / LOGISTIC_VARIANCE), count)), 0, 255)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("mean", "variance"), [(120.4, 0.3), (120.4, 900.0), (2.0, 400.0), (254.5, 3000.0)])
def test_samples_cost_what_the_entropy_says(
    rng: np.random.Generator, family: Family, mean: float, variance: float
) -> None:
    center, spread = np.asarray(mean), np.asarray(variance)
    cost = nll(sample(family, mean, variance, 200_000, rng), center, spread, family).astype(np.float64)
    error = cost.std() / np.sqrt(len(cost))
    assert entropy(center, spread, family) == pytest.approx(cost.mean(), abs=4 * error + 0.005)


def test_the_true_scale_is_the_cheapest(rng: np.random.Generator) -> None:
    values = sample("logistic", 100.0, 25.0 * LOGISTIC_VARIANCE, 50_000, rng)
    costs = [
        nll(values, np.asarray(100.0), np.asarray(scale**2 * LOGISTIC_VARIANCE)).mean()
        for scale in (2.5, 4.0, 5.0, 6.5, 10.0)
    ]
    assert int(np.argmin(costs)) == 2
