"""What a file's parts promise, looked at before Pillow walks them.

Pillow reads segments, chunks, blocks and pages with loops in Python, some of which take the square of
their number; libjpeg visits every block of the image once a scan, and fills with grey what a file has
no data for. So a few kilobytes can keep a core busy for minutes. The walks here are bounded by the
limits below, which are far above what cameras and programs write.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from cinemae.images.errors import CorruptImageError, PixelLimitError, TruncatedImageError

MOST_SEGMENTS = 10_000  # of a JPEG
MOST_EXIF_SEGMENTS = 64  # 4 MB; Pillow joins them one by one
MOST_FILL = 1 << 16  # bytes between a JPEG's segments
MOST_BLOCK_VISITS = 50_000_000  # of a JPEG, over all scans; about two seconds
MOST_CHUNKS = 20_000  # of a PNG, beside those with pixels
MOST_PIXEL_CHUNKS = 500_000
MOST_SUB_BLOCKS = 2_000_000  # of a GIF
MOST_COMMENT_BLOCKS = 10_000
MOST_FRAMES = 100_000
MOST_PAGES = 5_000  # of a TIFF; Pillow looks each up in a list of all before
MOST_ENTRIES = 150_000  # over all pages
MOST_STRIPS = 300_000
MOST_RUN_PIXELS = 2_500_000  # of a BMP with runs, which Pillow decodes in Python
MOST_RUN_BYTES = 6_000_000

_ENTROPY_END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # not stuffing, not a restart marker, not fill
_FILL = re.compile(rb"\xff+")
_SEQUENTIAL, _PROGRESSIVE, ARITHMETIC = (0xC0, 0xC1), (0xC2,), (0xC9, 0xCA)
FRAMES = (*_SEQUENTIAL, *_PROGRESSIVE, *ARITHMETIC)
_STRIPS = (273, 324)  # offsets of strips, of tiles
_NAMED = re.compile(rb"[\x21\x2c\x3b]")  # in a GIF: an extension, an image, the end


def check_structure(data: bytes, name: str) -> None:
    """Refuse a file whose parts would take too long to walk, before it is opened.

    Broken structures pass: the decoder says what is wrong with them.

    Args:
        data: The whole file.
        name: What errors call it.

    Raises:
        CorruptImageError: If it has more parts than an image needs.
        PixelLimitError: If it is a BMP with runs and too large for that.
    """
    checks = {
        b"\xff\xd8": _check_jpeg, b"\x89P": _check_png, b"GI": _check_gif, b"II": _check_tiff, b"MM": _check_tiff,
        b"BM": _check_bmp,
    }  # fmt: skip
    check = checks.get(data[:2])
    if check is not None:
        with suppress(IndexError, OverflowError, struct.error):  # it points beyond its end
            check(data, name)


def check_pixels(data: bytes, name: str) -> None:
    """Refuse a JPEG whose pixels take too long to decode, or aren't all there; its size is known to be allowed.

    Args:
        data: The whole file, of any format.
        name: What errors call it.

    Raises:
        CorruptImageError: If it has too many scans.
        TruncatedImageError: If it has less data than its size needs at the very least.
    """
    if data.startswith(b"\xff\xd8"):
        with suppress(IndexError, struct.error):
            _check_scans(data, name)


def _too_many(name: str, what: str, most: int) -> CorruptImageError:
    return CorruptImageError(name, f"more than {most:,} {what}, which no image needs")


def _check_jpeg(data: bytes, name: str) -> None:
    """Check what Pillow walks: the segments before the pixels."""
    exif = 0
    for marker, start, _ in jpeg_segments(data, name):
        if marker == 0xDA:
            return
        exif += marker == 0xE1 and data.startswith(b"Exif\0\0", start)
        if exif > MOST_EXIF_SEGMENTS:
            raise _too_many(name, "EXIF segments", MOST_EXIF_SEGMENTS)


def _check_scans(data: bytes, name: str) -> None:
    """Check what libjpeg walks: the scans of the first image."""
    visits = entropy = kind = 0
    blocks: dict[int, int] = {}
    for marker, start, end in jpeg_segments(data, name):
        if marker in FRAMES and not kind:
            kind, blocks = marker, jpeg_frame(data, start).blocks
        elif marker == 0xDA:
            parts = data[start + 1 : start + 1 + 2 * data[start] : 2]
            visits += sum(blocks.get(part, 0) for part in parts)
            if visits > MOST_BLOCK_VISITS:
                raise CorruptImageError(name, "its scans take more work than an image of this size needs")
            found = _ENTROPY_END.search(data, end)
            entropy += (found.start() if found else len(data)) - end
    # Each block has a code of at least one bit for its mean, and if sequential one for the rest.
    least = 0 if kind in ARITHMETIC else sum(blocks.values()) * (2 if kind in _SEQUENTIAL else 1) // 8
    if kind and entropy < least:
        raise TruncatedImageError(
            name, f"the file ends too early ({entropy:,} bytes of pixels where {least:,} are the least for its size)"
        )


def jpeg_segments(data: bytes, name: str) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of the segments up to the end of the first image.

    Raises:
        CorruptImageError: If there are more of them, or more between them, than an image needs.
    """
    place = 2
    for _ in range(MOST_SEGMENTS):
        found = _FILL.search(data, place)  # what lies between segments is skipped, as decoders do
        if not found or found.end() >= len(data):
            return
        if found.end() - place > MOST_FILL:
            raise CorruptImageError(name, f"more than {MOST_FILL:,} bytes of nothing between two segments")
        marker, start = data[found.end()], found.end() + 1
        if marker == 0xD9:
            return
        if marker in (0x00, 0x01, 0xD8) or 0xD0 <= marker <= 0xD7:  # without a length
            place = start
            continue
        place = start + int.from_bytes(data[start : start + 2], "big")
        yield marker, start + 2, place
        if marker == 0xDA:
            end = _ENTROPY_END.search(data, place)
            if not end:
                return
            place = end.start()
    raise _too_many(name, "segments", MOST_SEGMENTS)


@dataclass(frozen=True)
class JpegFrame:
    """A frame header.

    Attributes:
        parts: Its components: how often each is sampled across and down.
        blocks: 8x8 blocks of each component.
        interleaved: Units of a scan with several components.
    """

    parts: dict[int, tuple[int, int]]
    blocks: dict[int, int]
    interleaved: int

    def units(self, parts: list[int]) -> int:
        """Return how many units a scan of these components has, after which restart markers may stand."""
        return self.interleaved if len(parts) > 1 else self.blocks[parts[0]]


def jpeg_frame(data: bytes, start: int) -> JpegFrame:
    """Read a frame header.

    Raises:
        IndexError: If the data end inside it.
        struct.error: If they end before it.
    """
    height, width, count = struct.unpack_from(">HHB", data, start + 1)
    at = range(start + 6, start + 6 + 3 * count, 3)
    parts = {data[place]: (data[place + 1] >> 4, data[place + 1] & 15) for place in at}
    across, down = (max((part[axis] for part in parts.values()), default=1) or 1 for axis in (0, 1))
    blocks = {
        part: _up(_up(width * wide, across), 8) * _up(_up(height * tall, down), 8)
        for part, (wide, tall) in parts.items()
    }
    return JpegFrame(parts, blocks, _up(width, 8 * across) * _up(height, 8 * down))


def _up(amount: int, unit: int) -> int:
    """Return how many units hold this amount."""
    return -(-amount // unit)


def _check_png(data: bytes, name: str) -> None:
    place, chunks, pixel_chunks = 8, 0, 0
    while place + 12 <= len(data):
        if data[place + 4 : place + 8] in (b"IDAT", b"fdAT"):
            pixel_chunks += 1
        else:
            chunks += 1
        if chunks > MOST_CHUNKS:
            raise _too_many(name, "chunks beside the pixels", MOST_CHUNKS)
        if pixel_chunks > MOST_PIXEL_CHUNKS:
            raise _too_many(name, "chunks of pixels", MOST_PIXEL_CHUNKS)
        place += 12 + int.from_bytes(data[place : place + 4], "big")


def _check_gif(data: bytes, name: str) -> None:
    place = 13 + _colours(data[10])
    blocks = comments = frames = 0
    while place < len(data) and data[place] != 0x3B:  # the end
        kind, comment = data[place], False
        if kind == 0x2C:  # an image: its place, flags, palette, the width of its codes
            frames += 1
            place += 11 + _colours(data[place + 9])
        elif kind == 0x21:  # an extension
            comment = data[place + 1] == 0xFE
            place += 2
        else:  # nothing that has a name; skipped, as Pillow does, a byte a block
            start, place = place, _nameless(data, place)
            blocks += place - start
        while kind in (0x21, 0x2C) and (size := data[place]) and blocks <= MOST_SUB_BLOCKS:
            place += 1 + size
            blocks += 1
            comments += comment
        place += kind in (0x21, 0x2C)  # the empty block at their end
        if blocks > MOST_SUB_BLOCKS:
            raise _too_many(name, "blocks", MOST_SUB_BLOCKS)
        if comments > MOST_COMMENT_BLOCKS:
            raise _too_many(name, "blocks of comments", MOST_COMMENT_BLOCKS)
        if frames > MOST_FRAMES:
            raise _too_many(name, "frames", MOST_FRAMES)


def _nameless(data: bytes, place: int) -> int:
    """Return where the next block that has a name begins, or the file ends."""
    named = _NAMED.search(data, place)
    return named.start() if named else len(data)


def _colours(flags: int) -> int:
    """Return the bytes of the palette that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 128 else 0


def _check_tiff(data: bytes, name: str) -> None:
    order = "<" if data.startswith(b"II") else ">"
    big = 43 in data[2:4]
    count_form, entry_form, next_form = (order + form for form in (("Q", "HHQ", "Q") if big else ("H", "HHI", "I")))
    head, size = (8, 20) if big else (2, 12)
    (page,) = struct.unpack_from(next_form, data, 8 if big else 4)
    seen, entries, strips = set[int](), 0, 0
    while page and page not in seen:
        seen.add(page)
        (count,) = struct.unpack_from(count_form, data, page)
        entries += count
        if len(seen) > MOST_PAGES:
            raise _too_many(name, "pages", MOST_PAGES)
        if entries > MOST_ENTRIES:
            raise _too_many(name, "entries in its directories", MOST_ENTRIES)
        for at in range(page + head, page + head + size * count, size):
            tag, _, values = struct.unpack_from(entry_form, data, at)
            strips += values if tag in _STRIPS else 0
        if strips > MOST_STRIPS:
            raise _too_many(name, "strips or tiles", MOST_STRIPS)
        (page,) = struct.unpack_from(next_form, data, page + head + size * count)


def _check_bmp(data: bytes, name: str) -> None:
    (header,) = struct.unpack_from("<I", data, 14)
    if header < 40 or struct.unpack_from("<I", data, 30)[0] not in (1, 2):
        return
    width, height = struct.unpack_from("<ii", data, 18)
    if abs(width * height) > MOST_RUN_PIXELS or len(data) > MOST_RUN_BYTES:
        raise PixelLimitError(name, f"{width}x{abs(height)} pixels are too many for a run-length-coded BMP")
