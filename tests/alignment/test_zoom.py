"""Photographs at several scales."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from cinemae.alignment import ZoomConfig, zoomed
from cinemae.seeding import rng_for
from toys import pink


def at(pixels: np.ndarray, factor: float, **settings: object) -> np.ndarray:
    return zoomed(pixels, rng_for(0, "k"), factor, ZoomConfig(side=96, quality=100, **settings))


def test_windows_have_one_size_and_show_more_when_reduced():
    pixels = pink(1, 256)
    whole, half = at(pixels, 1.0), at(pixels, 0.5)
    assert whole.shape == half.shape == (96, 96, 3)
    assert at(pixels, 1.0).tobytes() == whole.tobytes()
    # Half a window of the reduced one shows what the whole window does, up to less than a pixel.
    small = np.asarray(Image.fromarray(whole).resize((48, 48), Image.Resampling.LANCZOS))

    def alike(shown: np.ndarray) -> float:
        corners = [shown[y : y + 48, x : x + 48].ravel() for y in range(49) for x in range(49)]
        return max(float(np.corrcoef(small.ravel(), corner)[0, 1]) for corner in corners)

    assert alike(half) > 0.8 > 0.6 > alike(at(pink(4, 256), 0.5))


def test_a_large_photograph_is_reduced_first():
    pixels = pink(2, 256)
    small = np.array(Image.fromarray(pixels).resize((128, 128), Image.Resampling.LANCZOS, reducing_gap=3.0))
    assert at(pixels, 1.0, largest=128).tobytes() == at(small, 1.0).tobytes()


def test_the_window_is_all_of_a_small_image():
    assert at(pink(3, 64), 1.0).shape == (64, 64, 3)
    assert ZoomConfig().smallest == 512
    assert ZoomConfig(side=100, factors=(1.0, 0.3)).smallest == 334


def test_one_scale_is_none():
    with pytest.raises(ValidationError, match="at least 2"):
        ZoomConfig(factors=(1.0,))
