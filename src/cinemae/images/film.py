"""Films (AVIF sequences): the size of what is coded in their first frames, which libavif scales to what is declared."""

from __future__ import annotations

import struct
from contextlib import suppress

from cinemae.images.av1 import SequenceHeader, read_sequence_header
from cinemae.images.boxes import BoxBudget, TooManyBoxesError, find_boxes
from cinemae.images.errors import CorruptImageError

MOST_BOXES = 5_000
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def check_coded_size(data: bytes, size: tuple[int, int], name: str) -> SequenceHeader | None:
    """Compare the declared size with that of the first frame of every track: the picture and its mask.

    Args:
        data: The whole file.
        size: Declared width and height in pixels.
        name: What errors call it.

    Returns:
        The header of the first track.

    Raises:
        CorruptImageError: If a track has no frame that says its size, or another size.
    """
    headers = [read_sequence_header(data[start : start + 65536]) for start in _first_frames(data)]
    for header in headers:
        if header is None:
            raise CorruptImageError(name, "its first frame doesn't begin with a header that states its size")
        if (header.width, header.height) != size:
            raise CorruptImageError(
                name, f"declares {size[0]}x{size[1]} pixels, but {header.width}x{header.height} are coded"
            )
    return headers[0] if headers else None


def _first_frames(data: bytes) -> list[int]:
    """Return where the first frame of each track lies."""
    places: list[int] = []
    budget = BoxBudget(MOST_BOXES)
    waiting = [(0, len(data))]
    with suppress(struct.error, IndexError, TooManyBoxesError):  # broken boxes: the decoder says what is wrong
        while waiting:
            start, end = waiting.pop(0)
            for kind, first, last in find_boxes(data, start, end, budget):
                if kind in _CONTAINERS:
                    waiting.append((first, last))
                elif kind == b"stco":
                    places.append(struct.unpack_from(">I", data, first + 8)[0])
                elif kind == b"co64":
                    places.append(struct.unpack_from(">Q", data, first + 8)[0])
    return places
