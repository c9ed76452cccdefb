"""Lossy formats and chains of them: sizes, losses in order, and the traces that a JPEG leaves."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cinemae.corruptions import KINDS, Corruption
from pictures import encode
from toys import pink


def apply(pixels: np.ndarray, text: str, key: str = "k") -> np.ndarray:
    name, severity = text.split(":")
    return Corruption(name=name, severity=float(severity)).apply(pixels, 0, key)


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(((one.astype(float) - other) ** 2).mean()))


def step(pixels: np.ndarray, rows: int = 0, columns: int = 0) -> float:
    """How far the luma's DCT coefficients of the blocks that start there lie from whole multiples, on average 0.25.

    Only the lowest horizontal frequency counts, in steps of what quality 50 quantises it to.
    """
    luma = pixels @ np.array([0.299, 0.587, 0.114]) - 128
    luma = luma[rows:, columns:]
    height, width = (side // 8 * 8 for side in luma.shape)
    blocks = luma[:height, :width].reshape(height // 8, 8, width // 8, 8).mean(axis=1)
    wave = np.cos((2 * np.arange(8) + 1) * np.pi / 16)
    coefficients = blocks @ wave * 8 / 4 / np.sqrt(2)
    return float(np.abs(coefficients / 11 - np.rint(coefficients / 11)).mean())


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_a_lower_quality_loses_more(name: str, photo: np.ndarray) -> None:
    errors = [error(apply(photo, f"{name}:{quality:g}"), photo) for quality in KINDS[name].severities]
    assert errors == sorted(errors)
    assert 0 < errors[0] < 8
    assert errors[-1] < 20
    for quality in KINDS[name].severities:
        assert apply(photo, f"{name}:{quality:g}").shape == photo.shape


def test_jpeg_is_pillow_s_with_half_the_chroma(photo: np.ndarray) -> None:
    with Image.open(io.BytesIO(encode(photo, "JPEG", quality=50, subsampling="4:2:0"))) as saved:
        assert np.array_equal(apply(photo, "jpeg:50"), np.array(saved.convert("RGB")))
    assert step(apply(pink(0, 256), "jpeg:50")) < 0.1 < 0.2 < step(pink(0, 256))


def test_a_double_jpeg_s_blocks_lie_across_each_other() -> None:
    picture = pink(1, 256)
    shapes, firsts = set(), []
    for key in map(str, range(12)):
        twice = apply(picture, "double-jpeg:50", key)
        top, left = 256 - twice.shape[0], 256 - twice.shape[1]
        assert 0 <= top < 8
        assert 0 <= left < 8
        shapes.add((top, left))
        assert step(twice) < 0.1  # the second grid starts at the corner
        # Two losses are more than the second one alone.
        firsts.append(
            error(twice, picture[top:, left:]) - error(apply(picture[top:, left:], "jpeg:50"), picture[top:, left:])
        )
    assert len(shapes) > 6
    assert np.mean(firsts) > 0
    assert apply(pink(0, 64), "double-jpeg:50").shape == (64, 64, 3)


def test_a_screenshot_is_resampled_and_compressed() -> None:
    picture = pink(2, 200)
    sides = {apply(picture, "screenshot:60", str(key)).shape[0] for key in range(20)}
    assert min(sides) >= 120
    assert max(sides) <= 250
    assert len(sides) > 10
    shown = apply(picture, "screenshot:50")
    assert step(shown) < 0.1
    again = np.array(Image.fromarray(shown).resize((200, 200), Image.Resampling.BICUBIC))
    assert error(again, picture) < 12


def test_an_upload_is_reduced_to_one_of_two_long_sides_and_compressed() -> None:
    large = np.array(Image.fromarray(pink(3, 256)).resize((2400, 1200)))
    sizes = {apply(large, "social:1", str(key)).shape for key in range(8)}
    assert sizes == {(540, 1080, 3), (1024, 2048, 3)}
    small = pink(4, 128)
    once, twice = apply(small, "social:1"), apply(small, "social:2")
    assert once.shape == twice.shape == small.shape
    qualities = {error(apply(small, "social:1", str(key)), small) for key in range(12)}
    bounds = [error(apply(small, f"jpeg:{quality}"), small) for quality in (85, 70)]
    assert bounds[0] <= min(qualities) < max(qualities) <= bounds[1]
    assert not np.array_equal(once, twice)
