"""Text that is too large must not cost the picture."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from cinemae.images import load_image
from cinemae.images.png_text import MOST_UNPACKED, without_large_text
from pictures import chunk, encode, photo

LARGE = zlib.compress(b"\0" * (MOST_UNPACKED + 1), 9)
SMALL = zlib.compress(b"a" * (MOST_UNPACKED - 1), 9)


def with_chunks(*chunks: bytes, after: bool = False) -> bytes:
    plain = encode(photo(), "PNG")
    place = len(plain) - 12 if after else 33
    return plain[:place] + b"".join(chunks) + plain[place:]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "large",
    [
        chunk(b"zTXt", b"key\0\0" + LARGE),
        chunk(b"iTXt", b"key\0\1\0de\0Wort\0" + LARGE),
        chunk(b"tEXt", b"key\0" + b"a" * (MOST_UNPACKED + 1)),
    ],
)
def test_a_large_text_is_left_out_and_the_pixels_come_back(large, after):
    kept = chunk(b"zTXt", b"kept\0\0" + SMALL)
    data = with_chunks(kept, large, after=after)
    assert without_large_text(data) == with_chunks(kept, after=after)
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.pixels, photo())
    assert loaded.facts.file_bytes == len(data)


def test_many_texts_together_are_bounded():
    data = with_chunks(*[chunk(b"zTXt", b"k\0\0" + SMALL)] * 100)
    assert without_large_text(data).count(b"zTXt") == 32
    np.testing.assert_array_equal(load_image(data).pixels, photo())


def test_other_files_stay_as_they_are():
    for data in (b"", b"zTXt", encode(photo(), "JPEG"), encode(photo(), "PNG"), with_chunks(chunk(b"tEXt", b"a\0b"))):
        assert without_large_text(data) is data


def test_broken_text_is_left_to_the_decoder():
    for body in (b"", b"key", b"key\0\0" + b"x" * 5_000, b"key\0\1" + b"y" * 5_000):
        for kind in (b"zTXt", b"iTXt"):
            data = with_chunks(chunk(kind, body))
            assert without_large_text(data) == data
