"""The header of AV1 data: the size and the colours of what is coded, whatever the file around it says."""

from __future__ import annotations

from typing import NamedTuple

MOST_UNITS = 64  # before the header
_HEADER = 1


class SequenceHeader(NamedTuple):
    """What it states.

    Attributes:
        width: Largest width of a frame in pixels.
        height: Largest height of a frame in pixels.
        cicp: Primaries, transfer, matrix and range (1 full); None if it describes no colours.
    """

    width: int
    height: int
    cicp: tuple[int, int, int, int] | None


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.number, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise IndexError("the header ends early")
        return (self.number >> self.left) & ((1 << count) - 1)

    def take_leading_zeros(self) -> int:
        """Read a number of variable length (AV1 specification, 4.10.3)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros >= 32:
                return (1 << 32) - 1
        return self.take(zeros) + (1 << zeros) - 1


def read_sequence_header(data: bytes) -> SequenceHeader | None:
    """Find and read the first sequence header of a coded picture; None if there is none that can be read.

    Args:
        data: Coded data: units with their sizes (AV1 specification, 5.3).
    """
    at = 0
    try:
        for _ in range(MOST_UNITS):
            first = data[at]
            at += 2 if first & 4 else 1  # with an extension
            size = len(data) - at
            if first & 2:
                size, at = _leb128(data, at)
            if first >> 3 & 15 == _HEADER:
                return _parse(_Bits(data[at : at + min(size, 512)]))
            at += size
    except IndexError:
        return None
    return None


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return a size and where it ends."""
    value = 0
    for place in range(8):
        byte = data[at]
        value |= (byte & 127) << (7 * place)
        at += 1
        if not byte & 128:
            break
    return value, at


def _parse(bits: _Bits) -> SequenceHeader:
    """Read as far as the colours (AV1 specification, 5.5.1)."""
    profile = bits.take(3)
    bits.take(1)
    reduced = bits.take(1)
    if reduced:
        bits.take(5)
    else:
        _skip_operating_points(bits)
    wide, high = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(wide) + 1, bits.take(high) + 1
    if not reduced and bits.take(1):  # numbers of frames
        bits.take(7)
    bits.take(3)  # large blocks, filters
    if not reduced:
        bits.take(4)
        ordered = bits.take(1)
        bits.take(2 * ordered)
        chosen = 2 if bits.take(1) else bits.take(1)
        if chosen and not bits.take(1):
            bits.take(1)
        bits.take(3 * ordered)
    bits.take(3)
    return SequenceHeader(width, height, _colours(bits, profile))


def _skip_operating_points(bits: _Bits) -> None:
    delay_length, model = 0, 0
    if bits.take(1):  # times
        bits.take(64)
        if bits.take(1):
            bits.take_leading_zeros()
        model = bits.take(1)
        if model:
            delay_length = bits.take(5) + 1
            bits.take(42)
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if model and bits.take(1):
            bits.take(2 * delay_length + 1)
        if delays and bits.take(1):
            bits.take(4)


def _colours(bits: _Bits, profile: int) -> tuple[int, int, int, int] | None:
    """Read the colours (AV1 specification, 5.5.2)."""
    deep = bits.take(1)
    if profile == 2 and deep:
        bits.take(1)
    grey = 0 if profile == 1 else bits.take(1)
    if not bits.take(1):
        return None
    primaries, transfer, matrix = bits.take(8), bits.take(8), bits.take(8)
    full = 1 if not grey and (primaries, transfer, matrix) == (1, 13, 0) else bits.take(1)
    return primaries, transfer, matrix, full
