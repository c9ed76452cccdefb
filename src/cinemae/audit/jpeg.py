"""What a JPEG's header says of its compression: quality, chroma subsampling, progressive order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

Table = NDArray[np.int64]

LUMA = np.array(
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
        14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ]
)  # fmt: skip
"""Luminance table of ITU-T T.81, annex K.1, row by row: what the Independent JPEG Group scales."""

CHROMA = np.array(
    [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
        47, 66, 99, 99, 99, 99, 99, 99, *[99] * 32,
    ]
)  # fmt: skip
"""Chrominance table of annex K.2."""

_SUBSAMPLINGS: Mapping[tuple[float, float], str] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}


class Quality(NamedTuple):
    """The standard quality whose tables are nearest, 1 to 100, and whether they are exactly the file's."""

    quality: int
    exact: bool


def scaled_table(base: Table, quality: int) -> Table:
    """Scale a base table as the Independent JPEG Group does; steps stay within 1 to 255."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: Table = np.clip((base * scale + 50) // 100, 1, 255)
    return table


@cache
def _standard_tables() -> tuple[Table, Table]:
    """Return the luminance and chrominance tables of all qualities 1 to 100, (100, 64) each."""
    luma, chroma = (np.stack([scaled_table(base, q) for q in range(1, 101)]) for base in (LUMA, CHROMA))
    return luma, chroma


def estimate_quality(tables: Sequence[Sequence[int]]) -> Quality | None:
    """Find the standard quality that is nearest to a file's quantisation tables.

    The distance is the mean absolute difference of logarithms, so that a step of 2 for 1 counts as
    much as one of 20 for 10. Cameras and some editors have tables of their own, for which the
    nearest standard quality says how strongly they compress.

    Args:
        tables: 64 steps each, row by row: luminance first, then chrominance if the file has one.

    Returns:
        None without tables, or with one that has not 64 positive steps.
    """
    if not tables or any(len(table) != 64 or min(table) < 1 for table in tables):
        return None
    given = [np.asarray(table, dtype=np.int64) for table in tables[:2]]
    distance = sum(
        np.abs(np.log(standard) - np.log(table)).sum(axis=1)
        for standard, table in zip(_standard_tables(), given, strict=False)
    )
    best = int(np.argmin(distance))
    exact = all(
        np.array_equal(standard[best], table) for standard, table in zip(_standard_tables(), given, strict=False)
    )
    return Quality(best + 1, exact)


def file_quality(image: JpegImageFile) -> Quality | None:
    """Estimate the quality of an opened JPEG; None if its header names no usable tables."""
    stored: Mapping[int, Sequence[int]] = getattr(image, "quantization", {})
    # Each component names its table; without a frame header only the tables' numbers are left.
    used = list(dict.fromkeys(component[3] for component in image.layer)) or sorted(stored)
    return estimate_quality([stored[number] for number in used if number in stored])


def subsampling(image: JpegImageFile) -> str:
    """Return the chroma subsampling of an opened JPEG: "4:2:0" and so on, "grey", "cmyk" or "other"."""
    sampling = [(component[1], component[2]) for component in image.layer]
    if len(sampling) == 1:
        return "grey"
    if len(sampling) == 4:
        return "cmyk"
    if len(sampling) != 3 or sampling[1] != sampling[2] or 0 in sampling[1]:
        return "other"
    across, down = (full / part for full, part in zip(sampling[0], sampling[1], strict=True))
    return _SUBSAMPLINGS.get((across, down), "other")


def progressive(image: JpegImageFile) -> bool:
    """Tell whether the scans of an opened JPEG refine the whole picture step by step."""
    return bool(image.info.get("progressive") or image.info.get("progression"))
