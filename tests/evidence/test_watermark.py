"""The watermark's decoder against the library that writes it."""

from __future__ import annotations

import numpy as np
import pytest
from imwatermark import WatermarkDecoder, WatermarkEncoder
from PIL import Image
from skimage import data

from cinemae.evidence import read_evidence
from cinemae.evidence.watermark import MOST_BLOCKS, decode, matches, messages, watermark_finding
from pictures import encode


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(Image.fromarray(data.astronaut()).resize((520, 512)))


def marked(picture: np.ndarray, bits: np.ndarray) -> np.ndarray:
    encoder = WatermarkEncoder()
    encoder.set_by_bits([int(bit) for bit in bits])
    return np.ascontiguousarray(encoder.encode(np.ascontiguousarray(picture[..., ::-1]), "dwtDct")[..., ::-1])


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.generator)
def test_each_message_is_found_where_the_library_wrote_it(picture, message):
    finding = watermark_finding(marked(picture, message.bits))
    assert finding is not None
    assert (finding.generator, finding.says, finding.strength) == (message.generator, "ai", "stated")
    assert message.chance < 1e-7


@pytest.mark.parametrize("length", [32, 48, 64, 136])
@pytest.mark.parametrize("crop", [(512, 520), (509, 515), (256, 300)])
def test_every_bit_is_the_librarys(picture, length, crop):
    """Also where there is no watermark, and the vote is close."""
    for pixels in (picture, marked(picture, messages()[0].bits)):
        part = np.ascontiguousarray(pixels[: crop[0], : crop[1]])
        oracle = WatermarkDecoder("bits", length).decode(np.ascontiguousarray(part[..., ::-1]), "dwtDct")
        np.testing.assert_array_equal(decode(part, length), np.asarray(oracle, np.uint8))


def test_photographs_have_none():
    for photo in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.retina()):
        assert watermark_finding(photo) is None
        assert all(matches(photo)[message.generator] < message.least - 5 for message in messages())


def test_a_small_picture_is_not_asked(picture):
    assert watermark_finding(marked(picture, messages()[0].bits)[:128, :128]) is None


def test_a_large_picture_costs_no_more():
    large = np.tile(data.astronaut(), (4, 4, 1))
    upper = large[: 8 * -(-MOST_BLOCKS // (large.shape[1] // 8))]
    assert len(upper) < len(large)
    assert matches(large) == matches(upper)


def test_it_is_read_where_there_are_pixels_only(picture):
    pixels = marked(picture, messages()[0].bits)
    file = encode(pixels, "PNG")
    assert read_evidence(file).findings == ()
    (finding,) = read_evidence(file, pixels=pixels).findings
    assert finding.source == "watermark"
