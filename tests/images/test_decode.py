"""Decoding: every source, format and conversion, against the pixels that went in."""

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features

import pictures
from cinemae.images import (
    IMAGE_SUFFIXES,
    ImageError,
    ImageLimits,
    PixelLimitError,
    TooSmallError,
    TruncatedImageError,
    UnreadableFileError,
    UnsupportedFormatError,
    header_size,
    load_image,
)
from cinemae.images.identify import register_plugins

AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})]
LOSSY = [("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"quality": 95}), ("GIF", {})]
GREY = np.full((40, 40), 137, np.uint8)


def far(pixels: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of two images of the same size, in grey levels."""
    assert pixels.shape == other.shape
    return float(np.abs(pixels.astype(int) - other.astype(int)).mean())


# --- sources ---------------------------------------------------------------------------------------


def test_sources_agree(photo: np.ndarray, tmp_path: Path) -> None:
    data = pictures.encode(photo, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with path.open("rb") as file, path.open("rb", buffering=0) as raw, Image.open(path) as image:
        sources = [path, str(path), data, bytearray(data), io.BytesIO(data), file, raw, image, photo]
        loaded = [load_image(source) for source in sources]
    for one in loaded:
        assert one.pixels.dtype == np.uint8
        assert one.pixels.flags.c_contiguous
        np.testing.assert_array_equal(one.pixels, photo)
        assert (one.facts.width, one.facts.height, one.facts.frames, one.facts.notes) == (160, 120, 1, ())
    of_file, of_image, of_array = loaded[0].facts, loaded[-2].facts, loaded[-1].facts
    assert of_file.sha256 == hashlib.sha256(data).hexdigest()
    assert (of_file.format, of_file.mode, of_file.file_bytes) == ("PNG", "RGB", len(data))
    assert of_image.sha256 == of_array.sha256 == hashlib.sha256(photo.tobytes()).hexdigest()
    assert (of_image.format, of_array.format, of_array.file_bytes) == ("PNG", None, None)
    assert [one.name for one in loaded[:3]] == [str(path), str(path), "<bytes>"]
    assert (loaded[4].name, loaded[5].name, loaded[8].name) == ("<stream>", str(path), "<array>")
    assert load_image(photo, name="mine").name == "mine"


def test_caller_keeps_its_image_and_array(photo: np.ndarray) -> None:
    image = Image.fromarray(photo).convert("P")
    array = photo.copy()
    load_image(image)
    load_image(array).pixels[:] = 0
    assert image.mode == "P"
    np.testing.assert_array_equal(array, photo)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (40, 50, 4)])
def test_arrays_of_each_shape(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pixels = load_image(array[:, ::-1]).pixels  # a view that is not contiguous
    expected = array[:, ::-1].astype(float)
    if len(shape) == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    elif shape[2] == 4:
        alpha = expected[..., 3:] / 255
        expected = expected[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((40, 40, 3), np.float32),
        np.zeros((40, 40, 3), np.uint16),
        np.zeros((40, 40, 3), bool),
        np.zeros((40, 40, 2), np.uint8),
        np.zeros((3, 40, 40), np.uint8),
        np.zeros((1, 40, 40, 3), np.uint8),
        np.zeros(40, np.uint8),
    ],
)
def test_other_arrays_are_refused_with_what_they_are(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedFormatError, match=f"got {array.dtype} ") as caught:
        load_image(array, name="batch[3]")
    assert caught.value.name == "batch[3]"


class Unreadable(io.RawIOBase):
    name = "broken pipe"

    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


def test_unreadable_sources(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    closed = io.BytesIO(b"x")
    closed.close()
    cases = {
        tmp_path / "missing.jpg": "No such file",
        tmp_path: "directory",
        tmp_path / "empty.jpg": "empty",
        "nul\0.jpg": "null",
        b"": "empty",
        io.BytesIO(): "empty",
        io.StringIO("text"): "binary mode",
        closed: "closed",
        Unreadable(): "Input/output error",
        None: "NoneType",
    }
    for source, reason in cases.items():
        with pytest.raises(UnreadableFileError, match=reason) as caught:
            load_image(source)  # type: ignore[arg-type]
        assert caught.value.name
    with pytest.raises(UnreadableFileError, match=r"missing\.jpg: can't be read"):
        load_image(tmp_path / "missing.jpg")


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="permissions bind only a plain user")
def test_forbidden_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(pictures.encode(pictures.photo(), "PNG"))
    path.chmod(0)
    with pytest.raises(UnreadableFileError, match="Permission"):
        load_image(path)


class Endless(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(min(size, 4096))


def test_endless_stream_stops_at_the_limit() -> None:
    with pytest.raises(UnreadableFileError, match="larger than the limit of 10,000 bytes"):
        load_image(Endless(), limits=ImageLimits(max_bytes=10_000))  # type: ignore[arg-type]


# --- formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_give_back_every_pixel(kind: str, options: dict[str, object], photo: np.ndarray) -> None:
    loaded = load_image(pictures.encode(photo, kind, **options))
    np.testing.assert_array_equal(loaded.pixels, photo)
    assert (loaded.facts.format, loaded.facts.notes) == (kind, ())


@pytest.mark.parametrize(("kind", "options"), [*LOSSY, pytest.param("AVIF", {"quality": 90}, marks=AVIF)])
def test_lossy_formats_come_close(kind: str, options: dict[str, object], photo: np.ndarray) -> None:
    loaded = load_image(pictures.encode(photo, kind, **options))
    assert far(loaded.pixels, photo) < 3
    assert loaded.facts.format == kind


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "JPEG2000", "PCX", "SGI", "EPS", "PDF", "DDS"])
def test_formats_off_the_list_are_refused(kind: str, photo: np.ndarray) -> None:
    with pytest.raises(UnsupportedFormatError, match="not an image of an allowed format"):
        load_image(pictures.encode(photo, kind), name="odd.jpg")


def test_text_named_jpg(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("These are notes, whatever the name says. " * 20)
    with pytest.raises(UnsupportedFormatError, match=r"notes\.jpg: not an image"):
        load_image(path)


def test_content_counts_and_not_the_suffix(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(pictures.encode(photo, "PNG"))
    assert load_image(path).facts.format == "PNG"


def test_heic_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    register_plugins()  # only once in a process: afterwards it can be taken away
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    for brands in (b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heix"):
        data = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + bytes(64)
        with pytest.raises(UnsupportedFormatError, match=r"\[heic\]"):
            load_image(data)


def test_heic_with_the_extra(photo: np.ndarray) -> None:
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    heif.from_pillow(Image.fromarray(photo)).save(stream, quality=90, exif=pictures.oriented_exif(6))
    loaded = load_image(stream.getvalue())
    assert far(loaded.pixels, np.rot90(photo, -1)) < 4
    assert loaded.facts.format == "HEIF"
    assert loaded.facts.notes == ("EXIF orientation 6 applied (turned by 90 degrees)",)
    with pytest.raises(ImageError):
        load_image(stream.getvalue()[:-200])


def test_avif_that_pillow_lacks_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch, photo: np.ndarray) -> None:
    plugin = pytest.importorskip("PIL.AvifImagePlugin")
    monkeypatch.setattr(plugin, "SUPPORTED", False)
    data = (24).to_bytes(4, "big") + b"ftypavif" + bytes(4) + b"avifmif1" + bytes(64)
    with pytest.raises(UnsupportedFormatError, match="AVIF support not installed"):
        load_image(data)


def test_trailing_bytes_change_nothing(jpeg: bytes) -> None:
    np.testing.assert_array_equal(load_image(jpeg + b"appended by a camera" * 50).pixels, load_image(jpeg).pixels)


def test_suffixes_are_lower_case_and_cover_the_formats() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic"} <= IMAGE_SUFFIXES


# --- frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO", pytest.param("AVIF", marks=AVIF)])
def test_first_frame_is_taken_and_said_so(kind: str, photo: np.ndarray) -> None:
    loaded = load_image(pictures.animation(kind, frames=4))
    assert far(loaded.pixels, photo) < 6  # the other frames are negatives
    assert loaded.facts.frames == 4
    assert loaded.facts.notes == ("first of 4 frames",)


# --- conversions: test_convert.py has the rest -----------------------------------------------------


TURNED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", pytest.param("AVIF", marks=AVIF)])
def test_exif_orientation(kind: str, orientation: int, photo: np.ndarray) -> None:
    data = pictures.encode(photo, kind, exif=pictures.oriented_exif(orientation))
    expected = TURNED[orientation](photo)
    sources = [data, Image.open(io.BytesIO(data))]
    for loaded in map(load_image, sources):
        assert far(loaded.pixels, expected) < 6
        assert (loaded.facts.height, loaded.facts.width) == expected.shape[:2] == loaded.pixels.shape[:2]
    notes = load_image(data).facts.notes
    assert len(notes) == (orientation > 1)
    assert all(note.startswith(f"EXIF orientation {orientation} applied") for note in notes)


def test_broken_exif_is_noted_and_the_pixels_are_used(monkeypatch: pytest.MonkeyPatch, photo: np.ndarray) -> None:
    data = pictures.encode(photo, "PNG", exif=b"Exif\0\0neither II nor MM")
    loaded = load_image(data)
    np.testing.assert_array_equal(loaded.pixels, photo)
    assert [note for note in loaded.facts.notes if note.startswith("EXIF can't be read")]


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV"])
def test_modes_become_rgb(mode: str, photo: np.ndarray) -> None:
    image = Image.fromarray(photo).convert(mode)
    loaded = load_image(image)
    np.testing.assert_array_equal(loaded.pixels, np.asarray(image.convert("RGB")))
    assert loaded.facts.mode == mode


# --- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_bombs_are_refused_from_the_header(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: Image.Image) -> None:
        raise AssertionError("a bomb was decoded")

    monkeypatch.setattr("cinemae.images.decode.load_strictly", never)
    data = pictures.bombs()[kind]
    assert len(data) < 10_000
    with pytest.raises(PixelLimitError, match=r"bomb: .*pixels") as caught:
        load_image(data, name="bomb")
    assert caught.value.name == "bomb"


def test_pixel_limit_is_exact(photo: np.ndarray) -> None:
    data = pictures.encode(photo, "PNG")
    assert load_image(data, limits=ImageLimits(max_pixels=120 * 160)).pixels.shape == photo.shape
    for source in (data, photo, Image.fromarray(photo)):
        with pytest.raises(PixelLimitError, match="160x120 pixels are more than the limit of 19,199"):
            load_image(source, limits=ImageLimits(max_pixels=120 * 160 - 1))


@pytest.mark.parametrize("lowered", [1, None])
def test_pillows_own_limit_plays_no_part(lowered: int | None, monkeypatch: pytest.MonkeyPatch, jpeg: bytes) -> None:
    # Far below the picture's size: Image.open would raise.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", lowered)
    assert load_image(jpeg).facts.width == 160
    with pytest.raises(PixelLimitError):
        load_image(pictures.png_bomb())


def test_image_between_pillows_limit_and_ours_decodes_without_a_warning() -> None:
    # 96 MP in one bit a pixel: Pillow warns above 89.5 MP, and this suite turns warnings into errors.
    data = pictures.encode(Image.new("1", (12_000, 8_000), 1), "PNG")
    loaded = load_image(data)
    assert loaded.pixels.shape == (8_000, 12_000, 3)
    assert loaded.pixels[::1000, ::1000].min() == 255


def test_too_small() -> None:
    for source in (np.zeros((1, 1, 3), np.uint8), np.zeros((31, 400), np.uint8), np.zeros((0, 0, 3), np.uint8)):
        with pytest.raises(TooSmallError, match="short side must be at least 32"):
            load_image(source)
    with pytest.raises(TooSmallError, match=r"dot\.png: 1x1 pixels"):
        load_image(pictures.encode(np.zeros((1, 1, 3), np.uint8), "PNG"), name="dot.png")
    assert load_image(np.zeros((16, 16), np.uint8), limits=ImageLimits(min_side=16)).facts.width == 16


def test_memory_that_runs_out_is_a_refusal(monkeypatch: pytest.MonkeyPatch, jpeg: bytes) -> None:
    def fail(image: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr("cinemae.images.decode.load_strictly", fail)
    with pytest.raises(PixelLimitError, match="not enough memory"):
        load_image(jpeg)


def test_header_size(photo: np.ndarray, tmp_path: Path) -> None:
    assert header_size(pictures.encode(photo, "PNG")) == (160, 120)
    assert header_size(pictures.png_bomb(50_000, 40_000)) == (50_000, 40_000)
    with pytest.raises(UnreadableFileError):
        header_size(tmp_path / "none.png")
    with pytest.raises(UnsupportedFormatError, match="x: not an image"):
        header_size(b"text", name="x")


# --- reduced decoding ------------------------------------------------------------------------------


@given(width=st.integers(64, 900), height=st.integers(64, 900), reduce_to=st.integers(16, 300))
@settings(max_examples=25)
def test_reduced_jpeg_keeps_twice_the_side(width: int, height: int, reduce_to: int) -> None:
    data = pictures.encode(np.zeros((height, width), np.uint8), "JPEG")
    loaded = load_image(data, reduce_to=reduce_to)
    assert (loaded.facts.width, loaded.facts.height) == (width, height)
    short = min(loaded.pixels.shape[:2])
    assert short >= min(2 * reduce_to, min(width, height))
    assert short == min(width, height) or min(width, height) >= 4 * reduce_to


def test_large_jpeg_is_reduced_and_others_are_not(photo: np.ndarray) -> None:
    large = np.tile(photo, (8, 8, 1))
    exif = pictures.oriented_exif(6)
    reduced = load_image(pictures.encode(large, "JPEG", exif=exif), reduce_to=100)
    assert reduced.pixels.shape == (320, 240, 3)
    assert (reduced.facts.width, reduced.facts.height) == (960, 1280)
    small = Image.fromarray(np.rot90(large, -1)).resize((240, 320), Image.Resampling.BOX)
    assert far(reduced.pixels, np.asarray(small)) < 4
    assert load_image(pictures.encode(large, "PNG"), reduce_to=100).pixels.shape == large.shape
    assert load_image(pictures.encode(large, "JPEG")).pixels.shape == large.shape


# --- hostile bytes ---------------------------------------------------------------------------------


FILES = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "jpeg"}),
    ("TIFF", {"compression": "tiff_lzw"}),
    pytest.param("AVIF", {}, marks=AVIF),
]


@pytest.mark.parametrize("permissive", [False, True])
@pytest.mark.parametrize(("kind", "options"), FILES)
def test_cut_files_are_refused_and_never_filled_up(
    kind: str, options: dict[str, object], permissive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The switch is what other libraries set on import; it must not let half an image through here.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", permissive)
    data = pictures.encode(pictures.photo(64, 64), kind, **options)
    whole = load_image(data).pixels
    cuts = np.random.default_rng(0).integers(1, len(data), 60)
    refused = 0
    for cut in [*cuts, len(data) // 2, len(data) - 1]:
        try:
            pixels = load_image(data[:cut], name="cut").pixels
        except ImageError as error:
            assert error.name == "cut"  # noqa: PT017 (not every cut has to raise)
            refused += 1
        else:
            np.testing.assert_array_equal(pixels, whole)  # only bytes after the last pixel are missing
    assert refused >= 60
    assert ImageFile.LOAD_TRUNCATED_IMAGES is permissive


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_half_a_file_is_called_truncated(kind: str, photo: np.ndarray) -> None:
    data = pictures.encode(photo, kind)
    with pytest.raises(TruncatedImageError, match=r"half\.bin: the file ends too early"):
        load_image(data[: len(data) // 2], name="half.bin")


@pytest.mark.parametrize("permissive", [False, True])
def test_png_with_broken_data_is_refused(permissive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", permissive)
    data = pictures.png(pictures.photo())
    start, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    half = data[start : (start + end) // 2]
    for body in (half, half + bytes(1000)):  # the chunks are whole and their sums right, the stream is not
        broken = data[: start - 8] + pictures.chunk(b"IDAT", body) + pictures.chunk(b"IEND", b"")
        with pytest.raises(ImageError):
            load_image(broken)


@given(data=st.binary(max_size=400), start=st.sampled_from(["", "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
@settings(max_examples=150)
def test_random_bytes_raise_nothing_but_image_errors(data: bytes, start: str) -> None:
    begin = pictures.encode(GREY, start)[:40] if start else b""
    with pytest.raises(ImageError):
        load_image(begin + data)


@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150)
@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd metadata; whoever calls may hear of it
def test_flipped_bytes_give_an_image_or_an_image_error(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(pictures.encode(pictures.photo(40, 48), kind))
    for place in rng.integers(0, len(data), 4):
        data[place] = rng.integers(256)
    try:
        loaded = load_image(bytes(data), limits=ImageLimits(max_pixels=1_000_000))
    except ImageError:
        return
    assert loaded.pixels.dtype == np.uint8
    assert loaded.pixels.shape == (loaded.facts.height, loaded.facts.width, 3)


def test_threads_do_not_disturb_each_other(jpeg: bytes) -> None:
    inputs = [jpeg, jpeg[:-500], pictures.png_bomb(), pictures.encode(pictures.cmyk(pictures.photo()), "JPEG")] * 15

    def outcome(data: bytes) -> str:
        try:
            return hashlib.sha256(load_image(data).pixels).hexdigest()
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, inputs)) == [outcome(data) for data in inputs]
