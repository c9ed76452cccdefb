"""One picture in every container, sample layout and byte order: read as it is meant, or refused; nothing in between."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import pictures
from cinemae import Detector
from cinemae.images import UnsupportedFormatError, load_image
from layouts import Layout, layouts

ALL = layouts()


def test_the_table_is_not_empty_where_it_matters() -> None:
    """What is written here is read or refused for a reason; these counts fall if a kind is lost."""
    outcomes = Counter[str]()
    for layout in ALL:
        try:
            load_image(layout.data)
        except UnsupportedFormatError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
    assert len({layout.name for layout in ALL}) == len(ALL) >= 800
    assert outcomes["read"] >= 280


@pytest.mark.parametrize("layout", ALL, ids=[layout.name for layout in ALL])
def test_a_layout_is_read_as_it_is_meant_or_refused(layout: Layout) -> None:
    try:
        loaded = load_image(layout.data, name="picture")
    except UnsupportedFormatError as error:
        assert error.name == "picture"  # noqa: PT017 (a refusal is one of two right answers)
        assert "not supported" in error.reason or "no defined white" in error.reason  # noqa: PT017
        return
    assert loaded.pixels.shape == layout.means.shape
    off = np.abs(loaded.pixels.astype(int) - layout.means)
    assert off.mean() <= layout.near  # 0 unless the format is lossy


ORDINARY = (
    "packed black is zero, 8 bits <", "packed white is zero, 1 bits >", "packed RGB 8 bits >", "packed RGB 16 bits <",
    "packed black is zero, 12 bits <", "packed white is zero, 16 bits <", "packed palette 4 bits <",
    "packed planes 8 bits >", "packed RGBA 16 bits <", "packed LA 8 bits <", "packed LA 8 bits >",
    "Pillow CMYK None", "Pillow F None", "PNG grey 2 bits with a key", "PNG grey 16 bits with a key",
    "PNG RGB 16 bits with a key", "PNG palette 1 bits with alpha", "PNG LA 16 bits", "WebP RGBA", "GIF P", "BMP P",
    "JPEG CMYK ", "JPEG L progressive",
)  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_what_other_programs_write_is_read(name: str) -> None:
    (layout,) = [one for one in ALL if one.name == name]
    load_image(layout.data)


def test_it_scores_as_the_plain_file() -> None:
    detector = Detector.load()
    for name in ORDINARY[::4]:
        (layout,) = [one for one in ALL if one.name == name]
        plain = detector.detect_one(pictures.encode(layout.means, "PNG"))
        assert abs(detector.detect_one(layout.data).probability - plain.probability) < 1e-3, name
