"""Pictures without fine detail: enlarged ones are told from others, at any size and content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinemae.images.detail import fine_detail, is_coarse

SAMPLES = Path(__file__).parents[2] / "samples"
PHOTOS = ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "hubble_deep_field.jpg", "rocket.jpg")


def photo(name: str) -> Image.Image:
    with Image.open(SAMPLES / name) as image:
        return image.convert("RGB")


def through(image: Image.Image, short: int) -> np.ndarray:
    """The picture reduced to a short side and enlarged to its own size again."""
    scale = short / min(image.size)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photograph_is_fine_at_half_and_at_twice_its_size(name):
    image = photo(name)
    for factor in (0.5, 1, 2):
        size = (round(image.width * factor), round(image.height * factor))
        assert not is_coarse(np.asarray(image.resize(size, Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("name", ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"])
def test_one_that_was_enlarged_from_64_pixels_is_coarse(name):
    assert is_coarse(through(photo(name), 64))


def test_the_less_is_left_the_coarser():
    image = photo("coffee.jpg")
    found = [fine_detail(through(image, short)) for short in (32, 64, 128, 256)]
    assert found == sorted(found)


@pytest.mark.parametrize("shape", [(3, 3, 3), (64, 2000, 3), (5000, 70, 3)])
def test_any_shape_has_an_answer(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert 0 < fine_detail(noise) < 2
    assert fine_detail(np.full(shape, 7, dtype=np.uint8)) == 0
