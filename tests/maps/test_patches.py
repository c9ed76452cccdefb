"""The map as numbers and as plain pictures, against the likelihood that it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from cinemae.detector import Detector, Scored
from cinemae.images import load_image, resized_box
from cinemae.maps import PatchMap, patch_map, reconstruction, tint, view
from cinemae.maps.colours import SCALE, colourise, strength
from cinemae.verdict import ErrorInfo, Verdict
from toys import pink


@pytest.fixture(scope="module")
def scored(head_folder) -> Scored:
    return Detector.load(head_folder, device="cpu").score(pink(3, 300)[:, :250])


def blocks(values: np.ndarray, patch: int = 16) -> np.ndarray:
    rows, cols = (range(0, side, patch) for side in values.shape[:2])
    return np.array([[values[r : r + patch, c : c + patch].mean() for c in cols] for r in rows])


def test_the_numbers_are_the_patches_means(scored):
    likelihood = scored.extraction.likelihoods["semantic"][0]
    numbers = patch_map(scored)
    assert (numbers.rows, numbers.cols) == (14, 14)
    np.testing.assert_allclose(numbers.bits, blocks(likelihood.nll), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numbers.gap, blocks(likelihood.gap), rtol=1e-4, atol=1e-5)
    assert np.mean(numbers.bits) == pytest.approx(scored.verdict.bits_per_dim, rel=1e-5)


def test_the_box_is_the_centre_crop_and_survives_json(scored):
    numbers = PatchMap.model_validate_json(patch_map(scored).model_dump_json())
    assert numbers == patch_map(scored)
    assert numbers.box == resized_box(250, 300)
    assert patch_map(scored, resize=224).box == (0, 25, 250, 275)
    assert numbers.scale == SCALE


def test_the_tint_has_the_scales_colour_and_is_clear_where_nothing_was_unexpected(scored):
    drawn = np.asarray(tint(scored, side=140))
    assert drawn.shape == (140, 140, 4)
    gap = np.asarray(patch_map(scored).gap, np.float32)
    centres = drawn[5::10, 5::10]
    assert (centres[..., :3] == colourise(strength(gap))).all()
    assert ((centres[..., 3] == 0) == (gap <= 1e-3)).mean() > 0.99  # a gap just above zero may round to clear
    order = np.argsort(gap, axis=None)
    assert (np.diff(centres[..., 3].ravel()[order].astype(int)) >= 0).all()


def test_view_and_prediction_are_the_likelihoods_own(scored):
    likelihood = scored.extraction.likelihoods["semantic"][0]
    assert (np.asarray(view(scored)) == likelihood.values).all()
    predicted = np.asarray(reconstruction(scored)).astype(float)
    assert np.abs(predicted - np.clip(likelihood.mean, 0, 255)).max() <= 0.5


def test_a_refused_input_or_a_model_without_that_scale_has_none(scored):
    refused = Scored(Verdict(path="x", error=ErrorInfo(type="TooSmallError", message="x: too small")))
    fine_only = Scored(scored.verdict, load_image(pink(3)), type(scored.extraction)(scored.extraction.features, {}))
    for draw in (patch_map, tint, view, reconstruction):
        with pytest.raises(ValueError, match="refused"):
            draw(refused)
        with pytest.raises(ValueError, match="no semantic scale"):
            draw(fine_only)
