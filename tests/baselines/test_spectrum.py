"""The spectra against closed forms: white noise is flat, a wave is in its ring, small pictures mean the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import median_filter
from scipy.signal import get_window

from cinemae.baselines.spectrum import FLOOR, hann, median3, radial_power, spectra
from toys import pink, upsampled

BINS = 16


@settings(max_examples=20)
@given(side=st.integers(40, 160), seed=st.integers(0, 50))
def test_white_noise_has_its_variance_in_every_ring(side, seed):
    noise = np.random.default_rng(seed).normal(0, 3, (20, side, side))
    power = np.mean([radial_power(image, 8) for image in noise], axis=0)
    assert power[1:] == pytest.approx(9, rel=0.35)
    assert power[4:] == pytest.approx(9, rel=0.15)


@pytest.mark.parametrize("side", [64, 100, 256])
@pytest.mark.parametrize("frequency", [0.11, 0.27, 0.42])
@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi / 2])
def test_a_wave_is_in_the_ring_of_its_frequency_at_any_angle_and_size(side, frequency, angle):
    y, x = np.mgrid[:side, :side]
    wave = 40 * np.cos(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)))
    power = radial_power(wave, BINS)
    assert abs(int(power.argmax()) - int(frequency * 2 * BINS)) <= (side < 100)
    far = np.abs(np.arange(BINS) - frequency * 2 * BINS) > 3
    assert power[far].max() < 1e-3 * power.max()


def test_the_highest_frequency_counts_and_the_mean_does_not():
    checks = 20.0 * (1 - 2 * (np.arange(64) % 2)) * np.ones((64, 1))
    assert radial_power(checks, BINS).argmax() == BINS - 1
    image = np.random.default_rng(0).normal(size=(64, 64))
    assert radial_power(image + 100, BINS) == pytest.approx(radial_power(image, BINS))


def test_rings_without_a_frequency_lie_between_their_neighbours():
    noise = np.random.default_rng(0).normal(size=(32, 32))
    power = radial_power(noise, 64)
    own = np.unique(np.minimum(np.hypot(*np.meshgrid(*[np.fft.fftfreq(32)] * 2)) * 128, 63.9).astype(int))[1:]
    gaps = np.setdiff1d(np.arange(64), own)
    assert len(gaps)
    assert np.isfinite(power).all()
    inner = gaps[gaps > own[0]]
    for gap in inner:
        low, high = own[own < gap].max(), own[own > gap].min()
        share = (gap - low) / (high - low)
        assert power[gap] == pytest.approx(power[low] + share * (power[high] - power[low]))


def test_the_crop_is_the_centre_and_is_not_resampled():
    pixels = pink(3, 128)
    around = np.random.default_rng(0).integers(0, 256, (200, 180, 3)).astype(np.uint8)
    around[36:164, 26:154] = pixels
    assert np.array_equal(spectra(around, size=128, bins=BINS), spectra(pixels, size=128, bins=BINS))
    assert np.array_equal(spectra(pixels, size=256, bins=BINS), spectra(pixels, size=128, bins=BINS))


def test_sizes_mean_the_same():
    """Crops of one texture differ by chance, not by their size."""
    noise = np.random.default_rng(1).integers(0, 256, (16, 256, 256, 3)).astype(np.uint8)
    large, small = (np.mean([spectra(image, size=size, bins=BINS) for image in noise], 0) for size in (256, 64))
    assert np.abs(large - small)[1:BINS].max() < 0.1
    assert np.abs(large - small)[BINS + 1 :].max() < 0.1


def test_flat_pictures_are_at_the_floor():
    flat = spectra(np.full((64, 64, 3), 77, np.uint8), size=64, bins=BINS)
    assert flat == pytest.approx(np.log10(FLOOR), abs=1e-3)
    assert flat.dtype == np.float32


def test_enlarging_empties_the_highest_rings():
    real, made = (
        np.mean([spectra(draw(n, 96), size=96, bins=BINS) for n in range(4)], 0) for draw in (pink, upsampled)
    )
    drop = (real - made)[:BINS]
    assert drop[-3:].min() > drop[1:4].max() + 0.3


@given(height=st.integers(2, 40), width=st.integers(2, 40), seed=st.integers(0, 9))
def test_the_median_is_scipy_s(height, width, seed):
    image = np.random.default_rng(seed).normal(size=(height, width))
    assert np.array_equal(median3(image), median_filter(image, 3, mode="nearest"))


@pytest.mark.parametrize("length", [32, 33, 256])
def test_the_window_is_scipy_s_between_the_samples(length):
    assert hann(length) == pytest.approx(get_window("hann", 2 * length)[1::2])


@pytest.mark.parametrize("shape", [(2, 2), (7, 90), (33, 32)])
def test_the_smallest_pictures_have_spectra(shape):
    pixels = np.array(Image.fromarray(pink(1, 96)).resize(shape[::-1]))
    found = spectra(pixels, size=256, bins=BINS)
    assert found.shape == (2 * BINS,)
    assert np.isfinite(found).all()
