"""Perceptual hashes, and near pairs among many of them."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from cinemae.datasets.check.alike import BITS, components, near_pairs, perceptual_hash
from pictures import photo
from toys import pink


def bits(left: int | None, right: int | None) -> int:
    assert left is not None
    assert right is not None
    return (left ^ right).bit_count()


def changed(pixels: np.ndarray, change: str) -> np.ndarray:
    image = Image.fromarray(pixels)
    if change == "jpeg":
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=50)
        image = Image.open(stream)
    elif change == "smaller":
        image = image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.BICUBIC)
    elif change == "grey":
        image = image.convert("L").convert("RGB")
    elif change == "brighter":
        image = image.point(lambda value: min(255, value + 15))
    return np.asarray(image)


def test_the_hash_is_that_of_the_cosine_transform() -> None:
    pixels = photo(120, 160)
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.BOX), dtype=float)
    low = dctn(grey, type=2)[1:9, 1:9].ravel()
    expected = "".join("1" if value > np.median(low) else "0" for value in low)
    assert f"{perceptual_hash(pixels):064b}" == expected


@pytest.mark.parametrize("change", ["jpeg", "smaller", "grey", "brighter"])
def test_the_same_picture_stays_near(change: str) -> None:
    for pixels in (photo(120, 160), *(pink(seed, 128) for seed in range(4))):
        assert bits(perceptual_hash(pixels), perceptual_hash(changed(pixels, change))) <= 4


def test_other_pictures_are_far() -> None:
    hashes = [perceptual_hash(pink(seed, 64)) for seed in range(40)]
    distances = [bits(left, right) for place, left in enumerate(hashes) for right in hashes[:place]]
    assert min(distances) > 10
    assert abs(np.mean(distances) - BITS / 2) < 2


def test_a_picture_of_one_colour_has_no_hash() -> None:
    assert perceptual_hash(np.full((50, 70, 3), 200, dtype=np.uint8)) is None


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=30, unique=True),
    st.lists(st.tuples(st.integers(0, 29), st.lists(st.integers(0, 63), max_size=6)), max_size=30),
    st.integers(0, 8),
)
def test_near_pairs_are_those_of_comparing_all(
    start: list[int], flips: list[tuple[int, list[int]]], distance: int
) -> None:
    hashes = set(start)
    for which, where in flips:  # neighbours, which random numbers never are
        if which < len(start):
            hashes.add(start[which] ^ sum(1 << bit for bit in set(where)))
    values = sorted(hashes)
    expected = [
        [left, right]
        for left in range(len(values))
        for right in range(left + 1, len(values))
        if (values[left] ^ values[right]).bit_count() <= distance
    ]
    assert near_pairs(np.array(values, dtype=np.uint64), distance).tolist() == expected


def test_a_hundred_thousand_hashes_take_seconds() -> None:
    rng = np.random.default_rng(0)
    hashes = np.unique(rng.integers(0, 2**64, 100_000, dtype=np.uint64))
    twins = hashes[:50] ^ np.uint64(0b1011 << 40)
    start = time.process_time()
    pairs = near_pairs(np.concatenate([hashes, twins]), 4)
    assert time.process_time() - start < 10  # all pairs would be 5 billion comparisons
    assert {(k, len(hashes) + k) for k in range(50)} <= set(map(tuple, pairs.tolist()))


@pytest.mark.parametrize("distance", [-1, 16])
def test_a_distance_out_of_range_is_refused(distance: int) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 15 bits, got {distance}"):
        near_pairs(np.zeros(0, dtype=np.uint64), distance)


def test_what_hangs_together() -> None:
    pairs = np.array([[0, 3], [3, 5], [1, 2]], dtype=np.intp)
    assert components(7, pairs) == [[0, 3, 5], [1, 2]]
    assert components(3, np.empty((0, 2), dtype=np.intp)) == []
