"""What a PNG says before its pixels and Pillow doesn't pass on: depth, the transparent key, colour spaces."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cinemae.images.colour import Chromaticities

GREY, COLOUR, PALETTE = 0, 2, 3


@dataclass
class PngHeader:
    """The chunks before the pixels.

    Attributes:
        depth: Bits of a sample as stored.
        kind: Colour type.
        key: Transparent shade or colour in the samples' own depth; None if there is none.
        cicp: Code points of the colour space and range (1 full).
        profiled: Whether a profile or sRGB is stated, which overrule the following.
        chromaticities: Of white, red, green and blue.
        gamma: Exponent from samples to light.
    """

    depth: int
    kind: int
    key: tuple[int, ...] | None = None
    cicp: tuple[int, int, int, int] | None = None
    profiled: bool = False
    chromaticities: Chromaticities | None = None
    gamma: float | None = None


def read_header(data: bytes) -> PngHeader:
    """Read the chunks of a PNG up to its pixels; broken ones are left to the decoder.

    Args:
        data: A file that begins as a PNG.
    """
    header = PngHeader(*data[24:26])
    place = 8
    while place + 12 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if kind == b"IDAT":
            break
        _note(header, kind, data[place + 8 : place + 8 + min(size, 64)])
        place += 12 + size
    return header


def _note(header: PngHeader, kind: bytes, body: bytes) -> None:
    wide = {GREY: 1, COLOUR: 3}.get(header.kind)
    if kind == b"tRNS" and wide and len(body) >= 2 * wide:
        # Only the low bits count (PNG specification, 11.3.1.1).
        header.key = tuple(value & ((1 << header.depth) - 1) for value in struct.unpack_from(f">{wide}H", body))
    elif kind == b"cICP" and len(body) == 4:
        header.cicp = (body[0], body[1], body[2], body[3])
    elif kind in (b"iCCP", b"sRGB"):
        header.profiled = True
    elif kind == b"gAMA" and len(body) == 4 and any(body):
        header.gamma = 100_000 / int.from_bytes(body, "big")
    elif kind == b"cHRM" and len(body) == 32:
        header.chromaticities = tuple(value / 100_000 for value in struct.unpack(">8I", body))
