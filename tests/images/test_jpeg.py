"""Damaged JPEGs: refused or noted; and a sound one is decoded as libjpeg alone would."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from PIL import Image

import pictures
from cinemae.images import (
    CorruptImageError,
    ImageError,
    TruncatedImageError,
    UnsupportedFormatError,
    load_image,
)
from cinemae.images.jpeg import LEFT_OVER, NO_DETAIL, NO_END

KINDS: dict[str, dict[str, object]] = {
    "sequential": {},
    "optimised": {"optimize": True, "quality": 40},
    "progressive": {"progressive": True},
    "restart rows": {"restart_marker_rows": 1},
    "restart blocks": {"restart_marker_blocks": 5},
    "full chroma": {"subsampling": 0, "quality": 95},
}
MODES = ("L", "RGB", "CMYK")


def made(kind: str, mode: str = "RGB") -> bytes:
    image = Image.fromarray(pictures.photo(200, 280)).convert(mode)
    return pictures.encode(image, "JPEG", **KINDS[kind])


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def scan_start(data: bytes) -> int:
    """Where the first scan's coded data begin."""
    at = data.index(b"\xff\xda") + 2
    return at + int.from_bytes(data[at : at + 2], "big")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_is_decoded_as_ever_and_without_a_note(kind: str, mode: str) -> None:
    data = made(kind, mode)
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.pixels, by_pillow(data))
    assert loaded.facts.notes == (("CMYK converted to RGB",) if mode == "CMYK" else ())


@given(
    width=st.integers(33, 400),
    height=st.integers(33, 400),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    options=st.sampled_from([{}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 1}]),
    seed=st.integers(0, 99),
    flat=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_no_sound_file_is_taken_for_a_damaged_one(
    width: int, height: int, quality: int, subsampling: str, options: dict[str, object], seed: int, flat: bool
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (1, 1, 3) if flat else (height, width, 3), np.uint8)
    pixels = np.broadcast_to(pixels, (height, width, 3))
    try:
        data = pictures.encode(
            np.ascontiguousarray(pixels), "JPEG", quality=quality, subsampling=subsampling, **options
        )
    except OSError:  # Pillow's buffer is too small for noise with so many markers
        reject()
    loaded = load_image(data)
    assert loaded.facts.notes == ()
    np.testing.assert_array_equal(loaded.pixels, by_pillow(data))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_lacks_its_end_marker_only_is_scored_with_a_note(kind: str, mode: str) -> None:
    data = made(kind, mode)
    for cut in (data[:-2], data[:-1], data[:-2] + b"\xff\xff"):
        loaded = load_image(cut)
        np.testing.assert_array_equal(loaded.pixels, load_image(data).pixels)
        assert NO_END in loaded.facts.notes


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_lacks_more_is_refused_closed_or_not(kind: str, mode: str) -> None:
    data = made(kind, mode)
    whole = load_image(data).pixels
    for cut in (3, 4, 5, 6, 8, 11, 20, 50, 300, len(data) // 3, len(data) // 2):
        try:
            pixels = load_image(data[:-cut]).pixels
        except TruncatedImageError:
            continue
        np.testing.assert_array_equal(pixels, whole)  # the last byte may have held fill only
    for cut in (100, 300, len(data) // 3, len(data) // 2):
        try:
            notes = load_image(data[:-cut].rstrip(b"\xff") + b"\xff\xd9").facts.notes
        except (CorruptImageError, TruncatedImageError):
            continue
        assert NO_DETAIL in notes  # a progressive file that was cut between two scans is whole, but coarse
        assert kind == "progressive"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_long_damage_inside_shows(kind: str, mode: str) -> None:
    """Random bytes over 400 of the data: of every 12, the number of blocks comes out right by chance in 2 at most."""
    data, unseen = made(kind, mode), 0
    rng = random.Random(5)
    for _ in range(12):
        place = rng.randrange(scan_start(data), len(data) - 420)
        damaged = data[:place] + rng.randbytes(400) + data[place + 400 :]
        try:
            notes = load_image(damaged, name="damaged").facts.notes
        except ImageError as error:
            assert error.name == "damaged"  # noqa: PT017 (a refusal is one of two right answers)
            continue
        unseen += not {LEFT_OVER, NO_DETAIL}.intersection(notes)
    assert unseen <= 2


@pytest.mark.parametrize(("at", "length"), [(0.2, 200), (0.5, 400), (0.8, 150)])
@pytest.mark.parametrize("filler", [b"\0", b"\xaa", b"\x55\x0f"])
def test_data_that_are_overwritten_or_taken_out_show(at: float, length: int, filler: bytes) -> None:
    data = made("sequential")
    place = scan_start(data) + int(at * (len(data) - scan_start(data)))
    for damaged in (
        data[:place] + (filler * length)[:length] + data[place + length :],
        data[:place] + data[place + length :],
    ):
        try:
            assert LEFT_OVER in load_image(damaged).facts.notes
        except ImageError as error:
            assert "damaged" in error.reason  # noqa: PT017


def test_a_marker_in_the_middle_is_refused() -> None:
    data = made("sequential")
    place = (scan_start(data) + len(data)) // 2
    for marker in (b"\xff\xd0", b"\xff\xd9", b"\xff\x3a\0\4\0\0", b"\xff\xc4\0\2"):
        with pytest.raises((CorruptImageError, TruncatedImageError)):
            load_image(data[:place] + marker + data[place + len(marker) :])


@pytest.mark.parametrize("kind", ["restart rows", "restart blocks"])
def test_restart_markers_that_are_missing_or_out_of_order_are_refused(kind: str) -> None:
    data = made(kind)
    places = [at for at in range(scan_start(data), len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7]
    assert len(places) >= 5
    without = data[: places[2]] + data[places[2] + 2 :]
    swapped = data[: places[2]] + b"\xff\xd7" + data[places[2] + 2 :]
    none = data
    for place in reversed(places):
        none = none[:place] + none[place + 2 :]
    for damaged in (without, swapped, none):
        with pytest.raises(CorruptImageError, match="restart markers"):
            load_image(damaged)


def test_a_scan_without_a_last_run_is_refused() -> None:
    data = made("restart rows")
    last = max(at for at in range(len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7)
    with pytest.raises(CorruptImageError):
        load_image(data[:last] + b"\xff\xd9")


def test_padding_of_a_camera_is_noted_and_scored() -> None:
    data = made("sequential")
    padded = load_image(data[:-2] + bytes(40) + data[-2:])
    np.testing.assert_array_equal(padded.pixels, load_image(data).pixels)
    assert padded.facts.notes == (LEFT_OVER,)


def test_a_reduced_decode_finds_the_same() -> None:
    data = made("sequential")
    assert NO_END in load_image(data[:-2], reduce_to=40).facts.notes
    assert load_image(data[:-2], reduce_to=40).pixels.shape == (100, 140, 3)
    with pytest.raises(ImageError):
        load_image(data[: len(data) // 2] + b"\xff\xd9", reduce_to=40)


def test_four_inks_need_adobes_marker() -> None:
    """Pillow takes all for negatives, others none: without the marker nobody knows."""
    data = made("sequential", "CMYK")
    at = data.index(b"\xff\xee")
    size = int.from_bytes(data[at + 2 : at + 4], "big")
    with pytest.raises(UnsupportedFormatError, match="Adobe"):
        load_image(data[:at] + data[at + 2 + size :])
    assert np.abs(load_image(data).pixels.astype(int) - pictures.photo(200, 280)).mean() < 6
