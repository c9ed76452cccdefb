"""The noise model of MAEs that predict only a mean."""

import numpy as np
import pytest
from scipy import optimize
from scipy.stats import norm

from cinemae.likelihood import combine
from cinemae.likelihood.conditional import PassPredictions
from cinemae.likelihood.noise import NoiseModel
from cinemae.masks import PartitionMasks

TRUE = (1.5, 0.6, 0.3)


def simulated(patches: int, seed: int = 0, sub_pixels: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ensemble variances, contrasts and the squared errors of a Gaussian with a log-linear variance."""
    rng = np.random.default_rng(seed)
    ensemble, contrast = np.exp(rng.normal(2, 1.5, patches)), np.exp(rng.normal(4, 2, patches))
    variance = np.exp(TRUE[0] + TRUE[1] * np.log1p(ensemble) + TRUE[2] * np.log1p(contrast))
    return ensemble, contrast, variance * (rng.normal(size=(sub_pixels, patches)) ** 2).mean(0)


def negative_log_likelihood(beta: np.ndarray, ensemble: np.ndarray, contrast: np.ndarray, square: np.ndarray) -> float:
    log_variance = beta[0] + beta[1] * np.log1p(ensemble) + beta[2] * np.log1p(contrast)
    return float(-norm.logpdf(np.sqrt(square), scale=np.exp(log_variance / 2)).mean())


@pytest.mark.parametrize("sub_pixels", [1, 48])
def test_recovers_the_coefficients_of_simulated_errors(sub_pixels):
    model = NoiseModel.fit(*simulated(20_000, sub_pixels=sub_pixels))
    # The standard errors with one sub-pixel a patch are 0.03, 0.007 and 0.005.
    assert model.coefficients == pytest.approx(TRUE, abs=0.12 if sub_pixels == 1 else 0.02)
    assert model.coefficients[1:] == pytest.approx(TRUE[1:], abs=0.03)


@pytest.mark.parametrize("heavy", [False, True])
def test_is_the_maximum_of_the_likelihood(heavy):
    """As a general optimiser finds it, also for errors whose tails are heavier than a Gaussian's."""
    ensemble, contrast, square = simulated(3000, seed=1)
    if heavy:
        square = square * np.exp(np.random.default_rng(2).normal(0, 1.5, len(square)))
    model = NoiseModel.fit(ensemble, contrast, square)
    best = optimize.minimize(
        negative_log_likelihood,
        np.zeros(3),
        args=(ensemble, contrast, square),
        method="Nelder-Mead",
        options={"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-12},
    )
    assert model.coefficients == pytest.approx(tuple(best.x), abs=2e-3)


def test_beats_a_constant_variance_on_new_patches():
    model = NoiseModel.fit(*simulated(4000, seed=1))
    ensemble, contrast, square = simulated(4000, seed=2)
    fitted = negative_log_likelihood(np.array(model.coefficients), ensemble, contrast, square)
    constant = float(-norm.logpdf(np.sqrt(square), scale=np.sqrt(square.mean())).mean())
    truth = negative_log_likelihood(np.array(TRUE), ensemble, contrast, square)
    assert fitted < constant - 0.2
    assert fitted < truth + 0.005


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
def test_converges_whatever_the_size_of_the_errors(scale):
    ensemble, contrast, square = simulated(5000, seed=3)
    base = NoiseModel.fit(ensemble, contrast, square)
    scaled = NoiseModel.fit(ensemble, contrast, scale * square)
    assert scaled.coefficients[0] - base.coefficients[0] == pytest.approx(np.log(scale), abs=1e-3)
    assert scaled.coefficients[1:] == pytest.approx(base.coefficients[1:], abs=1e-3)


def test_copes_with_patches_that_were_predicted_exactly():
    ensemble, contrast, square = simulated(3000, seed=4)
    square[::3] = 0
    assert np.isfinite(NoiseModel.fit(ensemble, contrast, square).coefficients).all()
    assert np.isfinite(NoiseModel.fit(ensemble, contrast, np.zeros_like(square)).coefficients).all()


def test_too_few_patches_are_refused():
    with pytest.raises(ValueError, match="at least 100 patches, got 99"):
        NoiseModel.fit(*simulated(99))


def test_variance_is_at_least_that_of_rounding_and_finite():
    extreme = NoiseModel(coefficients=(-40.0, 30.0, 30.0))
    variance = extreme.variance(np.array([0, 1e9]), np.array([0, 1e9]))
    assert variance[0] == pytest.approx(1 / 12)
    assert np.isfinite(variance).all()


def test_a_flat_sky_does_not_explode():
    """Passes that agree on a flat patch have no variance of their own; a level off must not cost 100 bits."""
    hidden = PartitionMasks(groups=4).hidden((4, 4), 0)
    sky = np.full((16, 16, 3), 200, dtype=np.uint8)
    agreed = PassPredictions(np.full((4, 16, 16, 3), 202, dtype=np.float32), None)
    ensemble, contrast, square = simulated(3000)
    likelihood = combine(sky, agreed, hidden, patch=4, noise=NoiseModel.fit(ensemble, contrast, square))
    assert likelihood.variance.min() >= 1 / 12
    assert 0 < likelihood.nll.max() < 8


def test_round_trips_through_json():
    model = NoiseModel.fit(*simulated(500))
    assert NoiseModel.model_validate_json(model.model_dump_json()) == model
