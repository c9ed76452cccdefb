"""Patch statistics: finite for every image, and right where the answer is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from skimage.transform import resize

from cinemae.features.statistics import (
    LAGS,
    SPECTRUM_BANDS,
    anomaly_map,
    block_variance,
    correlation,
    error_statistics,
    likelihood_statistics,
    regress,
    residual_statistics,
    spectrum,
    summaries,
)
from cinemae.likelihood.conditional import ConditionalLikelihood
from toys import pink


def summary(name, values):
    return summaries({name: values})[name]


def plane_spectrum(plane):
    """The spectrum of one plane of any mean."""
    return {key: value[0] for key, value in spectrum((plane - plane.mean())[None]).items()}


def likelihood(
    values: np.ndarray, mean: np.ndarray | float, variance: np.ndarray | float, patch: int = 8
) -> ConditionalLikelihood:
    values = values.astype(np.float32)
    full = [np.broadcast_to(np.float32(part), values.shape) for part in (mean, variance)]
    return ConditionalLikelihood(values, full[0], full[1], patch)


def white(side: int = 160, seed: int = 0, spread: float = 10.0) -> ConditionalLikelihood:
    """Errors as a right model leaves them: white, with the variance that was predicted."""
    noise = np.random.default_rng(seed).normal(0, spread, (side, side, 3)).astype(np.float32)
    return likelihood(128 + noise, 128.0, spread**2)


def everything(like: ConditionalLikelihood, patch: int) -> dict[str, float]:
    return likelihood_statistics(like, patch) | error_statistics(like, patch) | residual_statistics(like)


NAMES = tuple(everything(white(32), 8))


@pytest.mark.parametrize("error", [0, 3, 255])
@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("side", [32, 50])
def test_finite_on_constant_images(level, error, side):
    values = np.full((side, side, 3), level, dtype=np.uint8)
    for variance in (1e-3, 1 / 12, 100.0, 5e4):
        found = everything(likelihood(values, abs(level - error), variance), 8)
        assert np.isfinite(list(found.values())).all(), [
            name for name, value in found.items() if not np.isfinite(value)
        ]
        assert tuple(found) == NAMES


@settings(max_examples=60)
@given(
    rows=st.integers(8, 45).map(lambda half: 2 * half),
    columns=st.integers(8, 45).map(lambda half: 2 * half),
    patch=st.sampled_from([1, 7, 8, 16]),
    kind=st.sampled_from(["noise", "black", "white", "stripes", "one pixel", "half", "picture"]),
    mean=st.sampled_from(["true", "grey", "opposite", "noise"]),
    log_variance=st.floats(-7, 11),
    seed=st.integers(0, 2**32 - 1),
)
def test_finite_and_named_alike_on_any_image(rows, columns, patch, kind, mean, log_variance, seed):
    rng = np.random.default_rng(seed)
    values = {
        "noise": lambda: rng.integers(0, 256, (rows, columns, 3)),
        "black": lambda: np.zeros((rows, columns, 3)),
        "white": lambda: np.full((rows, columns, 3), 255),
        "stripes": lambda: np.broadcast_to(np.arange(columns)[None, :, None] % 2 * 255, (rows, columns, 3)),
        "one pixel": lambda: np.eye(1, rows * columns * 3).reshape(rows, columns, 3) * 255,
        "half": lambda: np.repeat(np.arange(rows) < rows // 2, columns * 3).reshape(rows, columns, 3) * 255,
        "picture": lambda: pink(seed, 96)[:rows, :columns],
    }[kind]()
    predicted = {"true": values, "grey": 127.5, "opposite": 255 - values, "noise": rng.uniform(0, 255, values.shape)}[
        mean
    ]
    variance = np.exp(log_variance + rng.normal(0, 0.5, values.shape).clip(-2, 2))
    found = everything(likelihood(values, predicted, variance), patch)
    assert tuple(found) == NAMES
    assert np.isfinite(list(found.values())).all(), [name for name, value in found.items() if not np.isfinite(value)]
    assert max(map(abs, found.values())) < 1e7


def test_names_are_unique_across_the_groups():
    parts = [likelihood_statistics(white(32), 8), error_statistics(white(32), 8), residual_statistics(white(32))]
    for part in parts:
        assert len(part) == len(set(part))
    assert len(NAMES) == sum(map(len, parts))


def test_summary_equals_numpy_and_scipy():
    values = np.random.default_rng(0).gamma(2.0, 3.0, (14, 20)).astype(np.float32)
    found = summary("x", values)
    flat = values.ravel().astype(np.float64)
    assert found["x.mean"] == pytest.approx(flat.mean())
    assert found["x.std"] == pytest.approx(flat.std())
    for share in (5, 25, 50, 75, 95):
        assert found[f"x.q{share:02d}"] == pytest.approx(np.percentile(flat, share))
    assert found["x.skew"] == pytest.approx(stats.skew(flat), rel=1e-4)
    assert np.expm1(found["x.kurtosis"]) == pytest.approx(stats.kurtosis(flat, fisher=False), rel=1e-4)
    assert found["x.top"] == pytest.approx(np.sort(flat)[-14:].mean())  # 5 % of 280
    down, across = np.abs(np.diff(values, axis=0)), np.abs(np.diff(values, axis=1))
    assert found["x.roughness"] == pytest.approx(
        np.concatenate([down.ravel(), across.ravel()]).mean() / flat.std(), rel=1e-4
    )


def test_roughness_tells_a_ramp_from_its_shuffle():
    ramp = np.linspace(0, 1, 196, dtype=np.float32).reshape(14, 14)
    mixed = np.random.default_rng(0).permutation(ramp.ravel()).reshape(14, 14)
    assert summary("x", ramp)["x.roughness"] < 0.5 * summary("x", mixed)["x.roughness"]
    assert summary("x", ramp)["x.std"] == pytest.approx(summary("x", mixed)["x.std"])


def test_summary_of_a_single_patch():
    assert summary("x", np.array([[2.0]], dtype=np.float32)) == pytest.approx(
        {"x.mean": 2, "x.std": 0, "x.skew": 0, "x.kurtosis": 0, "x.top": 2, "x.roughness": 0}
        | {f"x.q{q:02d}": 2 for q in (5, 25, 50, 75, 95)}
    )


def test_white_residuals_give_no_structure():
    found = residual_statistics(white())
    error = 1 / 160  # of a correlation over 160 x 160 pixels
    for colour, lag in itertools.product(("red", "green", "blue"), LAGS):
        assert abs(found[f"z.{colour}.lag{lag[0]}{lag[1]:+d}"]) < 5 * error
    for name in ("rg", "rb", "gb"):
        assert abs(found[f"z.correlation.{name}"]) < 5 * error
    for colour in ("red", "green", "blue"):
        assert found[f"z.{colour}.log_variance"] == pytest.approx(0, abs=0.05)
        assert np.expm1(found[f"z.{colour}.kurtosis"]) == pytest.approx(3, abs=0.2)
        assert found[f"z.{colour}.mean"] == pytest.approx(0, abs=5 * error)
        bands = [found[f"z.{colour}.band{number}"] for number in range(2, SPECTRUM_BANDS + 1)]
        assert np.abs(bands).max() < 1  # dB
        assert found[f"z.{colour}.axis"] == pytest.approx(0, abs=0.08)
    assert found["phase.significance"] < np.log1p(2.5)


def test_lags_have_the_right_sign_and_direction():
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 10, (160, 164, 3)).astype(np.float32)
    across = noise[:, :-4] + noise[:, 1:-3]  # each pixel shares half with its right neighbour
    found = residual_statistics(likelihood(128 + across, 128.0, 200.0))
    assert found["z.green.lag0+1"] == pytest.approx(0.5, abs=0.04)
    assert found["z.green.lag1+0"] == pytest.approx(0, abs=0.04)
    assert found["z.green.lag0+2"] == pytest.approx(0, abs=0.04)
    diagonal = noise[:, :160].copy()
    diagonal[1:, 1:] += noise[:-1, :159]
    found = residual_statistics(likelihood(128 + diagonal, 128.0, 200.0))
    assert found["z.red.lag1+1"] == pytest.approx(0.5, abs=0.05)
    assert found["z.red.lag1-1"] == pytest.approx(0, abs=0.05)
    mirrored = residual_statistics(likelihood(128 + diagonal[:, ::-1], 128.0, 200.0))
    assert mirrored["z.red.lag1-1"] == pytest.approx(0.5, abs=0.05)
    assert mirrored["z.red.lag1+1"] == pytest.approx(0, abs=0.05)


def test_colour_correlation_is_pearson():
    noise = np.random.default_rng(1).normal(0, 10, (160, 160, 3)).astype(np.float32)
    noise[..., 1] = 0.6 * noise[..., 0] + 0.8 * noise[..., 1]
    found = residual_statistics(likelihood(128 + noise, 128.0, 100.0))
    assert found["z.correlation.rg"] == pytest.approx(0.6, abs=0.03)
    assert found["z.correlation.rb"] == pytest.approx(0, abs=0.03)


def test_overconfident_models_show_in_the_variance():
    noise = np.random.default_rng(2).normal(0, 10, (160, 160, 3)).astype(np.float32)
    found = residual_statistics(likelihood(128 + noise, 128.0, 25.0))
    assert found["z.red.log_variance"] == pytest.approx(np.log(4), abs=0.05)


def test_only_one_phase_being_costlier_is_significant():
    """Nearest-neighbour up-sampling by 2 predicts three pixels of each 2x2 block and not the fourth."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 10, (160, 160, 3)).astype(np.float32)
    noise[::2, ::2] *= 2
    plain = residual_statistics(
        likelihood(128 + rng.permutation(noise.reshape(-1, 3)).reshape(160, 160, 3), 128.0, 150.0)
    )
    marked = residual_statistics(likelihood(128 + noise, 128.0, 150.0))
    assert marked["phase.significance"] > np.log1p(10)
    assert plain["phase.significance"] < np.log1p(3)
    assert marked["phase.spread"] > 5 * plain["phase.spread"]


def test_up_sampling_leaves_high_bands_empty_and_a_grid_leaves_a_peak():
    rng = np.random.default_rng(0)
    small = rng.normal(size=(80, 80))
    smooth = plane_spectrum(resize(small, (160, 160), order=3).astype(np.float32))
    flat = plane_spectrum(rng.normal(size=(160, 160)).astype(np.float32))
    assert smooth["band9"] < flat["band9"] - 10  # dB
    assert smooth["band2"] > flat["band2"] + 3
    column = np.arange(160)[None]
    grid = (rng.normal(size=(160, 160)) + np.cos(np.pi * column / 4)).astype(np.float32)
    assert plane_spectrum(grid)["peak"] > flat["peak"] + 2


def test_axis_is_positive_for_straight_structure_and_negative_for_diagonal():
    row, column = np.indices((160, 160)).astype(np.float32)
    noise = 0.1 * np.random.default_rng(0).normal(size=(160, 160)).astype(np.float32)
    assert plane_spectrum(np.cos(0.8 * np.pi * column) + noise)["axis"] > 2
    assert plane_spectrum(np.cos(0.8 * np.pi * row) + noise)["axis"] > 2
    assert plane_spectrum(np.cos(0.6 * np.pi * (row + column)) + noise)["axis"] < -2


def test_bands_are_at_their_frequency():
    _, column = np.indices((160, 160)).astype(np.float32)
    for number in range(1, SPECTRUM_BANDS):
        frequency = (number + 0.5) / SPECTRUM_BANDS / 2
        found = plane_spectrum(np.cos(2 * np.pi * frequency * column))
        bands = [found[f"band{n}"] for n in range(SPECTRUM_BANDS + 1)]
        assert int(np.argmax(bands)) == number


def test_entropy_bins_hold_all_and_are_shrunk_where_they_are_empty():
    found = residual_statistics(white(spread=2.0))
    shares = {name: value for name, value in found.items() if name.endswith(".share")}
    assert sum(shares.values()) == pytest.approx(1)
    assert found["bin2.5.share"] == pytest.approx(1)  # a logistic of spread 2 has 3.0 bits
    assert found["bin2.5.log_variance"] == pytest.approx(0, abs=0.05)
    for empty in ("bin0", "bin1.5", "bin3.5", "bin4.5"):
        assert [found[f"{empty}.{part}"] for part in ("share", "gap", "log_variance", "heaviness")] == [0, 0, 0, 0]


def test_heaviness_grows_with_the_tails():
    rng = np.random.default_rng(0)
    laplace = np.clip(rng.laplace(0, 2 / np.sqrt(2), (160, 160, 3)), -16, 16).astype(np.float32)
    heavy = residual_statistics(likelihood(128 + laplace, 128.0, 4.0))
    assert heavy["bin2.5.heaviness"] > residual_statistics(white(spread=2.0))["bin2.5.heaviness"] + 0.05


def test_anomaly_is_where_the_patch_differs_from_its_image():
    like = white(64, spread=5.0)
    odd = like.values.copy()
    odd[16:24, 40:48] += 60
    found = anomaly_map(ConditionalLikelihood(odd, like.mean, like.variance, 8))
    assert found.shape == (8, 8)
    assert found.min() >= 0
    assert np.unravel_index(found.argmax(), found.shape) == (2, 5)
    assert found[2, 5] > 5 * np.median(found)
    assert anomaly_map(ConditionalLikelihood(odd, like.mean, like.variance, 8), 16).shape == (4, 4)


def test_anomaly_is_half_deviation_and_half_standardised_error():
    like = white(64, seed=4, spread=5.0)
    gap = like.gap.astype(np.float64).mean(-1).reshape(8, 8, 8, 8).mean((1, 3))
    deviation = np.abs(gap - np.median(gap)) / stats.median_abs_deviation(gap, axis=None, scale="normal")
    error = np.sqrt((like.residual.astype(np.float64) ** 2 / 25).mean(-1).reshape(8, 8, 8, 8).mean((1, 3)))
    np.testing.assert_allclose(anomaly_map(like), (deviation + error) / 2, rtol=0.02, atol=0.02)


def test_reconstruction_error_is_in_levels_and_ignores_the_variance():
    values = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.float32)
    sure, unsure = (error_statistics(likelihood(values, 100.0, variance), 8) for variance in (1.0, 1000.0))
    assert sure == unsure
    assert sure["absolute.mean"] == pytest.approx(np.abs(values - 100).mean(), rel=1e-5)


def test_colour_means_belong_to_their_colour():
    like = white(64)
    values = like.values.copy()
    values[..., 2] += 40
    found = likelihood_statistics(ConditionalLikelihood(values, like.mean, like.variance, 8), 8)
    assert found["nll.blue"] > found["nll.red"] + 1
    assert found["nll.red"] == pytest.approx(found["nll.green"], abs=0.1)
    assert found["gap.blue"] == pytest.approx(found["nll.blue"] - found["entropy.blue"], abs=1e-5)


def test_block_variance_equals_numpy():
    values = np.random.default_rng(0).integers(0, 256, (35, 50, 3)).astype(np.float32)
    found = block_variance(values, 8)
    assert found.shape == (4, 6)
    for row, column in np.ndindex(4, 6):
        grey = values[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].mean(-1, dtype=np.float64)
        assert found[row, column] == pytest.approx(grey.var(), rel=1e-3)


def test_regress_equals_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(4, 2, 400)
    y = 0.7 * x + 1 + rng.normal(0, 0.3, 400)
    fit = stats.linregress(x, y)
    found = regress(x, y)
    assert found["slope"] == pytest.approx(fit.slope, rel=1e-3)
    assert found["level"] == pytest.approx(fit.intercept + 5 * fit.slope, rel=1e-3)
    assert found["rest"] == pytest.approx(np.std(y - fit.intercept - fit.slope * x), rel=1e-3)
    assert regress(np.full(9, 2.0), np.arange(9.0)) == pytest.approx(
        {"slope": 0, "level": 4, "rest": np.std(np.arange(9))}
    )


def test_correlation_equals_numpy_and_is_zero_for_a_constant():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    b = a + rng.normal(size=500)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-5)
    assert correlation(a, -a) == pytest.approx(-1, abs=1e-5)
    assert correlation(a, np.full(500, 3.0)) == 0
