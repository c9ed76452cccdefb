"""The primary picture of a HEIC or AVIF: what its decoder doesn't tell.

The decoders pick it themselves, but libavif scales whatever is coded to the size that the file declares, and Pillow
passes on neither the crop nor the colour space of an AVIF.
"""

from __future__ import annotations

import struct
from fractions import Fraction

from cinemae.images.av1 import SequenceHeader, read_sequence_header
from cinemae.images.boxes import MOST_ITEMS, Collection, Item
from cinemae.images.errors import CorruptImageError

Cicp = tuple[int, int, int, int]


def check_coded_size(collection: Collection, name: str) -> SequenceHeader | None:
    """Compare the sizes that an AVIF declares with those in its coded pictures, which libavif would only scale.

    Args:
        collection: The file's items.
        name: What errors call it.

    Returns:
        The header of the primary picture's first part; None if the file has no AV1 picture.

    Raises:
        CorruptImageError: If the sizes differ.
    """
    found = None
    for number in _decoded(collection):
        item = collection.items[number]
        if item.kind != b"av01":
            continue
        header = read_sequence_header(collection.content(number)) or read_sequence_header(
            (item.get(b"av1C") or b"")[4:]
        )
        if header is None:
            raise CorruptImageError(name, "its coded picture doesn't begin with a header that states its size")
        if item.size is not None and (header.width, header.height) != item.size:
            declared = f"{item.size[0]}x{item.size[1]}"
            raise CorruptImageError(name, f"declares {declared} pixels, but {header.width}x{header.height} are coded")
        found = found or header
    return found


def colours(collection: Collection, header: SequenceHeader | None = None) -> Cicp | None:
    """Return primaries, transfer, matrix and range (1 full) that the primary picture states; None if it has a profile.

    Args:
        collection: The file's items.
        header: What its coded data say, which counts where the file says nothing.
    """
    item = collection.items.get(collection.primary or 0)
    tiles = [to for kind, tos in item.links if kind == b"dimg" for to in tos] if item else []
    # A grid may leave it to its tiles.
    told = next((one for one in (item, *map(collection.items.get, tiles[:1])) if one and one.get(b"colr")), Item())
    stated = [body for kind, body in told.properties if kind == b"colr"]
    if any(body[:4] in (b"prof", b"rICC") for body in stated):
        return None
    for body in stated:
        if body[:4] == b"nclx" and len(body) >= 11:
            primaries, transfer, matrix = struct.unpack_from(">3H", body, 4)
            return primaries, transfer, matrix, body[10] >> 7
    return header.cicp if header else None


def crop(collection: Collection, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return the part of the primary picture that its clean aperture leaves: left, top, right, bottom; None if all.

    Args:
        collection: The file's items.
        width: Decoded width in pixels.
        height: Decoded height in pixels.

    Raises:
        ValueError: If it is no part of the picture.
    """
    item = collection.items.get(collection.primary or 0)
    body = item.get(b"clap") if item else None
    if body is None or len(body) < 32:
        return None
    numbers = struct.unpack_from(">8i", body)
    if not all(numbers[1::2]):
        raise ValueError("its crop divides by zero")
    wide, high, right, down = (Fraction(*numbers[at : at + 2]) for at in range(0, 8, 2))
    left, top = Fraction(width - 1, 2) + right - (wide - 1) / 2, Fraction(height - 1, 2) + down - (high - 1) / 2
    box = (int(left), int(top), int(left + wide), int(top + high))
    if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
        raise ValueError("its crop lies outside of the picture")
    return None if box == (0, 0, width, height) else box


def is_turned(collection: Collection) -> bool:
    """Tell whether the primary picture is turned or mirrored by the file itself."""
    item = collection.items.get(collection.primary or 0)
    return item is not None and any(kind in (b"irot", b"imir") for kind, _ in item.properties)


def _decoded(collection: Collection) -> list[int]:
    """Return the items that decoding the primary picture takes: itself, its parts, its masks and their parts."""
    items = collection.items
    wanted = [collection.primary] if collection.primary in items else []
    masks = [
        key for key, item in items.items() if any(k == b"auxl" and collection.primary in to for k, to in item.links)
    ]
    for start in (wanted, masks):
        for number in start:  # grows while it is walked
            start += [to for kind, tos in items[number].links if kind == b"dimg" for to in tos if to in items]
            if len(start) > MOST_ITEMS:
                break
    wanted += masks
    return list(dict.fromkeys(wanted))
