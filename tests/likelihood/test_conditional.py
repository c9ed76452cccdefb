"""From the passes of a mask scheme to one likelihood a sub-pixel."""

import numpy as np
import pytest

from cinemae.likelihood import combine
from cinemae.likelihood.conditional import BITS, ConditionalLikelihood, PassPredictions, block_mean, patch_moments
from cinemae.likelihood.distributions import FAMILIES, LOGISTIC_VARIANCE, MAX_SCALE, MIN_SCALE
from cinemae.likelihood.noise import NoiseModel
from cinemae.masks import LatticeMasks, PartitionMasks, RandomMasks

PATCH = 4
GRID = (6, 4)
SHAPE = (GRID[0] * PATCH, GRID[1] * PATCH, 3)
NOISE = NoiseModel(coefficients=(1.0, 0.5, 0.25))


def predictions(passes: int, *, scales: bool, seed: int = 0) -> PassPredictions:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(20, 230, (passes, *SHAPE)).astype(np.float32)
    scale = rng.uniform(0.5, 30, mean.shape).astype(np.float32) if scales else None
    return PassPredictions(mean, scale)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, SHAPE).astype(np.uint8)


def loop_moments(
    passes: PassPredictions, hidden: np.ndarray, row: int, column: int, colour: int
) -> tuple[float, float]:
    """Mean and variance of the equal mixture of the passes that hid one sub-pixel, the long way."""
    means, variances = [], []
    for number, mask in enumerate(hidden):
        if mask[row // PATCH, column // PATCH]:
            means.append(float(passes.mean[number, row, column, colour]))
            if passes.scale is not None:
                scale = min(max(float(passes.scale[number, row, column, colour]), MIN_SCALE), MAX_SCALE)
                variances.append(scale**2 * np.pi**2 / 3)
    mixed = sum(means) / len(means)
    spread = sum((mean - mixed) ** 2 for mean in means) / len(means)
    return mixed, spread + (sum(variances) / len(variances) if variances else 0.0)


# Random masks hide patches different numbers of times, which partitions never do.
@pytest.mark.parametrize(
    "masks", [PartitionMasks(groups=4, rounds=2), RandomMasks(ratio=0.5, passes=5), LatticeMasks()]
)
def test_mixture_moments_equal_a_direct_loop(values, masks):
    hidden = masks.hidden(GRID, 3)
    passes = predictions(len(hidden), scales=True)
    combined = combine(values, passes, hidden, patch=PATCH)
    for row, column, colour in np.ndindex(*SHAPE):
        mean, variance = loop_moments(passes, hidden, row, column, colour)
        assert combined.mean[row, column, colour] == pytest.approx(mean, rel=1e-5)
        assert combined.variance[row, column, colour] == pytest.approx(variance, rel=1e-4)
    assert np.array_equal(combined.values, values)


def test_passes_that_show_a_patch_have_no_say_in_it(values):
    hidden = PartitionMasks(groups=4).hidden(GRID, 0)
    passes = predictions(len(hidden), scales=True)
    shown = ~hidden.repeat(PATCH, 1).repeat(PATCH, 2)
    spoilt = PassPredictions(
        np.where(shown[..., None], np.float32(1e4), passes.mean),
        np.where(shown[..., None], np.float32(90), passes.scale),
    )
    ours, theirs = (combine(values, given, hidden, patch=PATCH) for given in (passes, spoilt))
    assert np.array_equal(ours.mean, theirs.mean)
    assert np.array_equal(ours.variance, theirs.variance)


def test_scales_are_kept_in_range(values):
    hidden = LatticeMasks().hidden(GRID, 0)
    passes = predictions(2, scales=True)
    tight, loose = (
        combine(values, PassPredictions(passes.mean, np.full_like(passes.mean, scale)), hidden, patch=PATCH)
        for scale in (1e-6, 1e6)
    )
    np.testing.assert_allclose(tight.variance, MIN_SCALE**2 * LOGISTIC_VARIANCE, rtol=1e-5)
    np.testing.assert_allclose(loose.variance, MAX_SCALE**2 * LOGISTIC_VARIANCE, rtol=1e-5)
    assert np.isfinite(tight.nll).all()
    assert np.isfinite(loose.nll).all()


def test_mean_is_kept_inside_the_levels(values):
    hidden = LatticeMasks().hidden(GRID, 0)
    passes = predictions(2, scales=True)
    outside = combine(values, PassPredictions(passes.mean * 3 - 300, passes.scale), hidden, patch=PATCH)
    assert outside.mean.min() == 0
    assert outside.mean.max() == 255


@pytest.mark.parametrize("scales", [True, False])
def test_a_patch_that_no_pass_hides_is_refused(values, scales):
    hidden = PartitionMasks(groups=4).hidden(GRID, 0)
    hidden[:, 2, 1] = False
    with pytest.raises(ValueError, match="patches that no pass hides"):
        combine(values, predictions(len(hidden), scales=scales), hidden, patch=PATCH, noise=NOISE)


def test_a_mean_alone_needs_a_noise_model(values):
    hidden = PartitionMasks(groups=4).hidden(GRID, 0)
    with pytest.raises(ValueError, match="fit-noise"):
        combine(values, predictions(len(hidden), scales=False), hidden, patch=PATCH)


def test_noise_model_gives_one_variance_a_patch(values):
    hidden = PartitionMasks(groups=4, rounds=2).hidden(GRID, 0)
    passes = predictions(len(hidden), scales=False)
    combined = combine(values, passes, hidden, patch=PATCH, noise=NOISE)
    mean, spread = np.zeros(SHAPE), np.zeros(SHAPE)
    for place in np.ndindex(*SHAPE):
        mean[place], spread[place] = loop_moments(passes, hidden, *place)
    for row, column in np.ndindex(*GRID):
        block = np.s_[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
        contrast = np.mean([mean[block][..., colour].var() for colour in range(3)])
        wanted = np.exp(1.0 + 0.5 * np.log1p(spread[block].mean()) + 0.25 * np.log1p(contrast))
        np.testing.assert_allclose(combined.variance[block], wanted, rtol=1e-3)


def test_patch_moments_equal_a_loop():
    rng = np.random.default_rng(1)
    mean, variance = rng.uniform(0, 255, SHAPE).astype(np.float32), rng.uniform(0, 99, SHAPE).astype(np.float32)
    ensemble, contrast = patch_moments(mean, variance, PATCH)
    assert ensemble.shape == contrast.shape == GRID
    for row, column in np.ndindex(*GRID):
        block = np.s_[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
        assert ensemble[row, column] == pytest.approx(variance[block].mean(), rel=1e-5)
        within = np.mean([mean[block][..., colour].astype(np.float64).var() for colour in range(3)])
        assert contrast[row, column] == pytest.approx(within, rel=1e-3)


def test_contrast_is_within_a_colour_and_not_between_colours():
    flat_orange = np.broadcast_to(np.array([240, 130, 20], dtype=np.float32), SHAPE)
    _, contrast = patch_moments(flat_orange, np.zeros(SHAPE, dtype=np.float32), PATCH)
    np.testing.assert_allclose(contrast, 0, atol=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_gap_is_nll_minus_entropy_and_all_in_bits(values, family):
    hidden = LatticeMasks().hidden(GRID, 0)
    combined = combine(values, predictions(2, scales=True), hidden, patch=PATCH, family=family)
    np.testing.assert_allclose(combined.gap, combined.nll - combined.entropy, atol=1e-6)
    if family == "gaussian":
        truth, mean, variance = (
            part.astype(np.float64) for part in (combined.values, combined.mean, combined.variance)
        )
        nats = 0.5 * np.log(2 * np.pi * variance) + (truth - mean) ** 2 / (2 * variance)
        np.testing.assert_allclose(combined.nll, nats / np.log(2), rtol=1e-4)
        np.testing.assert_allclose(combined.entropy, 0.5 * np.log2(2 * np.pi * np.e * variance), rtol=1e-4)
    assert pytest.approx(1.442695) == BITS
    assert combined.bits_per_dim == pytest.approx(combined.nll.astype(np.float64).mean())


def test_gap_of_values_drawn_from_the_prediction_averages_to_nothing():
    rng = np.random.default_rng(5)
    shape = (96, 96, 3)
    mean, scale = np.full(shape, 120.0, np.float32), np.full(shape, 6.0, np.float32)
    u = rng.uniform(1e-6, 1 - 1e-6, shape)
    drawn = np.clip(np.rint(mean + scale * np.log(u / (1 - u))), 0, 255).astype(np.uint8)
    right = ConditionalLikelihood(drawn.astype(np.float32), mean, scale**2 * np.float32(LOGISTIC_VARIANCE), 16)
    wrong = ConditionalLikelihood(drawn.astype(np.float32), mean, scale**2 * np.float32(LOGISTIC_VARIANCE / 9), 16)
    assert abs(right.gap.mean()) < 0.03  # standard error 0.007 bits
    assert wrong.gap.mean() > 0.5


def test_residual_is_truth_minus_mean(values):
    hidden = LatticeMasks().hidden(GRID, 0)
    combined = combine(values, predictions(2, scales=True), hidden, patch=PATCH)
    np.testing.assert_array_equal(combined.residual, values.astype(np.float32) - combined.mean)


@pytest.mark.parametrize("size", [1, 3, PATCH, 8])
def test_per_patch_averages_pixels_and_colours(values, size):
    hidden = LatticeMasks().hidden(GRID, 0)
    combined = combine(values, predictions(2, scales=True), hidden, patch=PATCH)
    found = combined.per_patch(combined.nll, size)
    assert found.shape == (SHAPE[0] // size, SHAPE[1] // size)
    for row, column in np.ndindex(*found.shape):
        block = combined.nll[row * size : (row + 1) * size, column * size : (column + 1) * size]
        assert found[row, column] == pytest.approx(block.mean(), rel=1e-5)
    np.testing.assert_array_equal(combined.per_patch(combined.nll), combined.per_patch(combined.nll, PATCH))


def test_block_mean_drops_what_is_left_over():
    ramp = np.arange(35, dtype=np.float32).reshape(5, 7)
    assert block_mean(ramp, 2).tolist() == [[4, 6, 8], [18, 20, 22]]
