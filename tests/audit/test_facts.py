"""File facts, read back from files whose making is known."""

import math

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from cinemae.audit.facts import FILE_FACTS, read_facts
from cinemae.images import ImageError, TruncatedImageError
from pictures import chunk, encode, oriented_exif, photo, png, png_bomb, srgb_profile, tiff

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
PRESENCE = ("exif", "icc", "xmp", "text")


def facts(data: bytes) -> dict:
    return read_facts(data, "given")


def present(data: bytes) -> set[str]:
    values = facts(data)
    return {name for name in PRESENCE if values[name]}


def test_every_fact_has_a_value_of_its_kind_in_every_format():
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        values = facts(encode(photo(48, 64), kind))
        assert list(values) == sorted(values, key=[fact.name for fact in FILE_FACTS].index)
        assert len(values) == len(FILE_FACTS)
        assert all(isinstance(values[fact.name], str) == fact.words for fact in FILE_FACTS)
        assert values["format"] == kind
        assert (values["width"], values["height"], values["aspect"]) == (64, 48, 64 / 48)
        assert values["side_multiple"] == 16
        assert values["megapixels"] == pytest.approx(0.003072)


def test_bytes_per_pixel_is_the_file_s_size():
    data = encode(photo(48, 64), "PNG")
    assert facts(data)["bytes_per_pixel"] == len(data) / (48 * 64)


@pytest.mark.parametrize(
    ("width", "height", "multiple"), [(512, 1024, 256), (640, 480, 32), (500, 375, 1), (64, 96, 32)]
)
def test_sides_that_a_generator_would_choose_are_told_from_others(width, height, multiple):
    assert facts(encode(np.zeros((height, width, 3), np.uint8), "PNG"))["side_multiple"] == multiple


def test_jpeg_facts_are_of_jpegs_only():
    values = facts(encode(photo(48, 64), "JPEG", quality=83, subsampling=0, progressive=True))
    assert (values["jpeg_quality"], values["jpeg_standard"], values["chroma"]) == (83, 1, "4:4:4")
    assert values["progressive"] == 1
    values = facts(encode(photo(48, 64), "PNG"))
    assert values["chroma"] == "none"
    assert all(math.isnan(values[name]) for name in ("jpeg_quality", "jpeg_standard", "progressive"))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_metadata_is_seen_and_nothing_else(kind):
    pixels = photo(48, 64)
    assert present(encode(pixels, kind)) == set()
    assert present(encode(pixels, kind, icc_profile=srgb_profile())) == {"icc"}
    if kind == "TIFF":
        return
    assert present(encode(pixels, kind, exif=oriented_exif(1))) == {"exif"}
    if kind != "PNG":
        assert present(encode(pixels, kind, xmp=XMP)) == {"xmp"}


def test_text_and_xmp_chunks_of_a_png_are_told_apart():
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat, steps: 20")
    assert present(encode(photo(48, 64), "PNG", pnginfo=info)) == {"text"}
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    assert present(encode(photo(48, 64), "PNG", pnginfo=info)) == {"xmp"}


def test_chunks_behind_the_pixels_of_a_png_count():
    plain = encode(photo(48, 64), "PNG")
    late = plain[:-12] + chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0") + plain[-12:]
    assert present(late) == {"exif"}


def test_a_jpeg_s_comment_is_text():
    assert present(encode(photo(48, 64), "JPEG", comment=b"made by hand")) == {"text"}


def test_depth_channels_and_alpha():
    deep = photo(48, 64).astype(np.uint16) * 257
    assert facts(png(deep))["bit_depth"] == 16
    assert facts(tiff(deep))["bit_depth"] == 16
    assert facts(encode(Image.fromarray(photo(48, 64)).convert("1"), "PNG"))["bit_depth"] == 1
    assert facts(encode(photo(48, 64), "JPEG"))["bit_depth"] == 8
    grey = facts(encode(photo(48, 64)[..., 0], "PNG"))
    assert (grey["channels"], grey["alpha"]) == (1, 0)
    clear = facts(encode(Image.fromarray(photo(48, 64)).convert("RGBA"), "PNG"))
    assert (clear["channels"], clear["alpha"]) == (4, 1)
    palette = encode(Image.fromarray(photo(48, 64)).convert("P"), "PNG", transparency=0)
    assert facts(palette)["alpha"] == 1


def test_nothing_is_decoded():
    """A header of 3.6 billion pixels without any: facts are read, where a decoder would give up."""
    assert facts(png_bomb())["megapixels"] == 3600


def test_what_is_no_image_is_refused_by_name():
    with pytest.raises(ImageError, match="given: "):
        facts(b"no image at all")
    with pytest.raises(TruncatedImageError):
        facts(encode(photo(48, 64), "WEBP")[:40])
