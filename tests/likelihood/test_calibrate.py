"""Fitting a noise model to an MAE on photographs."""

import numpy as np
import pytest

from cinemae.features.spec import ScaleSpec
from cinemae.images import load_image, resized_view
from cinemae.likelihood import combine
from cinemae.likelihood.calibrate import fit_noise
from cinemae.likelihood.conditional import block_mean, patch_moments
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.modules import to_frozen
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.masks import LatticeMasks, PartitionMasks, RandomMasks
from toys import SMALL_VIT, pink, small_conv, small_vit

SCALE = ScaleSpec(view="resized", size=224, patch=16, masks=PartitionMasks(groups=4))
MEAN_ONLY = SMALL_VIT.model_copy(update={"output": "mean"})


@pytest.fixture(scope="module")
def runtime():
    return OpenVINORuntime(to_frozen(small_vit(1, MEAN_ONLY)))


@pytest.fixture(scope="module")
def photos():
    return [load_image(pink(300 + number, 80 + 8 * number)) for number in range(6)]


@pytest.mark.parametrize("masks", [PartitionMasks(groups=4, rounds=2), RandomMasks(ratio=0.75, passes=6)])
def test_is_fitted_on_what_combine_will_read(runtime, photos, masks):
    scale = SCALE.model_copy(update={"masks": masks})
    hidden = masks.hidden((14, 14), 5)
    free = NoiseModel(coefficients=(0.0, 0.0, 0.0))
    rows = []
    for photo in photos:
        view = resized_view(photo.pixels)
        out = runtime.view(view, hidden)
        mean = combine(view, out.passes, hidden, patch=16, noise=free).mean
        covered = hidden.repeat(16, 1).repeat(16, 2)[..., None]
        assert out.passes.mean.min(where=covered, initial=255) > 0  # so that combine clips nothing
        assert out.passes.mean.max(where=covered, initial=0) < 255
        spread = np.broadcast_to(np.nanvar(np.where(covered, out.passes.mean, np.nan), axis=0), mean.shape)
        error = block_mean(((view - mean) ** 2).mean(-1), 16)
        rows.append(np.stack([*patch_moments(mean, spread, 16), error]).reshape(3, -1))
    wanted = NoiseModel.fit(*np.concatenate(rows, axis=1).astype(np.float64))
    assert fit_noise(runtime, photos, scale, seed=5).coefficients == pytest.approx(wanted.coefficients, abs=1e-2)


def test_the_fitted_variance_is_that_of_the_errors(runtime, photos):
    """At the maximum of the likelihood the mean of error^2 / variance is 1 (the intercept's equation)."""
    noise = fit_noise(runtime, photos, SCALE)
    hidden = SCALE.masks.hidden((14, 14), 0)
    ratios = []
    for photo in photos:
        view = resized_view(photo.pixels)
        likelihood = combine(view, runtime.view(view, hidden).passes, hidden, patch=16, noise=noise)
        ratios.append((likelihood.residual.astype(np.float64) ** 2 / likelihood.variance).mean())
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)


def test_is_deterministic_for_a_seed(runtime, photos):
    assert fit_noise(runtime, photos[:2], SCALE, seed=1) == fit_noise(runtime, photos[:2], SCALE, seed=1)
    assert fit_noise(runtime, photos[:2], SCALE, seed=1) != fit_noise(runtime, photos[:2], SCALE, seed=2)


def test_an_mae_that_predicts_a_distribution_is_refused(photos):
    for mae, scale in ((small_vit(), SCALE), (small_conv(), SCALE.model_copy(update={"masks": LatticeMasks()}))):
        with pytest.raises(ValueError, match="needs no noise model"):
            fit_noise(OpenVINORuntime(to_frozen(mae)), photos, scale)


def test_a_scale_without_masks_is_refused(runtime, photos):
    with pytest.raises(ValueError, match="a scale without masks has no likelihood"):
        fit_noise(runtime, photos, SCALE.model_copy(update={"masks": None}))


def test_no_photographs_are_refused(runtime):
    with pytest.raises(ValueError, match="at least 100 patches, got 0"):
        fit_noise(runtime, [], SCALE)
