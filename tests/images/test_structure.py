"""Files in too many parts: refused at once; and no file of a camera or a program is."""

import io
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

import pictures
from cinemae.images import CorruptImageError, ImageError, PixelLimitError, TruncatedImageError, load_image
from cinemae.images.structure import MOST_BLOCK_VISITS, MOST_SEGMENTS

GREY = Image.fromarray(np.full((2000, 2000), 137, np.uint8))
SMALL = Image.fromarray(np.full((64, 64), 137, np.uint8))


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def jpeg_with(extra: bytes) -> bytes:
    data = pictures.encode(SMALL, "JPEG")
    return data[:2] + extra + data[2:]


def jpeg_of_many_scans() -> bytes:
    """Its last scan, which says that nothing changes, is said 2000 times: six seconds of work in 40 kB."""
    data = pictures.encode(GREY, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 2000 + data[-2:]


def jpeg_of_another_size(width: int, height: int, **options: object) -> bytes:
    data = bytearray(pictures.encode(SMALL, "JPEG", **options))
    frame = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png_with(extra: bytes) -> bytes:
    data = pictures.encode(SMALL, "PNG")
    return data[:33] + extra + data[33:]


def gif_with(extra: bytes) -> bytes:
    data = pictures.encode(SMALL, "GIF")
    return data[:-1] + extra + data[-1:]


def gif_of_many_blocks() -> bytes:
    data = pictures.encode(SMALL, "GIF")
    return data[:-2] + b"\1\0" * 2_100_000 + data[-2:]


def tiff_of_pages(count: int, **options: object) -> bytes:
    """A TIFF whose directory is said again and again."""
    data = bytearray(pictures.encode(SMALL, "TIFF", **options))
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    link = first + 2 + 12 * entries
    directory = bytes(data[first:link])
    for _ in range(count - 1):
        struct.pack_into("<I", data, link, len(data))
        data += directory + bytes(4)
        link = len(data) - 4
    return bytes(data)


def tiff_of_strips(count: int) -> bytes:
    return pictures.tiff(np.zeros((count, 32), np.uint8), rowsperstrip=1)


def tiff_of_entries(count: int) -> bytes:
    """Three pages whose directories hold tags that nobody knows."""
    start, size = 8, 2 + 12 * count + 4
    tags = b"".join(struct.pack("<HHII", 1000 + number, 4, 1, 1) for number in range(count))
    pages = [start + size, start + 2 * size, 0]
    return b"II*\0" + struct.pack("<I", start) + b"".join(
        struct.pack("<H", count) + tags + struct.pack("<I", following) for following in pages
    )  # fmt: skip


def run_length_bmp(width: int, height: int, runs: bytes) -> bytes:
    start = 14 + 40 + 1024
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + bytes(1024) + runs


COSTLY: dict[str, tuple[Callable[[], bytes], type[ImageError], str]] = {
    "JPEG segments": (lambda: jpeg_with(segment(0xFE, b"") * 1_000_000), CorruptImageError, "10,000 segments"),
    "EXIF segments": (lambda: jpeg_with(segment(0xE1, b"Exif\0\0x") * 300_000), CorruptImageError, "EXIF segments"),
    "JPEG fill": (lambda: jpeg_with(b"\xff" * 6_000_000), CorruptImageError, "bytes of nothing"),
    "JPEG scans": (jpeg_of_many_scans, CorruptImageError, "scans take more work"),
    "PNG chunks": (lambda: png_with(pictures.chunk(b"abCd", b"") * 800_000), CorruptImageError, "chunks beside"),
    "PNG pixel chunks": (lambda: png_with(pictures.chunk(b"IDAT", b"") * 500_000), CorruptImageError, "chunks of pix"),
    "GIF frames": (
        lambda: gif_with(b",\0\0\0\0\1\0\1\0\0\2\2D\1\0" * 500_000), CorruptImageError, "100,000 frames",
    ),
    "GIF blocks": (gif_of_many_blocks, CorruptImageError, "2,000,000 blocks"),
    "GIF filler": (lambda: gif_with(b"\0" * 2_100_000), CorruptImageError, "2,000,000 blocks"),
    "GIF comments": (lambda: gif_with(b"!\xfe" + b"\1a" * 1_500_000 + b"\0"), CorruptImageError, "blocks of comments"),
    "GIF small comments": (lambda: gif_with(b"!\xfe\1a\0" * 20_000), CorruptImageError, "blocks of comments"),
    "TIFF pages": (lambda: tiff_of_pages(20_000), CorruptImageError, "5,000 pages"),
    "TIFF strips": (lambda: tiff_of_strips(400_000), CorruptImageError, "strips or tiles"),
    "TIFF entries": (lambda: tiff_of_entries(60_000), CorruptImageError, "150,000 entries"),
    "BMP runs": (lambda: run_length_bmp(8000, 8000, b"\1\0\0\0" * 8000), PixelLimitError, "run-length"),
    "BMP long runs": (lambda: run_length_bmp(40, 40, b"\xff\0" * 4_000_000), PixelLimitError, "run-length"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "error", "reason"), COSTLY.values(), ids=COSTLY)
def test_costly_files_are_refused_at_once(make: Callable[[], bytes], error: type[ImageError], reason: str) -> None:
    data = make()
    start = time.process_time()
    with pytest.raises(error, match=f"^costly: .*{reason}"):
        load_image(data, name="costly")
    assert time.process_time() - start < 0.8


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["sequential", "progressive"])
def test_a_jpeg_whose_header_promises_more_than_it_has_is_cut_off(options: dict[str, object]) -> None:
    """Both decoded to grey, the large one in two seconds."""
    for width, height in ((9999, 9999), (1000, 1000)):
        with pytest.raises(TruncatedImageError, match="least for its size"):
            load_image(jpeg_of_another_size(width, height, **options))
    assert load_image(jpeg_of_another_size(64, 64, **options)).facts.width == 64


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}, {}])
@pytest.mark.parametrize("size", [(1999, 1201), (33, 999)])
def test_the_smallest_jpeg_that_an_encoder_makes_is_whole(
    mode: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    """One colour, the shortest codes: nothing can be left out."""
    plain = Image.new(mode, size, 0)
    assert load_image(pictures.encode(plain, "JPEG", quality=1, optimize=True, **options)).facts.height == size[1]


@pytest.mark.parametrize("cut", [3, 4, 50])
def test_the_bound_is_exact(cut: int) -> None:
    """Two bits a block: a plane of one colour whose tables have codes of one bit."""
    data = pictures.encode(Image.new("L", (800, 800), 128), "JPEG", optimize=True)
    start = data.index(b"\xff\xda") + 2 + int.from_bytes(data[data.index(b"\xff\xda") + 2 :][:2], "big")
    assert len(data) - 2 - start == 100 * 100 * 2 // 8
    assert load_image(data).facts.width == 800
    with pytest.raises(TruncatedImageError):
        load_image(data[:-cut] + b"\xff\xd9")


def test_files_in_many_parts_that_are_sound_still_pass() -> None:
    note = segment(0xFE, b"a note")
    frames = [Image.fromarray(np.full((64, 64), shade, np.uint8)) for shade in range(200)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], comment=b"word " * 10_000)
    rows = b"".join(b"\x40\x07\0\0" for _ in range(64)) + b"\0\1"
    sound = [
        (jpeg_with(note * (MOST_SEGMENTS - 30)), 1),
        (jpeg_with(segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 20), 1),
        (png_with(pictures.chunk(b"tEXt", b"key\0value") * 5000), 1),
        (stream.getvalue(), 200),
        (tiff_of_pages(300), 300),
        (tiff_of_strips(10_000), 1),
        (run_length_bmp(64, 64, rows), 1),
    ]
    for data, count in sound:
        assert load_image(data).facts.frames == count


def test_scans_of_a_large_photograph_are_far_from_the_limit() -> None:
    """100 million pixels in full colour, with the ten scans of libjpeg's progressive script."""
    blocks = 100_000_000 // 64
    assert blocks * (2 * 3 + 4 + 2 + 2) < MOST_BLOCK_VISITS / 2
