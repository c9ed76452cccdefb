"""Whitened axes and the line along them: against what they mean, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from cinemae.fusion.config import PartConfig
from cinemae.fusion.line import Line, fit_line, whiten

EVERY = np.ones(400, dtype=bool)


def part(axes: int, strength: float = 0.1) -> PartConfig:
    return PartConfig(groups=("global",), axes=axes, strength=strength)


def data(seed: int = 0, rank: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated features of some rank, labels that they know something of, and weights."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(400, rank)) * np.geomspace(3, 0.3, rank)
    z = hidden @ rng.normal(size=(rank, 12)) / np.sqrt(rank) + 0.5
    labels = (hidden[:, 1] + rng.normal(size=400) > 0).astype(int)
    return z.astype(np.float32), labels, rng.uniform(0.2, 3, 400)


@pytest.mark.parametrize("count", [1, 5, 12])
def test_along_whitened_axes_the_rows_are_uncorrelated_with_mean_0_and_spread_1(count):
    z, _, weights = data()
    axes = whiten(z, weights, part(count), 0)
    assert axes.axes.shape == (12, count)
    assert axes.mean == pytest.approx(np.average(z, axis=0, weights=weights), abs=1e-5)
    np.testing.assert_allclose(axes.along, (z - axes.mean) @ axes.axes, atol=1e-5)
    assert np.average(axes.along, axis=0, weights=weights) == pytest.approx(np.zeros(count), abs=1e-4)
    covariance = (axes.along * weights[:, None] / weights.sum()).T @ axes.along
    np.testing.assert_allclose(covariance, np.eye(count), atol=1e-3)


def test_the_axes_are_the_principal_ones_of_scikit_learn():
    z, *_ = data()
    ours = whiten(z, np.ones(400), part(4), 0).along
    theirs = PCA(4, whiten=True, svd_solver="full").fit_transform(z.astype(np.float64))
    for mine, other in zip(ours.T, theirs.T, strict=True):
        assert abs(np.corrcoef(mine, other)[0, 1]) > 1 - 1e-4  # a direction has two signs


def test_weights_count_as_repetitions():
    z, *_ = data()
    times = np.random.default_rng(1).integers(1, 4, 400)
    ours = whiten(z, times.astype(float), part(3), 0)
    repeated = whiten(np.repeat(z, times, axis=0), np.ones(times.sum()), part(3), 0)
    for mine, other in zip(ours.axes.T, repeated.axes.T, strict=True):
        np.testing.assert_allclose(mine, other * np.sign(mine @ other), rtol=1e-2, atol=1e-3)


def test_no_axes_leave_the_features_as_they_are():
    z, _, weights = data()
    axes = whiten(z, weights, part(0), 0)
    assert np.array_equal(axes.along, z)
    assert np.array_equal(axes.axes, np.eye(12))
    assert not axes.mean.any()


def test_there_are_no_more_axes_than_features_or_rows_allow():
    z, _, weights = data()
    assert whiten(z, weights, part(500), 0).along.shape == (400, 12)
    assert whiten(z[:7], weights[:7], part(500), 0).along.shape == (7, 6)


def test_axes_without_spread_are_0():
    z, _, weights = data(rank=5)
    axes = whiten(z, weights, part(9), 0)
    assert np.abs(axes.axes[:, :5]).max(axis=0).min() > 0
    assert not axes.axes[:, 5:].any()
    assert not whiten(np.full((9, 3), 0.5, np.float32), np.ones(9), part(2), 0).along.any()


def test_the_seed_alone_decides():
    z, _, weights = data()
    first, again = (whiten(z, weights, part(6), 3) for _ in range(2))
    assert first.axes.tobytes() == again.axes.tobytes()


@pytest.mark.parametrize("rows", [EVERY, np.arange(400) % 3 != 0], ids=["all", "some"])
def test_a_line_without_axes_is_scikit_learn_s(rows):
    z, labels, weights = data()
    line = fit_line(whiten(z, weights, part(0), 0), rows, labels, weights, 0.1)
    wanted = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000).fit(
        z[rows].astype(np.float64), labels[rows], sample_weight=weights[rows]
    )
    assert line.slope == pytest.approx(wanted.coef_[0], abs=1e-3)
    assert line.bias == pytest.approx(float(wanted.intercept_[0]), abs=1e-3)


@pytest.mark.parametrize("count", [0, 4, 12])
def test_a_line_s_logits_are_those_of_the_fit_along_the_axes(count):
    """The slope is in features, the fit along the axes: both say the same of rows that the fit has not seen."""
    z, labels, weights = data()
    rows = np.arange(400) < 300
    axes = whiten(z, weights, part(count), 0)
    line = fit_line(axes, rows, labels, weights, 0.05)
    wanted = LogisticRegression(C=0.05, tol=1e-8, max_iter=5000).fit(
        axes.along[rows].astype(np.float64), labels[rows], sample_weight=weights[rows]
    )
    np.testing.assert_allclose(line.logits(z), wanted.decision_function(axes.along.astype(np.float64)), atol=5e-3)


def test_a_weaker_line_is_flatter():
    z, labels, weights = data()
    axes = whiten(z, weights, part(8), 0)
    spreads = [fit_line(axes, EVERY, labels, weights, strength).logits(z).std() for strength in (1e-4, 1e-2, 1.0)]
    assert spreads == sorted(spreads)
    assert spreads[0] < 0.2 * spreads[-1]


def test_rows_that_are_left_out_do_not_reach_a_line():
    z, labels, weights = data()
    rows, axes = np.arange(400) < 300, whiten(z, weights, part(6), 0)
    turned = np.where(rows, labels, 1 - labels)
    ours, theirs = (fit_line(axes, rows, given, weights, 0.1) for given in (labels, turned))
    assert ours.slope.tobytes() == theirs.slope.tobytes()
    assert ours.bias == theirs.bias


def test_logits_are_the_product():
    line = Line(np.array([1.0, -2.0]), 0.5)
    assert line.logits(np.array([[0, 0], [3, 1]], dtype=np.float32)).tolist() == [0.5, 1.5]
