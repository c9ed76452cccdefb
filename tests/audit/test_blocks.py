"""Block traces, on photographs whose compression is known."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from cinemae.audit.blocks import block_grid, combs
from toys import pink

WEIGHTS = np.array([0.299, 0.587, 0.114])
PICTURES = {"cat": data.chelsea(), "cup": data.coffee()[:300, :400], "noise": pink(3, 256)}


def recoded(pixels: np.ndarray, *qualities: int) -> np.ndarray:
    for quality in qualities:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        pixels = np.array(Image.open(stream).convert("RGB"))
    return pixels


def luma(pixels: np.ndarray) -> np.ndarray:
    """Luma without clipped pixels, as the statistics give it to the combs."""
    return np.where(((pixels == 0) | (pixels == 255)).any(axis=2), np.nan, pixels @ WEIGHTS)


@pytest.fixture(params=PICTURES, scope="module")
def picture(request) -> np.ndarray:
    """A picture that was never compressed on a grid that starts in its corner."""
    return PICTURES[request.param][3:-2, 5:-2]


SMOOTH = 0.035
"""What the pictures here stay below after one quantisation."""


@pytest.mark.parametrize("quality", [95, 90, 85, 75, 60, 50])
def test_one_quantisation_leaves_a_smooth_histogram(picture, quality):
    assert combs(luma(recoded(picture, quality))).double < SMOOTH


@pytest.mark.parametrize(
    ("first", "second"), [(50, 70), (60, 75), (60, 90), (70, 75), (70, 85), (75, 60), (75, 85), (75, 90), (85, 90)]
)
def test_two_quantisations_leave_gaps(picture, first, second):
    assert combs(luma(recoded(picture, first, second))).double > 1.5 * SMOOTH


def test_the_same_quantisation_twice_is_one(picture):
    assert combs(luma(recoded(picture, 75, 75))).double < SMOOTH


def test_the_comb_grows_with_the_step_and_is_absent_without_compression(picture):
    assert combs(luma(picture)).single == 0
    strength = [combs(luma(recoded(picture, quality))).single for quality in (95, 90, 75, 50)]
    assert strength == sorted(strength)
    assert strength[2] > 0.6


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (0, 1), (7, 0)])
def test_a_crop_moves_the_comb_to_the_grid_that_it_was_made_on(picture, rows, columns):
    cut = luma(recoded(picture, 60)[rows:, columns:])
    assert combs(cut).single < 0.1
    assert combs(cut, (-rows % 8, -columns % 8)).single > 0.6


@pytest.mark.parametrize("shift", [0, 1, 4, 7])
def test_the_grid_is_found_where_it_is(shift):
    grid = block_grid(recoded(PICTURES["cat"], 60)[:, shift:] @ WEIGHTS)
    if shift == 0:
        assert grid.at_origin > 0.2
        assert abs(grid.elsewhere) < 0.1
    else:
        assert grid.phase == -shift % 8
        assert grid.elsewhere > 0.2
        assert grid.at_origin < 0.05


def test_rows_and_columns_are_measured_apart():
    drawn = np.add.outer(np.zeros(64), np.repeat(np.arange(8.0), 8)) + pink(1, 64)[..., 0] * 0.01
    assert block_grid(drawn).at_origin > 10 * abs(block_grid(drawn.T).at_origin)


def test_brightness_and_contrast_do_not_matter_to_the_grid():
    blocky = recoded(PICTURES["cat"], 60) @ WEIGHTS
    grid, brighter = block_grid(blocky), block_grid(blocky * 0.5 + 40)
    assert brighter.phase == grid.phase
    assert brighter.at_origin == pytest.approx(grid.at_origin)


def test_an_even_picture_has_no_traces():
    flat = np.full((64, 64), 90.0)
    assert block_grid(flat)[:2] == (0, 0)
    assert combs(flat) == (0, 0)
