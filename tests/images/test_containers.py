"""Files with several pictures: the primary one is taken at its own size, previews never are, notes tell of the rest."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, features

import pictures
from cinemae.images import (
    CorruptImageError,
    ImageError,
    ImageLimits,
    PixelLimitError,
    UnsupportedFormatError,
    header_size,
    load_image,
)
from cinemae.images.boxes import read_collection
from layouts import plain_tags, tiff_file

AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
EXACT: dict[str, Any] = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def negative() -> np.ndarray:
    return np.ascontiguousarray(255 - pictures.photo()[::-1])


def heic(images: list[np.ndarray], primary: int = 0, **options: Any) -> bytes:
    heif = pytest.importorskip("pillow_heif")
    collection = heif.from_pillow(Image.fromarray(images[0]))
    for other in images[1:]:
        collection.add_from_pillow(Image.fromarray(other))
    stream = io.BytesIO()
    collection.save(stream, primary_index=primary, **options)
    return stream.getvalue()


def avif(pixels: np.ndarray, **options: Any) -> bytes:
    return pictures.encode(pixels, "AVIF", speed=10, **options)


def declaring(data: bytes, width: int, height: int) -> bytes:
    """State another size wherever the file states one."""
    changed, at = bytearray(data), data.find(b"ispe")
    while at >= 0:
        struct.pack_into(">II", changed, at + 8, width, height)
        at = data.find(b"ispe", at + 4)
    return bytes(changed)


# --- HEIC ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("primary", [0, 1, 2])
def test_the_primary_picture_of_a_heic_is_taken(primary: int) -> None:
    """A harmless first picture hides nothing (case f02)."""
    images = [negative(), negative(), negative()]
    images[primary] = pictures.photo()
    loaded = load_image(heic(images, primary, **EXACT))
    np.testing.assert_array_equal(loaded.pixels, pictures.photo())
    assert loaded.facts.frames == 3
    assert loaded.facts.notes == (f"picture {primary + 1} of 3 taken, which the file calls primary",)


def test_the_size_of_the_primary_picture_counts() -> None:
    """The first one is past the limit and never decoded; the other way round it is refused."""
    large, small = np.full((240, 320, 3), 90, np.uint8), pictures.photo()
    limits = ImageLimits(max_pixels=50_000)
    hidden = heic([large, small], 1, quality=50)
    assert load_image(hidden, limits=limits).pixels.shape == small.shape
    assert header_size(hidden) == (160, 120)
    with pytest.raises(PixelLimitError):
        load_image(heic([small, large], 1, quality=50), limits=limits)


def test_one_picture_of_a_heic_needs_no_note() -> None:
    assert load_image(heic([pictures.photo()], **EXACT)).facts.notes == ()


@pytest.mark.parametrize("size", [(160, 120), (64, 64), (640, 480), (320, 241)])
@pytest.mark.parametrize("options", [{}, {"tile_size": 128}])
def test_a_heic_that_declares_another_size_is_refused(size: tuple[int, int], options: dict[str, Any]) -> None:
    data = heic([np.tile(pictures.photo(), (2, 2, 1))], quality=50, **options)
    with pytest.raises(ImageError) as caught:
        load_image(declaring(data, *size), name="declared", limits=ImageLimits(max_pixels=10_000_000))
    assert caught.value.name == "declared"


# --- AVIF ------------------------------------------------------------------------------------------


@AVIF
@pytest.mark.parametrize("size", [(160, 120), (64, 64), (640, 480), (320, 241)])
@pytest.mark.parametrize("alpha", [False, True])
def test_an_avif_that_declares_another_size_is_refused(size: tuple[int, int], alpha: bool) -> None:
    """libavif would scale what is coded to what is declared, whatever that is."""
    pixels = np.tile(pictures.photo(), (2, 2, 1))
    if alpha:
        pixels = np.dstack([pixels, pixels[..., 0]])
    data = avif(pixels)
    assert load_image(data).pixels.shape == (240, 320, 3)
    with pytest.raises(CorruptImageError, match=f"declares {size[0]}x{size[1]} pixels, but 320x240 are coded"):
        load_image(declaring(data, *size))


@AVIF
def test_a_film_that_declares_another_size_is_refused() -> None:
    data = pictures.animation("AVIF")
    assert load_image(data).facts.notes == ("first of 3 frames",)
    changed = bytearray(data)
    track, entry = (data.index(box, data.index(b"moov")) for box in (b"tkhd", b"av01"))
    struct.pack_into(">II", changed, track + (92 if data[track + 4] else 80), 64 << 16, 64 << 16)  # by its version
    struct.pack_into(">HH", changed, entry + 28, 64, 64)
    with pytest.raises(CorruptImageError, match="declares 64x64 pixels, but 160x120 are coded"):
        load_image(declaring(bytes(changed), 64, 64))


@AVIF
def test_a_crop_of_an_avif_is_applied() -> None:
    """The clean aperture is a property of a file that Pillow doesn't know: the box is put in by hand."""
    data = avif(pictures.photo(), quality=95, subsampling="4:4:4")
    whole = load_image(data).pixels
    # 100x80 pixels, centred 10 to the right and 5 down.
    clap = struct.pack(">I4s8i", 40, b"clap", 100, 1, 80, 1, 10, 1, 5, 1)
    loaded = load_image(with_property(data, clap))
    np.testing.assert_array_equal(loaded.pixels, whole[25:105, 40:140])
    assert (loaded.facts.width, loaded.facts.height) == (100, 80)
    assert loaded.facts.notes == ("cropped to 100x80, as the file says",)
    for wrong in ((100, 1, 80, 1, 90, 1, 5, 1), (100, 0, 80, 1, 0, 1, 0, 1), (-5, 1, 80, 1, 0, 1, 0, 1)):
        with pytest.raises(CorruptImageError, match="crop"):
            load_image(with_property(data, struct.pack(">I4s8i", 40, b"clap", *wrong)))


def with_property(data: bytes, box: bytes) -> bytes:
    """Give the first item of a file one more property; offsets in the file move along."""
    changed = bytearray(data)
    links = data.index(b"ipma") - 4
    store = data.index(b"ipco") - 4
    size = int.from_bytes(data[store : store + 4], "big")
    count = sum(1 for _ in boxes_in(data, store + 8, store + size))
    at = links + 16  # size, name, version, number of items
    pairs = data[at + 2]
    changed[at + 3 + pairs : at + 3 + pairs] = bytes([128 | (count + 1)])
    changed[at + 2] += 1
    changed[store + size : store + size] = box
    grown = len(changed) - len(data)
    for name, more in ((b"ipma", 1), (b"ipco", len(box)), (b"iprp", grown), (b"meta", grown)):
        place = changed.index(name) - 4
        struct.pack_into(">I", changed, place, int.from_bytes(changed[place : place + 4], "big") + more)
    old = read_collection(data)
    assert old is not None
    for item in old.items.values():
        for _, offset, _ in item.extents:
            place = changed.index(struct.pack(">I", offset), changed.index(b"iloc"))
            struct.pack_into(">I", changed, place, offset + grown)
    return bytes(changed)


def boxes_in(data: bytes, start: int, end: int) -> Any:
    while start + 8 <= end:
        yield data[start + 4 : start + 8]
        start += int.from_bytes(data[start : start + 4], "big")


# --- MPO, APNG -------------------------------------------------------------------------------------


def test_the_first_picture_of_an_mpo_is_its_primary_one() -> None:
    loaded = load_image(pictures.animation("MPO"))
    assert np.abs(loaded.pixels.astype(int) - pictures.photo()).mean() < 6
    assert loaded.facts.notes == ("first of 3 frames",)


def test_an_mpo_that_calls_another_picture_primary_is_refused() -> None:
    data = bytearray(pictures.animation("MPO"))
    start = data.index(b"MPF\0") + 4
    (offset,) = struct.unpack_from("<I", data, data.index(struct.pack("<HH", 0xB002, 7), start) + 8)
    entry = start + offset
    assert data[entry : entry + 4] == struct.pack("<I", 0x030000)
    struct.pack_into("<I", data, entry, 0)
    struct.pack_into("<I", data, entry + 16, 0x030000)
    with pytest.raises(CorruptImageError, match="calls another picture primary"):
        load_image(bytes(data))


def test_the_still_picture_of_an_apng_is_named_as_such() -> None:
    data = pictures.animation("PNG", default_image=True)
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.pixels, pictures.photo())
    assert loaded.facts.notes == (
        "first of 3 frames",
        "it is the still picture of the file; browsers show the animation instead",
    )


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_limits_hold_for_the_canvas_of_an_animation(kind: str) -> None:
    with pytest.raises(PixelLimitError):
        load_image(pictures.animation(kind), limits=ImageLimits(max_pixels=19_199))


@pytest.mark.parametrize("sizes", [[(32, 32)], [(16, 16), (48, 48), (128, 128)]])
def test_icons_are_refused(sizes: list[tuple[int, int]]) -> None:
    data = pictures.encode(Image.fromarray(pictures.photo()).resize((128, 128)), "ICO", sizes=sizes)
    with pytest.raises(UnsupportedFormatError, match="not an image of an allowed format"):
        load_image(data)


# --- TIFF ------------------------------------------------------------------------------------------


def pages(*parts: tuple[np.ndarray, dict[str, Any]], **options: Any) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, **options) as writer:
        for pixels, more in parts:
            writer.write(np.ascontiguousarray(pixels), **{"photometric": "rgb", **more})
    return stream.getvalue()


SMALL, REDUCED = pictures.photo()[::3, ::3], {"subfiletype": 1}


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}])
@pytest.mark.parametrize("before", [1, 2])
def test_previews_before_the_picture_are_passed_over(before: int, options: dict[str, Any]) -> None:
    data = pages(*[(SMALL, REDUCED)] * before, (pictures.photo(), {}), (negative(), {}), **options)
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.pixels, pictures.photo())
    assert header_size(data) == (160, 120)
    assert loaded.facts.frames == before + 2
    (note,) = loaded.facts.notes
    assert note == f"page {before + 1} taken (160x120), since the first is a preview or a mask (54x40)"


def test_a_mask_before_the_picture_is_passed_over() -> None:
    data = pages((pictures.photo()[..., 0], REDUCED | {"photometric": "minisblack"}), (pictures.photo(), {}))
    reduced, mask = (struct.pack("<HHII", 254, 4, 1, flag) for flag in (1, 4))
    assert data.count(reduced) == 1
    np.testing.assert_array_equal(load_image(data.replace(reduced, mask)).pixels, pictures.photo())


@pytest.mark.parametrize("flag", [REDUCED, {}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_larger_picture_below_the_first_is_the_picture(flag: dict[str, Any], compression: str | None) -> None:
    data = pages((SMALL, flag | {"subifds": 1}), (pictures.photo(), {"compression": compression}))
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.pixels, pictures.photo())
    assert "a picture below its first page taken (160x120)" in loaded.facts.notes[0]


def test_reduced_copies_behind_or_below_the_picture_change_nothing() -> None:
    behind = load_image(pages((pictures.photo(), {}), (SMALL, REDUCED)))
    below = load_image(pages((pictures.photo(), {"subifds": 1}), (SMALL, REDUCED)))
    for loaded in (behind, below):
        np.testing.assert_array_equal(loaded.pixels, pictures.photo())
    assert (behind.facts.notes, below.facts.notes) == (("first of 2 frames",), ())


def test_a_file_with_previews_only_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError, match="holds a preview only"):
        load_image(pages((SMALL, REDUCED)))


RAW = {"photometric": "cfa"}


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}])
def test_camera_raw_files_shaped_like_tiff_are_refused(options: dict[str, Any]) -> None:
    """NEF, ARW: a preview with the sensor's data below. PEF: the data first. Others: behind (case f03)."""
    sensor = pictures.photo(300, 400)[..., 0].astype(np.uint16) * 64
    version = [(50706, "B", 4, bytes((1, 4, 0, 0)), True)]
    shapes = [
        pages((SMALL, REDUCED | {"subifds": 1}), (sensor, RAW), **options),
        pages((SMALL, {"subifds": 1}), (sensor, RAW), **options),
        pages((sensor, RAW), (SMALL, {}), **options),
        pages((pictures.photo(), {}), (SMALL, {}), (sensor, RAW), **options),
        pages((SMALL, REDUCED | {"subifds": 1, "extratags": version}), (sensor, RAW), **options),
    ]
    for data in shapes:
        with pytest.raises(UnsupportedFormatError, match=r"photo\.nef: a camera's raw file .* develop it") as caught:
            load_image(data, name="photo.nef")
    assert "DNG" in caught.value.reason
    assert "preview of 54x40 pixels" in caught.value.reason


@pytest.mark.parametrize("compression", [32767, 34713, 65535])
def test_makers_own_compressions_are_raw_files(compression: int) -> None:
    tags = [tag if tag[0] != 259 else (259, 3, compression) for tag in plain_tags(8, 1)]
    with pytest.raises(UnsupportedFormatError, match="raw file"):
        load_image(tiff_file("<", tags, bytes(160 * 120)))


@pytest.mark.parametrize(
    "head",
    [
        b"IIRO\x08\0\0\0", b"IIRS\x08\0\0\0", b"MMOR\0\0\0\x08", b"IIU\0\x18\0\0\0", b"II*\0\x10\0\0\0CR\2\0",
        b"II\x1a\0\0\0HEAPCCDR", b"\0\0\0\x18ftypcrx \0\0\0\1", b"FUJIFILMCCD-RAW 0201", b"FOVb\0\0\2\0",
        b"\0MRM\0\0\0\0",
    ],
)  # fmt: skip
def test_other_raw_files_are_refused_by_name(head: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"raw file .*develop it"):
        load_image(head + bytes(400))


def test_strips_that_do_not_cover_the_picture_are_refused() -> None:
    """Pillow left the rest black: 42 million pixels out of ten kilobytes."""
    tags = [tag if tag[0] != 257 else (257, 3, 4000) for tag in plain_tags(8, 1)]
    with pytest.raises(CorruptImageError, match="1 strips or tiles where its size needs 34"):
        load_image(tiff_file("<", tags, bytes(160 * 120)))


# --- hostile boxes ---------------------------------------------------------------------------------


def test_boxes_are_read_within_bounds() -> None:
    """Neither a list without an end nor one that points beyond the file takes time or raises."""
    head = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"
    deep = head + struct.pack(">I4sI", 8 * 60_000 + 12, b"meta", 0) + struct.pack(">I4s", 8, b"free") * 60_000
    for data in (deep, head + b"\xff" * 400, head + b"\0\0\0\x01meta", head[:10], head + b"\0\0\0\0meta"):
        collection = read_collection(data)
        assert collection is not None
        assert collection.items == {}
    assert read_collection(b"RIFF....WEBP") is None
