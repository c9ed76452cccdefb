"""Colour spaces that are stated without a profile, against the matrices of their standards."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, features

import pictures
from cinemae.images import UnsupportedFormatError, load_image
from cinemae.images.colour import SRGB_PRIMARIES, from_chromaticities, from_cicp
from layouts import png_file

COLOURS = np.array([[200, 100, 50], [40, 180, 90], [10, 10, 10], [250, 250, 250], [90, 90, 200], [128, 128, 128]])
# Linear light of Display P3 and BT.2020 in that of sRGB (IEC 61966-2-1, SMPTE EG 432-1, ITU-R BT.2087).
P3 = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
BT2020 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])


def light(samples: np.ndarray) -> np.ndarray:
    values = samples / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb(linear: np.ndarray) -> np.ndarray:
    clipped = np.clip(linear, 0, 1)
    return 255 * np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)


def patches(colours: np.ndarray) -> np.ndarray:
    """Even areas of 40x40 pixels beside each other."""
    return np.repeat(np.repeat(colours[None].astype(np.uint8), 40, axis=0), 40, axis=1)


def middles(pixels: np.ndarray) -> np.ndarray:
    return pixels[20, 20::40].astype(float)


def png(*chunks: bytes, colours: np.ndarray = COLOURS) -> bytes:
    return pictures.png(patches(colours), *chunks)


def cicp(primaries: int, transfer: int, matrix: int = 0, full: int = 1) -> bytes:
    return pictures.chunk(b"cICP", bytes((primaries, transfer, matrix, full)))


def recoloured(data: bytes, primaries: int, transfer: int) -> bytes:
    place = data.index(b"colrnclx") + 8
    return data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :]


@pytest.mark.parametrize(("primaries", "matrix", "name"), [(12, P3, "Display P3"), (9, BT2020, "BT.2020")])
def test_wide_primaries_of_a_png_are_converted(primaries: int, matrix: np.ndarray, name: str) -> None:
    loaded = load_image(png(cicp(primaries, 13)))
    expected = srgb(light(COLOURS) @ matrix.T)
    assert np.abs(middles(loaded.pixels) - expected).max() <= 2
    assert loaded.facts.notes == (f"colours of {name} converted to sRGB",)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_wide_primaries_of_an_avif_or_heic_are_converted(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    data = pictures.encode(patches(COLOURS), kind, quality=95)
    plain = middles(load_image(data).pixels)
    assert load_image(data).facts.notes == ()
    loaded = load_image(recoloured(data, 12, 13))
    assert np.abs(middles(loaded.pixels) - srgb(light(plain) @ P3.T)).max() <= 2
    assert loaded.facts.notes == ("colours of Display P3 converted to sRGB",)
    for transfer, said in ((16, "PQ"), (18, "HLG")):
        with pytest.raises(UnsupportedFormatError, match=rf"HDR \({said}\)"):
            load_image(recoloured(data, 9, transfer))


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_with_what_to_do(transfer: int) -> None:
    with pytest.raises(UnsupportedFormatError, match="no agreed rendering; save it as SDR"):
        load_image(png(cicp(9, transfer)))


@pytest.mark.parametrize("chunk", [cicp(1, 13), cicp(2, 2), cicp(1, 1), cicp(1, 6)])
def test_code_points_of_srgb_change_nothing(chunk: bytes) -> None:
    loaded = load_image(png(chunk))
    np.testing.assert_array_equal(loaded.pixels, patches(COLOURS))
    assert loaded.facts.notes == ()


def test_unknown_code_points_are_noted() -> None:
    loaded = load_image(png(cicp(200, 13)))
    np.testing.assert_array_equal(loaded.pixels, patches(COLOURS))
    assert loaded.facts.notes == ("colour space 200/13 (CICP) can't be honoured, taken as sRGB",)


@pytest.mark.parametrize("chunk", [cicp(1, 13, 0, 0), cicp(1, 13, 6, 1)])
def test_a_png_of_narrow_range_is_refused(chunk: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match="narrow range"):
        load_image(png(chunk))


@pytest.mark.parametrize("gamma", [1.0, 1.8, 3.0])
def test_gamma_of_a_png_is_honoured(gamma: float) -> None:
    loaded = load_image(png(pictures.chunk(b"gAMA", struct.pack(">I", round(100_000 / gamma)))))
    assert np.abs(middles(loaded.pixels) - srgb((COLOURS / 255) ** gamma)).max() <= 2
    assert "converted to sRGB" in loaded.facts.notes[0]


def test_usual_gamma_and_chromaticities_change_nothing() -> None:
    gamma = pictures.chunk(b"gAMA", struct.pack(">I", 45_455))
    chromaticities = pictures.chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in SRGB_PRIMARIES)))
    for chunks in ((gamma,), (chromaticities,), (gamma, chromaticities)):
        loaded = load_image(png(*chunks))
        np.testing.assert_array_equal(loaded.pixels, patches(COLOURS))
        assert loaded.facts.notes == ()


def test_srgb_overrules_gamma_and_code_points_overrule_a_profile() -> None:
    linear = pictures.chunk(b"gAMA", struct.pack(">I", 100_000))
    assert load_image(png(linear, pictures.chunk(b"sRGB", b"\0"))).facts.notes == ()
    swapped = pictures.encode(patches(COLOURS), "PNG", icc_profile=pictures.swapped_profile())
    np.testing.assert_array_equal(load_image(swapped[:33] + cicp(1, 13) + swapped[33:]).pixels, patches(COLOURS))


def test_chromaticities_that_span_no_space_are_noted() -> None:
    loaded = load_image(png(pictures.chunk(b"cHRM", struct.pack(">8I", *[30_000] * 8))))
    np.testing.assert_array_equal(loaded.pixels, patches(COLOURS))
    assert loaded.facts.notes[0].startswith("colours taken as sRGB")


def test_grey_with_gamma() -> None:
    grey = pictures.png(patches(COLOURS)[..., 0].copy(), pictures.chunk(b"gAMA", struct.pack(">I", 100_000)))
    expected = srgb(COLOURS[:, :1] / 255)
    assert np.abs(middles(load_image(grey).pixels) - expected).max() <= 2


def test_adobe_rgb_that_only_exif_states_is_honoured() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    data = pictures.encode(patches(COLOURS), "JPEG", quality=100, subsampling=0, exif=exif.tobytes())
    plain = middles(load_image(pictures.encode(patches(COLOURS), "JPEG", quality=100, subsampling=0)).pixels)
    # Linear light of Adobe RGB (1998) in that of sRGB.
    matrix = np.array([[1.3984, -0.3984, 0.0], [0.0, 1.0, 0.0], [0.0, -0.0429, 1.0429]])
    loaded = load_image(data)
    assert np.abs(middles(loaded.pixels) - srgb((plain / 255) ** (563 / 256) @ matrix.T)).max() <= 2
    assert loaded.facts.notes == ("colours of Adobe RGB converted to sRGB",)


def test_the_profile_of_srgb_is_srgb() -> None:
    """What is written for other spaces is checked with the numbers of the one that Pillow knows."""
    space = from_chromaticities((*SRGB_PRIMARIES[:2], 0.644, 0.330, *SRGB_PRIMARIES[4:]), None)
    assert space is not None
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(space.profile)), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    moved = ImageCms.applyTransform(Image.fromarray(pictures.photo()), transform)
    assert moved is not None
    assert np.abs(np.asarray(moved).astype(int) - pictures.photo()).max() <= 3
    assert from_cicp(1, 13, []) is None


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of greys with this gamma (ICC.1:2010)."""
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"gray\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": b"XYZ \0\0\0\0" + white,
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0),
    }
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for kind, content in tags.items():
        content += bytes(-len(content) % 4)
        table += kind + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">II", 0, 0) + struct.pack(">I", 0x02400000) + b"mntrGRAYXYZ "
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white + bytes(48)
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("kind", ["L", "LA", "L with a key", "1", "LA;16", "I;16"])
def test_a_profile_of_greys_applies_with_and_without_alpha(kind: str) -> None:
    """Grey with alpha lost its profile: only colours were left to apply it to."""
    shades = np.repeat(np.arange(0, 240, 40, dtype=np.uint8)[None], 40, axis=0).repeat(40, axis=1)
    if kind == "1":
        shades = (shades > 100).astype(np.uint8) * 255
    image = Image.fromarray(shades)
    opaque = Image.new("L", image.size, 255)
    options = {"icc_profile": grey_profile(1.0)}
    if kind == "LA;16":
        deep = np.dstack([shades.astype(np.uint16) * 257, np.full(shades.shape, 65535, np.uint16)])
        packed = pictures.encode(image, "PNG", **options)
        at = packed.index(b"iCCP") - 4
        chunk = packed[at : at + 12 + int.from_bytes(packed[at : at + 4], "big")]
        data = png_file(16, 4, deep, chunk)
    elif kind == "LA":
        data = pictures.encode(Image.merge("LA", (image, opaque)), "PNG", **options)
    elif kind == "L with a key":
        data = pictures.encode(image, "PNG", transparency=7, **options)
    elif kind == "I;16":
        data = pictures.encode(Image.fromarray(shades.astype(np.uint16) * 257), "PNG", **options)
    else:
        data = pictures.encode(image.convert(kind), "PNG", **options)
    loaded = load_image(data)
    expected = srgb(shades / 255)
    assert np.abs(loaded.pixels - expected[..., None]).max() <= 2
    assert any("'gray' converted to sRGB" in note for note in loaded.facts.notes)
