"""Ways to damage a file. File ``number`` of a seed is always the same bytes, so a failure can be made again."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable

from .samples import PNG_START, mend_png

LONGEST = 1 << 18
HEADER = 200  # bytes in which most formats say what they are
WORDS = (
    b"\xff\xd8", b"\xff\xd9", b"\xff\xda\0\x08", b"\xff\xc0\0\x11", b"\xff\xc2\0\x11", b"\xff\xc4\0\x1f",
    b"\xff\xdb\0\x43", b"\xff\xdd\0\4\0\1", b"\xff\xe0\0\x10JFIF\0", b"\xff\xe1\0\x20Exif\0\0", b"\xff\xff", b"\xff\0",
    b"\xff\xe2\0\x20ICC_PROFILE\0\1\1", b"\xff\xe2\0\x20MPF\0", b"\xff\xee\0\x0eAdobe",
    PNG_START, b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"iTXt", b"zTXt", b"acTL", b"fcTL",
    b"fdAT", b"sRGB",
    b"GIF87a", b"GIF89a", b"!\xf9\4", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0", b"!\xfe\xff", b",\0\0\0\0", b";",
    b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"XMP ",
    b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"\0\1\3\0\1\0\0\0", b"\x11\1\4\0\xff\xff\xff\x7f",
    b"\x12\1\3\0\1\0\0\0", b"BM", b"\x28\0\0\0", b"\1\0\0\0", b"\0\2\xff\xff", b"\0\0\0\0",
    b"ftypavif", b"ftypavis", b"ftypheic", b"meta", b"iloc", b"iinf", b"iprp", b"ispe", b"av1C", b"grid", b"moov",
    b"stsz", b"mdat", b"pitm\0\0\0\0\0\1", b"pitm\0\0\0\0\0\2", b"iref", b"infe", b"dimg", b"auxl", b"hvcC",
    b"clap", b"irot", b"colrnclx\0\x09\0\x10\0\x09\x80", b"cICP", b"gAMA", b"cHRM", b"\xfe\0\4\0\1\0\0\0\1\0\0\0",
    b"\x4a\1\4\0\1\0\0\0",
)  # fmt: skip
NUMBERS = (0, 1, 2, 7, 8, 16, 32, 127, 128, 255, 256, 8191, 32767, 32768, 65535, 65536, 1 << 24, (1 << 31) - 1, 1 << 31)
BLOCKS = re.compile(
    rb"\xff[\xc0-\xfe]|!\xf9|!\xff|!\xfe|ANMF|VP8.|IDAT|fcTL|fdAT|tEXt|ipma|iloc|iref|infe|ispe|moov|trak", re.DOTALL
)

Mutation = Callable[[random.Random, bytearray, list[bytes]], bytearray]


def damaged(files: dict[str, bytes], seed: int, number: int) -> tuple[str, bytes]:
    """Return what was done to which file, and the bytes.

    Args:
        files: Sound files by name.
        seed: Seed of the whole run.
        number: Number of the file in the run, from 0.
    """
    rng = random.Random(f"{seed}/{number}")
    names = sorted(files)
    name = names[number % len(names)]
    data, others, done = bytearray(files[name]), list(files.values()), [name]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        kind = rng.choice(list(MUTATIONS))
        done.append(kind)
        data = MUTATIONS[kind](rng, data, others)[:LONGEST]
    if data.startswith(PNG_START) and rng.random() < 0.8:  # otherwise every damage ends at the first CRC
        data = bytearray(mend_png(bytes(data)))
    return "+".join(done), bytes(data)


def _place(rng: random.Random, data: bytearray, room: int = 1) -> int:
    """A place in the file, half of the time in its header."""
    most = max(0, len(data) - room)
    return rng.randint(0, min(most, HEADER) if rng.random() < 0.5 else most)


def flip_bits(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Flip some bits anywhere."""
    for _ in range(rng.randint(1, 16) if data else 0):
        data[_place(rng, data)] ^= 1 << rng.randrange(8)
    return data


def overwrite_run(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Put one byte, or random ones, over a run of bytes."""
    place, length = _place(rng, data), min(rng.randint(1, 80), len(data))
    value = rng.choice((bytes(1), b"\xff", rng.randbytes(1), None))
    data[place : place + length] = rng.randbytes(length) if value is None else value * length
    return data


def cut(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """End the file early."""
    return data[: rng.randint(0, len(data))]


def remove(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Take bytes out of the middle."""
    place = _place(rng, data)
    del data[place : place + rng.randint(1, 64)]
    return data


def splice(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Go on as another file."""
    other = rng.choice(others)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def write_word(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Put words that mean something to one of the formats over others, or between them."""
    for _ in range(rng.randint(1, 3)):
        place, word = _place(rng, data), rng.choice(WORDS)
        data[place : place + rng.choice((0, len(word)))] = word
    return data


def write_number(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Put extreme numbers where lengths, sizes and counts stand."""
    for _ in range(rng.randint(1, 4)):
        form = rng.choice(("<H", ">H", "<I", ">I", "<I", ">I", "<Q", ">Q"))
        size = struct.calcsize(form)
        value = rng.choice(NUMBERS) if rng.random() < 0.7 else rng.getrandbits(8 * size)
        place = _place(rng, data, size)
        data[place : place + size] = struct.pack(form, value & ((1 << 8 * size) - 1))
    return data


def repeat_block(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Say a chunk, a segment or a frame again, up to some thousand times."""
    starts = [found.start() for found in BLOCKS.finditer(data)] or [_place(rng, data)]
    first = rng.choice(starts)
    later = [start for start in starts if start > first]
    end = rng.choice(later[:4]) if later else min(len(data), first + rng.randint(1, 64))
    if data.startswith(PNG_START):  # the length stands before the name
        first, end = max(0, first - 4), max(0, end - 4)
    times = rng.choice((1, 2, 10, 200, 5000))
    block = bytes(data[first:end])[: LONGEST // times]
    data[first:first] = block * times
    return data


def resize(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Declare another size where this format states it; up to some 100 million pixels."""
    width, height = (rng.choice((0, 1, 31, 64, 255, 4000, 9999, 65535)) for _ in range(2))
    if data.startswith(PNG_START):
        data[16:24] = struct.pack(">II", width, height)
    elif data.startswith(b"GIF8"):
        frame = data.find(b",")
        place = 6 if rng.random() < 0.5 or frame < 0 else frame + 5
        data[place : place + 4] = struct.pack("<HH", width, height)
    elif data.startswith(b"BM"):
        data[18:26] = struct.pack("<ii", width, rng.choice((height, -height)))
    elif (frame := max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))) > 0:
        data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    elif (box := data.find(b"ispe")) > 0:
        data[box + 8 : box + 16] = struct.pack(">II", width, height)
    elif (box := data.find(b"VP8X")) > 0:
        data[box + 12 : box + 18] = width.to_bytes(3, "little") + height.to_bytes(3, "little")
    else:
        return write_number(rng, data, others)
    return data


def repack_png(rng: random.Random, data: bytearray, others: list[bytes]) -> bytearray:
    """Damage what is inside a PNG's compressed pixels and compress it again; bit flips for other files."""
    place = data.find(b"IDAT")
    if not data.startswith(PNG_START) or place < 0:
        return flip_bits(rng, data, others)
    end = place + 4 + int.from_bytes(data[place - 4 : place], "big")
    try:
        rows = bytearray(zlib.decompress(bytes(data[place + 4 : end])))
    except zlib.error:  # damaged before
        return flip_bits(rng, data, others)
    for _ in range(20):
        rows[rng.randrange(len(rows))] = rng.choice((0, 4, 5, 255, rng.randrange(256)))
    packed = zlib.compress(bytes(rows) * rng.choice((1, 1, 50)))
    data[place - 4 : end] = len(packed).to_bytes(4, "big") + b"IDAT" + packed
    return data


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        flip_bits, overwrite_run, cut, remove, splice, write_word, write_number, repeat_block, resize, repack_png,
    )
}  # fmt: skip
