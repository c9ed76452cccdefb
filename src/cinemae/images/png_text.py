"""PNG text that Pillow would refuse the whole picture for: too large once unpacked. The pixels need none of it."""

from __future__ import annotations

import zlib

MOST_UNPACKED = 1 << 20  # bytes of a chunk, as Pillow's MAX_TEXT_CHUNK
MOST_TOGETHER = 32 << 20  # of all chunks, below Pillow's MAX_TEXT_MEMORY
LEAST_PACKED = MOST_UNPACKED // 1032  # zlib's best: fewer bytes can't unpack to too many
_START = b"\x89PNG\r\n\x1a\n"


def without_large_text(data: bytes) -> bytes:
    """Return a PNG without the text chunks that are too large to unpack; any other file as it is.

    Args:
        data: The whole file.
    """
    if not data.startswith(_START) or not any(kind in data for kind in (b"zTXt", b"iTXt", b"tEXt")):
        return data
    place, total, left_out = len(_START), 0, list[tuple[int, int]]()
    while place + 12 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 12 + size
        if kind in (b"zTXt", b"iTXt", b"tEXt"):
            # Once there is too much, no other is unpacked: thousands of them would take their time.
            unpacked = (
                0
                if total > MOST_TOGETHER
                else _unpacked(kind, data[place + 8 : place + 8 + min(size, 200)], data, place + 8, size)
            )
            total += unpacked
            if unpacked > MOST_UNPACKED or total > MOST_TOGETHER:
                left_out.append((place, end))
        place = end
    if not left_out:
        return data
    ends = [0, *(end for _, end in left_out)]
    starts = [*(start for start, _ in left_out), len(data)]
    return b"".join(data[end:start] for end, start in zip(ends, starts, strict=True))


def _unpacked(kind: bytes, head: bytes, data: bytes, start: int, size: int) -> int:
    """Return how many bytes a chunk holds once unpacked; one more than allowed stands for all that are more."""
    key = head.find(b"\0")
    packed = kind == b"zTXt" or (kind == b"iTXt" and head[key + 1 : key + 2] == b"\1")
    if not packed or size < LEAST_PACKED:
        return size if not packed else 0
    skip = key + 2
    if kind == b"iTXt":  # two flags, a language, a translated keyword
        language = data.find(b"\0", start + key + 3, start + size)
        skip = data.find(b"\0", language + 1, start + size) + 1 - start
    try:
        return len(zlib.decompressobj().decompress(data[start + skip : start + size], MOST_UNPACKED + 1))
    except zlib.error:  # Pillow leaves it out itself
        return 0
