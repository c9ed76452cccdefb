"""Quality, subsampling and order, against what Pillow was told to write."""

import io

import numpy as np
import pytest
from PIL import Image

from cinemae.audit.jpeg import CHROMA, LUMA, Quality, estimate_quality, file_quality, progressive, scaled_table
from cinemae.audit.jpeg import subsampling as stated_subsampling
from pictures import cmyk, encode, photo


def written(image=None, **options) -> Image.Image:
    return Image.open(io.BytesIO(encode(photo(48, 64) if image is None else image, "JPEG", **options)))


@pytest.mark.parametrize("quality", range(1, 101))
def test_every_quality_is_found_exactly(quality):
    assert file_quality(written(quality=quality)) == Quality(quality, True)


@pytest.mark.parametrize("quality", [1, 30, 75, 100])
def test_a_grey_file_has_one_table_and_the_same_quality(quality):
    file = written(Image.fromarray(photo(48, 64)).convert("L"), quality=quality)
    assert file_quality(file) == Quality(quality, True)
    assert stated_subsampling(file) == "grey"


def test_tables_of_ones_own_get_the_nearest_quality_and_are_not_standard():
    tables = [(scaled_table(base, 80) + np.arange(64) % 2).tolist() for base in (LUMA, CHROMA)]
    file = written(qtables=tables)
    quality, exact = file_quality(file)
    assert not exact
    assert 77 <= quality <= 82
    assert file_quality(written(qtables="web_high")).exact is False


def test_tables_that_are_none_name_no_quality():
    assert estimate_quality([]) is None
    assert estimate_quality([[1] * 63]) is None
    assert estimate_quality([[0] * 64]) is None


@pytest.mark.parametrize(("option", "expected"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_subsampling_is_read(option, expected):
    assert stated_subsampling(written(subsampling=option)) == expected


def test_four_inks_are_said_to_be_cmyk():
    assert stated_subsampling(written(cmyk(photo(48, 64)))) == "cmyk"


def test_the_order_of_the_scans_is_read():
    assert progressive(written(progressive=True))
    assert not progressive(written())
