"""Statistics of pixels: closed forms, an independent median, and what must not change them."""

import math

import numpy as np
import pytest
from scipy import ndimage, stats

from cinemae.audit.statistics import CHANNELS, STATISTICS, WINDOW, central_window, measure, median3
from pictures import photo
from toys import pink, upsampled

NOISE = [f"noise_{figure}_{channel}" for figure in ("mean", "std", "skew") for channel in CHANNELS]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A photograph of even contrast, away from black and white."""
    return photo(120, 160) // 2 + 60


def test_every_statistic_has_a_value(picture):
    values = measure(picture)
    assert list(values) == [fact.name for fact in STATISTICS]
    assert all(math.isfinite(value) for value in values.values())


def test_the_median_is_scipy_s():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    expected = ndimage.median_filter(pixels, size=(3, 3, 1))[1:-1, 1:-1]
    np.testing.assert_array_equal(median3(pixels), expected)


def test_the_moments_of_the_noise_are_scipy_s(picture):
    residual = picture[1:-1, 1:-1].astype(float) - median3(picture)
    values = measure(picture)
    for number, channel in enumerate(CHANNELS):
        mine = residual[..., number].ravel()
        assert values[f"noise_mean_{channel}"] == pytest.approx(mine.mean(), abs=1e-9)
        assert values[f"noise_std_{channel}"] == pytest.approx(mine.std())
        assert values[f"noise_skew_{channel}"] == pytest.approx(stats.skew(mine))


def test_brightness_changes_neither_noise_nor_spectrum_nor_traces(picture):
    plain, brighter = measure(picture), measure(picture + 20)
    same = [*NOISE, *(fact.name for fact in STATISTICS if fact.group == "history"), "spectrum_slope", "spectrum_top"]
    assert {name: brighter[name] for name in same} == pytest.approx({name: plain[name] for name in same}, abs=1e-6)


def test_mirroring_and_turning_change_no_statistic_that_has_no_direction(picture):
    square = picture[:, :120]
    plain = measure(square)
    directed = {fact.name for fact in STATISTICS if fact.group == "history"}
    for other in (square[::-1], square[:, ::-1], square.transpose(1, 0, 2)):
        turned = measure(np.ascontiguousarray(other))
        same = plain.keys() - directed
        assert {name: turned[name] for name in same} == pytest.approx({name: plain[name] for name in same}, abs=1e-6)


def test_channels_are_kept_apart(picture):
    swapped = measure(np.ascontiguousarray(picture[..., ::-1]))
    plain = measure(picture)
    assert swapped["noise_std_red"] == plain["noise_std_blue"]
    assert swapped["noise_skew_green"] == plain["noise_skew_green"]


def test_what_lies_outside_the_window_matters_to_the_border_only(picture):
    large = np.tile(picture, (8, 8, 1))
    other = large.copy()
    other[:40] = 7
    plain, changed = measure(large), measure(other)
    assert changed.pop("border") == pytest.approx(40 / large.shape[0])
    assert plain.pop("border") == 0
    assert changed == plain


def test_the_window_keeps_the_phase_of_a_jpeg_s_grid():
    rows, columns = np.mgrid[:1000, :777]
    window = central_window(np.stack([rows % 16, columns % 16, rows * 0], axis=2).astype(np.uint8))
    assert window.shape == (WINDOW, WINDOW, 3)
    assert tuple(window[0, 0]) == (0, 0, 0)


def test_the_slope_of_pink_noise_is_minus_two():
    """An amplitude of 1/f is a power of f to the -2."""
    slopes = [measure(pink(seed, 256))["spectrum_slope"] for seed in range(4)]
    assert np.mean(slopes) == pytest.approx(-2, abs=0.15)


def test_enlarging_empties_the_top_of_the_spectrum():
    assert measure(upsampled(1, 128))["spectrum_top"] < measure(pink(1, 128))["spectrum_top"] - 1


def test_shares_are_those_that_were_painted():
    pixels = np.full((64, 64, 3), 100, np.uint8)
    pixels[:16] = (200, 10, 10)  # saturated
    pixels[16:24] = 0
    pixels[24:28] = 255
    values = measure(pixels)
    assert values["saturated"] == 16 / 64
    assert values["grey"] == 48 / 64
    assert values["clipped_low"] == 8 / 64
    assert values["clipped_high"] == 4 / 64


def test_borders_are_measured_on_each_side():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[10:70, 50:200] = pink(2, 150)[:60]
    assert measure(pixels)["border"] == pytest.approx(1 - 60 * 150 / (100 * 200))
    assert measure(np.full((40, 50, 3), 9, np.uint8))["border"] == 1


def test_a_tiny_picture_has_no_grid_and_no_spectrum():
    values = measure(pink(1, 20))
    assert {name for name, value in values.items() if math.isnan(value)} == {
        fact.name for fact in STATISTICS if fact.group == "history" or fact.name.startswith("spectrum")
    }
