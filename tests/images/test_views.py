"""Views: where they lie, and that native crops are slices of the image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cinemae.images import native_crops, resized_box, resized_view

SIDES = st.integers(2, 400)


def place(crop: np.ndarray, pixels: np.ndarray) -> tuple[int, int]:
    """Where a crop that shares memory with an image lies in it: top, left."""
    offset = crop.__array_interface__["data"][0] - pixels.__array_interface__["data"][0]
    return offset // pixels.strides[0], offset % pixels.strides[0] // pixels.strides[1]


def ramp(height: int, width: int) -> np.ndarray:
    """An image whose every pixel is another colour, (height, width, 3)."""
    numbers = np.arange(height * width).reshape(height, width)
    return np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=-1).astype(np.uint8)


# --- the resized view ------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(256, 256), (320, 500), (900, 640), (32, 32), (40, 900)])
def test_resized_view_is_the_centre_of_the_resized_image(height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (max(height // 16, 2), max(width // 16, 2), 3), np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    view = resized_view(pixels)
    assert view.shape == (224, 224, 3)
    assert view.dtype == np.uint8
    assert view.flags.c_contiguous
    scale = 256 / min(height, width)
    whole = Image.fromarray(pixels).resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
    left, top = (whole.width - 224) // 2, (whole.height - 224) // 2
    reference = np.asarray(whole)[top : top + 224, left : left + 224]
    assert np.abs(view.astype(int) - reference).max() <= 1


def test_resized_view_of_a_square_of_256_is_its_centre_untouched() -> None:
    pixels = ramp(256, 256)
    np.testing.assert_array_equal(resized_view(pixels), pixels[16:240, 16:240])


def test_resized_view_averages_what_it_shrinks() -> None:
    checks = np.indices((1024, 1024)).sum(axis=0) % 2 * 255
    view = resized_view(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8))
    assert np.abs(view.astype(int) - 127).max() <= 1  # without antialiasing it would be black and white


@given(width=SIDES, height=SIDES, resize=st.integers(224, 400))
def test_resized_box_is_a_centred_square_inside(width: int, height: int, resize: int) -> None:
    left, top, right, bottom = resized_box(width, height, resize=resize)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert right - left == pytest.approx(bottom - top) == pytest.approx(min(width, height) * 224 / resize)
    assert left == pytest.approx(width - right)
    assert top == pytest.approx(height - bottom)


def test_resized_view_refuses_a_crop_larger_than_the_image() -> None:
    with pytest.raises(ValueError, match=r"resize \(200\) must be at least crop \(224\)"):
        resized_view(np.zeros((256, 256, 3), np.uint8), resize=200)


# --- native crops ----------------------------------------------------------------------------------


@given(height=SIDES, width=SIDES, half=st.integers(1, 100), count=st.integers(1, 9))
@settings(max_examples=150)
def test_native_crops_are_different_slices_inside(height: int, width: int, half: int, count: int) -> None:
    pixels, size = ramp(height, width), 2 * half
    crops = native_crops(pixels, size=size, count=count)
    assert 1 <= len(crops) <= count
    places = set()
    for crop in crops:
        tall, wide = crop.shape[:2]
        assert (tall, wide) == (min(size, height // 2 * 2), min(size, width // 2 * 2))
        assert np.shares_memory(crop, pixels)
        top, left = place(crop, pixels)
        np.testing.assert_array_equal(crop, pixels[top : top + tall, left : left + wide])
        places.add((top, left))
    assert len(places) == len(crops)
    again = native_crops(pixels.copy(), size=size, count=count)
    assert all(np.array_equal(one, other) for one, other in zip(crops, again, strict=True))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_a_large_image_gives_as_many_as_asked_without_overlap(count: int) -> None:
    pixels = ramp(700, 1100)
    crops = native_crops(pixels, size=160, count=count)
    assert len(crops) == count
    seen = np.zeros(pixels.shape[:2], int)
    for crop in crops:
        top, left = place(crop, pixels)
        seen[top : top + 160, left : left + 160] += 1
    assert seen.max() == 1


def test_one_crop_is_the_centre() -> None:
    pixels = ramp(300, 500)
    np.testing.assert_array_equal(native_crops(pixels, size=100, count=1)[0], pixels[100:200, 200:300])


def test_two_crops_lie_along_the_long_side() -> None:
    tall = [place(crop, image) for image in [ramp(600, 200)] for crop in native_crops(image, size=160, count=2)]
    assert [left for _, left in tall] == [20, 20]
    assert sorted(top for top, _ in tall) == [70, 370]


def test_an_image_smaller_than_a_crop_gives_what_there_is() -> None:
    pixels = ramp(51, 67)
    crops = native_crops(pixels, size=160, count=4)
    assert [crop.shape for crop in crops] == [(50, 66, 3)]


@pytest.mark.parametrize(("size", "count"), [(15, 1), (0, 1), (-2, 1), (16, 0)])
def test_odd_sizes_and_no_crops_are_refused(size: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"got {size} and {count}"):
        native_crops(np.zeros((64, 64, 3), np.uint8), size=size, count=count)
