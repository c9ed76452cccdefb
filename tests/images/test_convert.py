"""To 8-bit sRGB: each conversion against arithmetic or a colour engine's answer, never just "it runs"."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

import pictures
from cinemae.images import UnsupportedFormatError, load_image
from cinemae.images.convert import STRIP


def square(*colour: int, mode: str) -> Image.Image:
    """An even area of one colour; lossless formats and transforms must keep it even."""
    return Image.new(mode, (40, 40), colour if len(colour) > 1 else colour[0])


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The definition: colour and white, weighed by alpha, rounded."""
    weight = alpha[..., None].astype(float) / 255
    return np.floor(colours * weight + 255 * (1 - weight) + 0.5).astype(np.uint8)


def upright_and_stored(orientation: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and how a camera held that way stores it (EXIF 2.32, tag 274, written in numpy)."""
    upright = pictures.photo()
    stored = {
        1: upright,
        2: upright[:, ::-1],  # column 0 is the right side
        3: upright[::-1, ::-1],  # row 0 is the bottom, column 0 the right
        4: upright[::-1],
        5: upright.swapaxes(0, 1),  # row 0 is the left side, column 0 the top
        6: upright[:, ::-1].swapaxes(0, 1),  # row 0 is the right side, column 0 the top
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: upright[::-1].swapaxes(0, 1),  # row 0 is the left side, column 0 the bottom
    }[orientation]
    return upright, np.ascontiguousarray(stored)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(orientation, kind):
    upright, stored = upright_and_stored(orientation)
    options = {"lossless": True} if kind == "WEBP" else {}
    loaded = load_image(pictures.encode(stored, kind, exif=pictures.oriented_exif(orientation), **options))
    assert np.array_equal(loaded.pixels, upright)
    assert (loaded.facts.width, loaded.facts.height) == (160, 120)
    said = [note for note in loaded.facts.notes if note.startswith(f"EXIF orientation {orientation} applied")]
    assert len(said) == (orientation > 1)
    assert len(loaded.facts.notes) == len(said)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientation_of_a_jpeg(orientation):
    _, stored = upright_and_stored(orientation)
    data = pictures.encode(stored, "JPEG", quality=95, subsampling=0)
    turned = pictures.encode(stored, "JPEG", quality=95, subsampling=0, exif=pictures.oriented_exif(orientation))
    as_stored = load_image(data).pixels  # orientation commutes with decoding: not a level may differ
    back = {2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1]}
    back |= {5: lambda p: p.swapaxes(0, 1), 6: lambda p: p.swapaxes(0, 1)[:, ::-1]}
    back |= {7: lambda p: p.swapaxes(0, 1)[::-1, ::-1], 8: lambda p: p.swapaxes(0, 1)[::-1]}
    loaded = load_image(turned)
    assert np.array_equal(loaded.pixels, back[orientation](as_stored))
    assert loaded.pixels.flags["C_CONTIGUOUS"]


def test_an_orientation_out_of_range_is_none():
    loaded = load_image(pictures.encode(pictures.photo(), "PNG", exif=pictures.oriented_exif(9)))
    assert np.array_equal(loaded.pixels, pictures.photo())
    assert loaded.facts.notes == ()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Possibly corrupt EXIF data")  # Pillow's word of it
def test_a_broken_exif_block_leaves_the_pixels_as_stored():
    broken = b"Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff" + b"\xff" * 30
    loaded = load_image(pictures.encode(pictures.photo(), "JPEG", quality=92, exif=broken))
    plain = load_image(pictures.encode(pictures.photo(), "JPEG", quality=92))
    assert np.array_equal(loaded.pixels, plain.pixels)


def test_a_pil_image_is_turned_upright_and_left_alone():
    upright, stored = upright_and_stored(6)
    image = Image.open(io.BytesIO(pictures.encode(stored, "PNG", exif=pictures.oriented_exif(6))))
    assert np.array_equal(load_image(image).pixels, upright)
    assert image.size == (120, 160)
    assert np.array_equal(np.asarray(image), stored)


def test_16_bit_grey_is_scaled_exactly():
    values = np.linspace(0, 65535, 256 * 64).round().astype(np.uint16).reshape(128, 128)
    for data in (pictures.png(values), pictures.tiff(values)):
        loaded = load_image(data)
        expected = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        assert np.array_equal(loaded.pixels, np.repeat(expected[..., None], 3, axis=-1))
        assert loaded.facts.notes == ("16-bit scaled to 8-bit",)


def test_a_dark_16_bit_image_is_not_stretched():
    dark = np.full((40, 40), 2570, dtype=np.uint16)
    dark[0] = 0
    assert load_image(pictures.png(dark)).pixels.max() == 10


def test_16_bit_colour_is_scaled_within_a_level_and_said():
    values = np.random.default_rng(0).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    for data in (pictures.png(values), pictures.tiff(values)):
        loaded = load_image(data)
        assert np.abs(loaded.pixels - values / 257).max() <= 1
        assert loaded.facts.notes == ("16-bit scaled to 8-bit",)


def test_floats_from_0_to_1_are_scaled():
    values = np.linspace(0, 1, 1600, dtype=np.float32).reshape(40, 40)
    loaded = load_image(pictures.tiff(values))
    assert np.array_equal(loaded.pixels[..., 0], np.rint(values * 255))
    assert "floating-point" in loaded.facts.notes[0]


@pytest.mark.parametrize(
    "samples",
    [
        np.full((40, 40), 1.01, np.float32),
        np.full((40, 40), -0.01, np.float32),
        np.full((40, 40), np.nan, np.float32),
        np.full((40, 40), np.inf, np.float32),
        np.full((40, 40), 70_000, np.int32),
        np.full((40, 40), -1, np.int32),
        np.full((40, 40, 3), 0.5, np.float32),
        np.full((40, 40), 0.5, np.float64),
    ],
    ids=["above 1", "below 0", "nan", "inf", "beyond 16 bits", "negative", "RGB floats", "doubles"],
)
def test_samples_without_a_white_are_refused(samples):
    with pytest.raises(UnsupportedFormatError, match=r"^scan\.tif: "):
        load_image(pictures.tiff(samples), name="scan.tif")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_flattened_on_white(kind):
    rng = np.random.default_rng(1)
    rgba = rng.integers(0, 256, (64, 64, 4), dtype=np.uint8)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    loaded = load_image(pictures.encode(rgba, kind, **options))
    assert np.array_equal(loaded.pixels, on_white(rgba[..., :3], rgba[..., 3]))
    assert loaded.facts.notes == ("alpha flattened on white",)
    assert loaded.facts.mode == "RGBA"


def test_what_lies_under_full_transparency_is_not_seen():
    hidden = np.dstack([pictures.photo(), np.zeros((120, 160), np.uint8)])
    assert load_image(pictures.encode(hidden, "PNG")).pixels.min() == 255


def test_opaque_alpha_changes_nothing_and_is_not_noted():
    rgba = np.dstack([pictures.photo(), np.full((120, 160), 255, np.uint8)])
    loaded = load_image(pictures.encode(rgba, "PNG"))
    assert np.array_equal(loaded.pixels, pictures.photo())
    assert loaded.facts.notes == ()


def test_grey_with_alpha():
    rng = np.random.default_rng(2)
    grey, alpha = rng.integers(0, 256, (2, 64, 64), dtype=np.uint8)
    image = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))
    loaded = load_image(pictures.encode(image, "PNG"))
    assert np.array_equal(loaded.pixels, on_white(np.repeat(grey[..., None], 3, axis=-1), alpha))


def test_premultiplied_alpha_of_a_pil_image():
    image = Image.new("RGBA", (40, 40), (200, 100, 0, 128)).convert("RGBa")
    assert np.abs(load_image(image).pixels.astype(int) - (227, 177, 127)).max() <= 2


def test_palette():
    image = Image.fromarray(pictures.photo()).quantize(64)
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        loaded = load_image(pictures.encode(image, kind))
        assert np.array_equal(loaded.pixels, np.asarray(image.convert("RGB")))
        assert loaded.facts.mode == "P"


def test_palette_with_a_transparent_entry():
    image = Image.new("P", (40, 40), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.paste(1, (0, 0, 20, 40))
    for kind in ("PNG", "GIF"):
        loaded = load_image(pictures.encode(image, kind, transparency=1))
        assert np.array_equal(loaded.pixels[:, :20], np.full((40, 20, 3), 255))
        assert np.array_equal(loaded.pixels[:, 20:], np.full((40, 20, 3), (200, 0, 0)))
        assert loaded.facts.notes == ("alpha flattened on white",)


def test_palette_with_partly_transparent_entries():
    image = Image.new("P", (40, 40), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    loaded = load_image(pictures.encode(image, "PNG", transparency=bytes([51, 255])))
    assert np.array_equal(np.unique(loaded.pixels.reshape(-1, 3), axis=0), [[244, 204, 204]])


def test_transparent_colour_of_a_png():
    image = square(10, 20, 30, mode="RGB")
    image.paste((1, 2, 3), (0, 0, 20, 40))
    loaded = load_image(pictures.encode(image, "PNG", transparency=(1, 2, 3)))
    assert loaded.pixels[:, :20].min() == 255
    assert np.array_equal(loaded.pixels[0, 39], (10, 20, 30))


def test_transparent_grey_of_a_png_of_8_and_16_bits():
    for dtype, key in ((np.uint8, 7), (np.uint16, 7 * 257)):
        grey = np.full((40, 40), key, dtype)
        grey[:, 20:] = 100 * (257 if dtype is np.uint16 else 1)
        loaded = load_image(pictures.png(grey, pictures.chunk(b"tRNS", key.to_bytes(2, "big"))))
        assert loaded.pixels[:, :20].min() == 255
        assert np.array_equal(np.unique(loaded.pixels[:, 20:]), [100])


def test_transparent_colour_of_16_bits_is_told_by_both_bytes():
    """The first three differ from the key in a low byte only, which 8 bits don't show."""
    colours = np.zeros((40, 40, 3), np.uint16) + np.array([0x0A01, 0x1402, 0x1E03], np.uint16)
    for place in range(3):
        colours[:, 10 * place : 10 * place + 10, place] += 1
    loaded = load_image(pictures.png(colours, pictures.chunk(b"tRNS", bytes.fromhex("0a0114021e03"))))
    assert np.array_equal(np.unique(loaded.pixels[:, :30].reshape(-1, 3), axis=0), [[10, 20, 30]])
    assert loaded.pixels[:, 30:].min() == 255
    assert loaded.facts.notes == ("16-bit scaled to 8-bit", "alpha flattened on white")


def test_one_bit():
    bits = np.random.default_rng(3).integers(0, 2, (48, 40)).astype(bool)
    for kind in ("PNG", "TIFF", "BMP"):
        loaded = load_image(pictures.encode(Image.fromarray(bits), kind))
        assert np.array_equal(loaded.pixels, np.repeat(bits[..., None] * np.uint8(255), 3, axis=-1))


def test_grey():
    grey = pictures.photo()[..., 1]
    loaded = load_image(pictures.encode(np.ascontiguousarray(grey), "PNG"))
    assert np.array_equal(loaded.pixels, np.repeat(grey[..., None], 3, axis=-1))
    assert loaded.facts.mode == "L"


def test_cmyk():
    image = pictures.cmyk(pictures.photo())
    for data in (pictures.encode(image, "TIFF"), pictures.encode(image, "JPEG", quality=100, subsampling=0)):
        loaded = load_image(data)
        assert np.abs(loaded.pixels.astype(int) - pictures.photo()).mean() < 2  # inverted would be about 100
        assert loaded.facts.notes == ("CMYK converted to RGB",)
        assert loaded.facts.mode == "CMYK"


def test_lab_is_refused_rather_than_guessed():
    lab = ImageCms.applyTransform(
        Image.fromarray(pictures.photo()),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    with pytest.raises(UnsupportedFormatError, match="LAB"):
        load_image(pictures.encode(lab, "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_the_srgb_profile_changes_no_pixel(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = pictures.encode(pictures.photo(), kind, icc_profile=pictures.srgb_profile(), **options)
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == pictures.srgb_profile()  # it is really there
    loaded = load_image(data)
    assert np.array_equal(loaded.pixels, pictures.photo())
    assert loaded.facts.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_another_profile_is_converted_and_said(kind):
    """Its description says sRGB: only what it does to colours can tell."""
    options = {"PNG": {}, "TIFF": {}, "JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}[kind]
    colours = square(180, 60, 30, mode="RGB")
    loaded = load_image(pictures.encode(colours, kind, icc_profile=pictures.swapped_profile(), **options))
    assert np.abs(loaded.pixels.astype(int) - (30, 60, 180)).max() <= 3
    (note,) = loaded.facts.notes
    assert note.startswith("ICC profile 'sRGB")
    assert note.endswith("converted to sRGB")


def test_a_profile_and_alpha_and_orientation_together():
    rgba = np.empty((40, 60, 4), np.uint8)
    rgba[:] = (180, 60, 30, 255)
    rgba[:, :30, 3] = 0  # after orientation 6 the left half is on top
    exif, profile = pictures.oriented_exif(6), pictures.swapped_profile()
    loaded = load_image(pictures.encode(rgba, "PNG", icc_profile=profile, exif=exif))
    assert loaded.pixels.shape == (60, 40, 3)
    assert loaded.pixels[:30].min() == 255
    assert np.abs(loaded.pixels[30:].astype(int) - (30, 60, 180)).max() <= 3
    assert len(loaded.facts.notes) == 3


@pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 200, pictures.srgb_profile()[:150]])
def test_a_broken_profile_is_noted_and_the_pixels_kept(profile):
    loaded = load_image(pictures.encode(pictures.photo(), "PNG", icc_profile=profile))
    assert np.array_equal(loaded.pixels, pictures.photo())
    (note,) = loaded.facts.notes
    assert note.startswith("ICC profile can't be used, taken as sRGB")


def test_a_profile_for_another_kind_of_samples_is_noted():
    grey = np.ascontiguousarray(pictures.photo()[..., 0])
    loaded = load_image(pictures.encode(grey, "PNG", icc_profile=pictures.srgb_profile()))
    assert np.array_equal(loaded.pixels[..., 2], grey)
    assert "ICC profile can't be used" in loaded.facts.notes[0]


@pytest.mark.parametrize("height", [32, STRIP - 1, STRIP, STRIP + 1, 3 * STRIP + 40])
def test_an_image_is_handed_over_whole_whatever_its_height(height: int) -> None:
    pixels = np.random.default_rng(height).integers(0, 256, (height, 40, 3), np.uint8)
    loaded = load_image(pictures.encode(pixels, "PNG"))
    np.testing.assert_array_equal(loaded.pixels, pixels)
    assert loaded.pixels.flags.owndata
