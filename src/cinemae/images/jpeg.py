"""Decoding a JPEG so that damage inside it shows.

libjpeg makes something up for whatever it can't read, and its warnings don't reach Python. But it works on what it is
given, and says how much of that it took. So a scan is handed over in parts, and bytes are put in where a run of coded
data ends, which a decoder that has all its blocks skips, and one that still lacks some takes for data:

- As long as it decodes, it fetches at least 5 bytes at a time, and gives those of an unfinished block back; once it has
  all its blocks, it skips each byte as it comes, up to the next marker.
- It still decodes in the filling: it lacked data, and would have made up blocks. Such a file is refused.
- It already skips the last bytes of a run: some of its blocks were lost, or the file is padded, as some cameras do.
  Such a file is scored with a note.

Pixels of a sound file are the same as without all this. Damage that leaves the number of blocks right can't be told.
Arithmetic coding is not checked: there, data that end early are right.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cinemae.images.errors import EndsEarlyError, UnsupportedModeError
from cinemae.images.structure import ARITHMETIC, FRAMES, jpeg_frame, jpeg_segments

NO_END = "the JPEG lacks its end marker; its pixels are all there"
LEFT_OVER = "the JPEG's coded data are damaged or padded: some belong to no block"
NO_DETAIL = "the JPEG's scans end before the last detail"
CUT = "the JPEG's picture is not all there"
MOST_RUNS = 50_000  # looked at; the rest is handed over as it is
MOST_RUNS_STEPPED = 500  # looked at for data that are left over, too
STEPS = 9  # bytes handed over one by one at the end of a run
ONE = b"\xff\x00"  # eight bits that are no code
ONES = ONE * 7  # just what libjpeg reads ahead at most
OTHERS = (bytes(64), b"\x55" * 64, b"\xaa" * 64)  # whatever a code is, one of these is none of it
END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[\x01-\xfe]")


@dataclass
class Plan:
    """What a walk over the markers found.

    Attributes:
        ends: Where each run of coded data ends, in order; empty if it is not to be checked.
        closed: Whether a marker follows the last run.
        wrong: What is wrong with the restart markers, or an empty string.
        bits: For each component, how many bits of each coefficient are still missing; None if there was no scan of it.
    """

    ends: list[int] = field(default_factory=list)
    closed: bool = True
    wrong: str = ""
    bits: dict[int, list[int | None]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the scans give every coefficient to the last bit."""
        return not any(any(bits) or None in bits for bits in self.bits.values())


class DamagedError(ValueError):
    """Coded data that don't give the picture."""


def load_jpeg(image: JpegImageFile, data: bytes) -> list[str]:
    """Decode an opened JPEG, or the first picture of an MPO.

    Args:
        image: Gets its pixels; a reduced scale that was set before is kept.
        data: The whole file.

    Returns:
        What is to be said: that the end marker is missing, or data were left over.

    Raises:
        DamagedError: If blocks or restart markers are missing inside.
        EndsEarlyError: If data end before the picture does.
        UnsupportedModeError: If it has four inks and no word whether they are stored as negative.
    """
    if image.mode == "CMYK" and "adobe" not in image.info:
        raise UnsupportedModeError("a CMYK JPEG without Adobe's marker doesn't say whether it is a negative")
    plan = walk(data)
    if plan.wrong and plan.closed:
        raise DamagedError(f"the JPEG's coded data are damaged: {plan.wrong}")
    if plan.closed:
        pixels, left_over = _decode(image, data, plan.ends)
        notes = [LEFT_OVER] * left_over + [NO_DETAIL] * (not plan.complete)
    else:
        pixels, notes = _decode_unclosed(image, data, plan), [NO_END]
    image.im, image.tile, image.fp = pixels.im, [], None
    return notes


def walk(data: bytes) -> Plan:
    """Find the runs of coded data of the first image; what can't be followed is left to libjpeg."""
    plan, frame, interval = Plan(), None, 0
    with suppress(IndexError, KeyError, ValueError, struct.error):  # it points beyond its end
        for marker, start, end in jpeg_segments(data, ""):
            if marker in FRAMES and frame is None:
                if marker in ARITHMETIC:
                    return Plan()
                frame = jpeg_frame(data, start)
                plan.bits = {part: [None] * 64 for part in frame.parts}
            elif marker == 0xDD:
                interval = int.from_bytes(data[start : start + 2], "big")
            elif marker == 0xDA and frame is not None:
                scanned = _note_scan(plan, data, start)
                restarts = _note_runs(plan, data, end)
                plan.wrong = plan.wrong or _wrong(restarts, frame.units(scanned), interval)
    return plan


def _note_scan(plan: Plan, data: bytes, start: int) -> list[int]:
    """Enter which bits of which coefficients a scan gives; return its components."""
    count = data[start]
    parts = list(data[start + 1 : start + 1 + 2 * count : 2])
    first, last, bits = data[start + 1 + 2 * count : start + 4 + 2 * count]
    for part in parts:
        for place in range(first, min(last, 63) + 1):
            plan.bits[part][place] = bits & 15
    return parts


def _note_runs(plan: Plan, data: bytes, start: int) -> list[int]:
    """Enter where the runs of a scan end; return the numbers of the restart markers between them."""
    restarts: list[int] = []
    for found in _MARKER.finditer(data, start):
        plan.ends.append(_trimmed(data, found.start(), start))
        marker = data[found.start() + 1]
        if not 0xD0 <= marker <= 0xD7:
            return restarts
        restarts.append(marker - 0xD0)
        start = found.end()
    plan.ends.append(_trimmed(data, len(data), start))
    plan.closed = False
    return restarts


def _trimmed(data: bytes, end: int, start: int) -> int:
    """Return an end before bytes that only fill up."""
    while end > start and data[end - 1] == 0xFF:
        end -= 1
    return end


def _wrong(restarts: list[int], units: int, interval: int) -> str:
    """Say what is wrong with a scan's restart markers; one more at the very end is no harm."""
    if not interval:
        return "restart markers where none belong" if restarts else ""
    expected = -(-units // interval) - 1
    if len(restarts) not in (expected, expected + 1):
        return f"{len(restarts)} restart markers where {expected} belong"
    if any(number != place % 8 for place, number in enumerate(restarts)):
        return "restart markers out of order"
    return ""


def _decode(image: JpegImageFile, data: bytes, ends: list[int]) -> tuple[Image.Image, bool]:
    """Have libjpeg decode a file in parts.

    Args:
        image: Says mode, size and scale.
        data: The file, with an end marker.
        ends: Where the runs of coded data end.

    Returns:
        The pixels, and whether data were left over at the end of a run.

    Raises:
        DamagedError: If a run had too little data.
        EndsEarlyError: If the file ended before the picture did.
    """
    pixels = Image.new(image.mode, image.size, None)
    decoder_name, extents, _, args = image.tile[0]
    decoder = Image._getdecoder(image.mode, decoder_name, args, image.decoderconfig)
    left_over = False
    try:
        decoder.setimage(pixels.im, extents)
        parts = _Parts(decoder, data)
        for number, end in enumerate(islice(ends, MOST_RUNS)):
            stepped = number < MOST_RUNS_STEPPED
            if stepped and end - parts.place >= 2 * STEPS:
                parts.upto(end - STEPS)
                left_over |= not sum(parts.upto(place) for place in range(end - STEPS + 1, end + 1))
            else:
                parts.upto(end)
            if parts.give(ONES) or (stepped and sum(parts.give(ONE) for _ in range(STEPS))):
                raise DamagedError("the JPEG's coded data are damaged or cut: blocks are missing")
        parts.upto(len(data))
        if not parts.done:
            raise EndsEarlyError(CUT)
    finally:
        decoder.cleanup()
    return pixels, left_over


class _Parts:
    """Hands bytes to a decoder; what it doesn't take is handed over again with the next."""

    def __init__(self, decoder: Any, data: bytes) -> None:
        self.decoder, self.data = decoder, memoryview(data)
        self.place, self.done, self._kept = 0, False, b""

    def upto(self, end: int) -> int:
        """Hand over the file up to this place, and return how many bytes were not taken."""
        part, self.place = self.data[self.place : end], end
        return self.give(part)

    def give(self, part: bytes | memoryview) -> int:
        """Hand over bytes, and return how many were not taken."""
        if self.done:
            return 0
        handed = b"".join((self._kept, part))
        taken, error = self.decoder.decode(handed)
        if taken >= 0:
            self._kept = handed[taken:]
            return len(self._kept)
        self.done = True
        if error < 0:
            raise OSError(f"broken data stream when reading image file (decoder error {error})")
        return 0


def _decode_unclosed(image: JpegImageFile, data: bytes, plan: Plan) -> Image.Image:
    """Decode a file without an end marker with different bits behind it: none of them may reach the picture."""
    if plan.wrong or not plan.complete:
        raise EndsEarlyError(CUT)
    end = plan.ends[-1]
    try:
        pixels, _ = _decode(image, data[:end] + END, plan.ends)
    except DamagedError as error:
        raise EndsEarlyError(CUT) from error
    for other in OTHERS:
        again, _ = _decode(image, data[:end] + other + END, [])
        if not np.array_equal(np.asarray(pixels), np.asarray(again)):
            raise EndsEarlyError(CUT)
    return pixels
