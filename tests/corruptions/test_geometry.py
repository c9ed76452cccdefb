"""Scaling, crop and rotation: sizes, places and what the pixels show."""

from __future__ import annotations

import numpy as np
import pytest

from cinemae.corruptions import Corruption
from cinemae.corruptions.geometry import inscribed


def apply(pixels: np.ndarray, text: str, key: str = "k") -> np.ndarray:
    name, severity = text.split(":")
    return Corruption(name=name, severity=float(severity)).apply(pixels, 0, key)


def waves(height: int = 200, width: int = 300) -> np.ndarray:
    """A smooth picture with a value everywhere that says where it is."""
    y, x = np.mgrid[:height, :width]
    channels = 128 + 100 * np.sin(x / 25), 128 + 100 * np.cos(y / 25), 40 + 100 * x / width + 90 * y / height
    return np.stack(channels, axis=-1).round().astype(np.uint8)


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5, 2])
def test_scaling_changes_the_size_and_little_else(factor: float) -> None:
    scaled = apply(waves(), f"scale:{factor}")
    assert scaled.shape == (round(200 * factor), round(300 * factor), 3)
    rows = ((np.arange(scaled.shape[0]) + 0.5) / factor).astype(int)
    columns = ((np.arange(scaled.shape[1]) + 0.5) / factor).astype(int)
    difference = np.abs(scaled.astype(int) - waves()[rows][:, columns])
    assert np.median(difference) <= 4
    assert difference.max() <= 12


def test_small_images_are_not_reduced_to_nothing() -> None:
    assert apply(waves(100, 150), "scale:0.1").shape == (64, 96, 3)
    assert apply(waves(40, 60), "scale:0.5").shape == (40, 60, 3)
    assert apply(waves(40, 60), "crop:0.1").shape == (40, 40, 3)


def test_rescaling_takes_the_detail_and_keeps_the_size() -> None:
    checks = np.tile(np.kron([[0, 1], [1, 0]], np.ones((1, 1)))[..., None] * 255, (100, 100, 3)).astype(np.uint8)
    assert apply(waves(), "rescale:0.5").shape == waves().shape
    assert np.abs(apply(waves(), "rescale:0.5").astype(int) - waves()).mean() < 2
    assert apply(checks, "rescale:0.5").std() < 0.1 * checks.std()
    assert np.array_equal(apply(waves(), "rescale:1"), waves())


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9, 1])
def test_a_crop_is_a_part_of_the_picture_at_a_drawn_place(share: float) -> None:
    picture = np.arange(100 * 150 * 3, dtype=np.uint32).reshape(100, 150, 3)
    places = set()
    for key in map(str, range(30)):
        cut = apply(picture, f"crop:{share}", key)
        assert cut.shape == (max(round(100 * share), 64), max(round(150 * share), 64), 3)
        top, left = divmod(int(cut[0, 0, 0]) // 3, 150)
        assert np.array_equal(cut, picture[top : top + cut.shape[0], left : left + cut.shape[1]])
        places.add((top, left))
    assert len(places) > 15 or share == 1


@pytest.mark.parametrize("degrees", [1, 3, 5])
def test_a_rotation_shows_the_picture_turned_and_no_void(degrees: float) -> None:
    seen = set()
    for key in map(str, range(8)):
        turned = apply(waves(), f"rotate:{degrees}", key).astype(int)
        height, width = turned.shape[:2]
        assert (width, height) == inscribed(300, 200, degrees)
        assert turned[..., 2].min() >= 35  # the void would be 0
        y, x = np.mgrid[:height, :width] + 0.5
        away = x - width / 2, y - height / 2
        errors = []
        for sign in (-1, 1):
            angle = sign * np.deg2rad(degrees)
            across = 150 + np.cos(angle) * away[0] - np.sin(angle) * away[1] - 0.5
            errors.append(np.abs(turned[..., 0] - (128 + 100 * np.sin(across / 25))).max())
        assert min(errors) < 5 < max(errors)
        seen.add(int(np.argmin(errors)))
    assert seen == {0, 1}


def test_the_inscribed_rectangle_fits_and_is_the_largest() -> None:
    for width, height, degrees in ((300, 200, 5), (64, 512, 3), (200, 200, 45)):
        w, h = inscribed(width, height, degrees)
        angle = np.deg2rad(degrees)

        def inside(w: float, h: float, angle: float = angle, size: tuple[int, int] = (width, height)) -> bool:
            reach = w * np.cos(angle) + h * np.sin(angle), w * np.sin(angle) + h * np.cos(angle)
            return reach[0] <= size[0] and reach[1] <= size[1]

        assert inside(w, h)
        assert not inside(w + 5, h + 5)
    assert inscribed(30, 20, 0) == (30, 20)
