"""TIFF: which of its pictures is the full one, and what its samples mean.

A TIFF may hold previews before the picture, beside it or, in the raw files of cameras, instead of anything that a
library of this kind can read. Pillow opens the first directory, whatever it is, and passes on some samples as if they
were others. So the directories are read here first: a preview is never taken for the picture, and samples that Pillow
would misread are corrected or refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from cinemae.images.errors import CorruptImageError, UnsupportedFormatError

MOST_PAGES = 64  # looked at for the full picture and for raw data
MOST_DIRECTORIES = 256  # with those below pages
MOST_ENTRIES = 4_096  # of one directory
MOST_VALUES = 64
RAW_PHOTOMETRICS = {32803: "CFA", 34892: "LinearRaw"}
RAW_COMPRESSIONS = frozenset((32767, 32769, 32770, 34713, 65000, 65535))  # Sony, packed, Samsung, Nikon, Kodak, Pentax
DNG_VERSION = 50706
WHITE_IS_ZERO, BLACK_IS_ZERO, YCBCR, CMYK = 0, 1, 6, 5
UNSIGNED, FLOAT = 1, 3
FULL_RANGE = (0, 255, 128, 255, 128, 255)
_SIZES = {1: 1, 3: 2, 4: 4, 5: 8, 13: 4, 16: 8, 18: 8}
_FORMS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_TAGS = {
    254: "subfile", 255: "old_subfile", 256: "width", 257: "height", 258: "bits", 259: "compression",
    262: "photometric", 266: "fill_order", 273: "strips", 277: "samples", 278: "rows", 284: "planar", 320: "palette",
    322: "tile_width", 323: "tile_height", 324: "tiles", 330: "below", 332: "inks", 338: "extra", 339: "formats",
    530: "subsampling", 532: "reference", DNG_VERSION: "dng",
}  # fmt: skip
_COUNTED = (273, 324)  # how many, not where


@dataclass
class Directory:
    """The tags of one picture that tell what it is.

    Attributes:
        offset: Where it lies in the file.
        tags: Values by the names in ``_TAGS``.
        below: Pictures that belong to it (SubIFDs).
    """

    offset: int
    tags: dict[str, tuple[int, ...]] = field(default_factory=dict)
    below: list[Directory] = field(default_factory=list)

    def get(self, name: str, default: int) -> int:
        """Return the first value of a tag."""
        return self.tags.get(name, (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self.get("width", 0), self.get("height", 0)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.size[0] * self.size[1]

    @property
    def full(self) -> bool:
        """Whether it is neither a reduced copy of another picture nor a mask."""
        reduced = self.get("subfile", 0) & 1 or ("subfile" not in self.tags and self.get("old_subfile", 1) == 2)
        mask = self.get("subfile", 0) & 4 or self.get("photometric", 0) == 4
        return not reduced and not mask

    @property
    def raw(self) -> bool:
        """Whether it holds what a sensor saw."""
        return self.get("photometric", 0) in RAW_PHOTOMETRICS or self.get("compression", 1) in RAW_COMPRESSIONS


@dataclass(frozen=True)
class Samples:
    """How samples become shades.

    Attributes:
        white: The sample that is full scale; None where Pillow scales it.
        inverted: Whether zero is white and Pillow doesn't turn it around.
    """

    white: int | None = None
    inverted: bool = False


def choose(data: bytes, name: str, notes: list[str]) -> Directory | None:
    """Find the full picture of a TIFF.

    Args:
        data: The whole file.
        name: What errors call it.
        notes: Gets a sentence if the picture isn't the first.

    Returns:
        Its directory; None if the directories can't be read, which the decoder will say.

    Raises:
        UnsupportedFormatError: If it is a camera's raw file, or holds reduced copies only.
    """
    if data.startswith(b"MM\0+"):
        raise UnsupportedFormatError(name, "a big-endian BigTIFF is not supported; save it as an ordinary TIFF")
    pages = _pages(data)
    every = [directory for page in pages for directory in (page, *page.below)]
    if not pages or not pages[0].area:
        return None
    if any(directory.raw for directory in every):
        kind = "DNG" if any("dng" in page.tags for page in pages) else "TIFF-shaped"
        preview = next((page for page in every if page.area and not page.raw), None)
        holds = "" if preview is None else f": all that can be read of it is a preview of {_said(preview)} pixels"
        raise raw_file(name, f"{kind}{holds}")
    chosen = next((page for page in pages if page.full), None)
    beside = [
        directory for page in pages[: 1 + (pages.index(chosen) if chosen else len(pages))] for directory in page.below
    ]
    larger = max((one for one in beside if one.full), key=lambda one: one.area, default=None)
    if larger is not None and (chosen is None or larger.area > chosen.area):
        chosen = larger
    if chosen is None:
        raise UnsupportedFormatError(
            name, f"holds a preview only ({_said(pages[0])} pixels, marked as a reduced copy); send the full picture"
        )
    if chosen is not pages[0]:
        place = f"page {pages.index(chosen) + 1}" if chosen in pages else "a picture below its first page"
        notes.append(f"{place} taken ({_said(chosen)}), since the first is a preview or a mask ({_said(pages[0])})")
    return chosen


def raw_file(name: str, kind: str) -> UnsupportedFormatError:
    """Return the refusal of a camera's raw file."""
    return UnsupportedFormatError(name, f"a camera's raw file ({kind}); develop it and send the JPEG, PNG or TIFF")


def pointed_at(data: bytes, directory: Directory) -> bytes:
    """Return a TIFF whose first picture is this one."""
    order, big = _order(data), _is_big(data)
    if struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0] == directory.offset:
        return data
    return data[:8] + struct.pack(order + "Q", directory.offset) + data[16:] if big else (
        data[:4] + struct.pack(order + "I", directory.offset) + data[8:]
    )  # fmt: skip


def count_pages(data: bytes) -> int:
    """Return the number of pages in the chain that the header begins."""
    return sum(1 for _ in _offsets(data))


def read_samples(directory: Directory, data: bytes, name: str) -> Samples:
    """Say how the samples of a picture are to be read.

    Args:
        directory: The picture.
        data: The whole file.
        name: What errors call it.

    Raises:
        CorruptImageError: If strips or tiles don't cover the picture; Pillow would leave the rest black.
        UnsupportedFormatError: If Pillow would misread them, or the file doesn't say what they mean.
    """
    tags = directory.tags
    bits, formats = set(tags.get("bits", (1,))), set(tags.get("formats", (UNSIGNED,)))
    depth, kind = max(bits), max(formats)
    photometric, plain = directory.get("photometric", -1), directory.get("compression", 1) == 1
    apart = directory.get("planar", 1) == 2 and directory.get("samples", 1) > 1
    refusals = {
        "samples of different depths or kinds": len(bits) > 1 or len(formats) > 1,
        "signed samples, which have no defined white": kind == 2,
        f"{depth}-bit integers, which have no agreed white": depth > 16 and kind == UNSIGNED,
        "it doesn't say whether zero is black or white": photometric < 0 and directory.get("compression", 1) != 6,
        f"{depth}-bit samples in planes": apart and depth != 8,
        "colour differences in planes": apart and photometric == YCBCR,
        "inks other than CMYK": photometric == CMYK and directory.get("inks", 1) != 1,
        "uncompressed colour differences of lower resolution": plain
        and photometric == YCBCR
        and tags.get("subsampling", (2, 2)) != (1, 1),
        "colour differences of narrow range": plain
        and photometric == YCBCR
        and tags.get("reference", FULL_RANGE) != FULL_RANGE,
        "compressed big-endian samples of this kind": not plain and data[:1] == b"M" and (kind == FLOAT or depth == 12),
        "packed samples whose bits are in reverse": directory.get("fill_order", 1) == 2 and depth not in (1, 8),
        "a palette of 8-bit colours": photometric == 3 and max(tags.get("palette", (256,))) < 256,
    }
    for reason, wrong in refusals.items():
        if wrong:
            raise UnsupportedFormatError(
                name, f"its samples are not supported ({reason}); save it as 8-bit RGB or grey"
            )
    _check_parts(directory, name)
    single = directory.get("samples", 1) == 1
    inverted = photometric == WHITE_IS_ZERO and single and (depth >= 12 or kind == FLOAT)
    return Samples(4095 if depth == 12 else None, inverted)


def _check_parts(directory: Directory, name: str) -> None:
    width, height = directory.size
    planes = directory.get("samples", 1) if directory.get("planar", 1) == 2 else 1
    if "tiles" in directory.tags:
        across, down = directory.get("tile_width", 0), directory.get("tile_height", 0)
        needed = -(-width // across) * -(-height // down) if across and down else 0
    else:
        rows = min(directory.get("rows", height), height) or height
        needed = -(-height // max(rows, 1))
    there = directory.get("tiles", directory.get("strips", 0))
    if there < needed * planes and directory.get("compression", 1) != 6:  # old JPEGs may lie elsewhere
        raise CorruptImageError(name, f"{there} strips or tiles where its size needs {needed * planes}")


def _pages(data: bytes) -> list[Directory]:
    """Read the first pages, and what lies below each."""
    pages: list[Directory] = []
    left = MOST_DIRECTORIES
    for offset in _offsets(data, MOST_PAGES):
        page = _read(data, offset)
        for below in page.tags.get("below", ())[:left]:
            with suppress(struct.error, IndexError):
                page.below.append(_read(data, below))
            left -= 1
        pages.append(page)
    return pages


def _offsets(data: bytes, most: int = 1 << 30) -> Iterator[int]:
    """Yield where the pages lie."""
    order, big = _order(data), _is_big(data)
    count_form, next_form, head, size = ("Q", "Q", 8, 20) if big else ("H", "I", 2, 12)
    seen = set[int]()
    with suppress(struct.error, OverflowError):
        (page,) = struct.unpack_from(order + next_form, data, 8 if big else 4)
        while page and page not in seen and len(seen) < most:
            (count,) = struct.unpack_from(order + count_form, data, page)
            seen.add(page)
            yield page
            (page,) = struct.unpack_from(order + next_form, data, page + head + size * count)


def _read(data: bytes, offset: int) -> Directory:
    order, big = _order(data), _is_big(data)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
    head, size, entry_form, inline = (8, 20, "HHQ", 8) if big else (2, 12, "HHI", 4)
    directory = Directory(offset)
    with suppress(struct.error, OverflowError):
        for at in range(offset + head, offset + head + size * min(count, MOST_ENTRIES), size):
            tag, kind, values = struct.unpack_from(order + entry_form, data, at)
            if tag not in _TAGS or kind not in _SIZES:
                continue
            place, total = at + size - inline, values * _SIZES[kind]
            if total > inline:
                (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, place)
            if tag in _COUNTED:
                directory.tags[_TAGS[tag]] = (values,)
                continue
            kept = min(values, 1 << 16 if tag == 320 else MOST_VALUES)
            if kind in _FORMS and place + kept * _SIZES[kind] <= len(data) and kept:
                directory.tags[_TAGS[tag]] = struct.unpack_from(f"{order}{kept}{_FORMS[kind]}", data, place)
            elif kind == 5 and place + 8 * kept <= len(data):
                parts = struct.unpack_from(f"{order}{2 * kept}I", data, place)
                directory.tags[_TAGS[tag]] = tuple(
                    top // max(low, 1) for top, low in zip(parts[::2], parts[1::2], strict=True)
                )
    return directory


def _said(directory: Directory) -> str:
    return f"{directory.size[0]}x{directory.size[1]}"


def _order(data: bytes) -> str:
    return "<" if data.startswith(b"II") else ">"


def _is_big(data: bytes) -> bool:
    return 43 in data[2:4]
