"""Pictures that are alike: a perceptual hash, and all pairs of near hashes without comparing each with each."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BITS = 64
_SIDE, _LOW = 32, 8
_FLAT = 1.0  # grey levels; a picture whose coarse structure is fainter than that has no hash worth comparing

Hashes = NDArray[np.uint64]


def perceptual_hash(pixels: NDArray[np.uint8]) -> int | None:
    """Return 64 bits that survive scaling and compression, or None for a picture of one colour.

    The signs, about their median, of the 8 x 8 lowest frequencies but the zeroth ones of the cosine transform of the
    picture's luma at 32 x 32 pixels (pHash, Zauner 2010).

    Args:
        pixels: (height, width, 3) sRGB.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    basis = _cosines()
    low = (basis @ np.asarray(grey, dtype=np.float64) @ basis.T).ravel()
    if np.abs(low).max() < _FLAT:
        return None
    bits = low > np.median(low)
    return int(np.packbits(bits).view(">u8")[0])


@cache
def _cosines() -> NDArray[np.float64]:
    """Rows 1 to 8 of the orthonormal DCT-II of 32 samples, scaled so that a coefficient is in grey levels."""
    at = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    return np.cos(np.arange(1, _LOW + 1)[:, None] * at) * 2 / _SIDE


def near_pairs(hashes: Hashes, distance: int) -> NDArray[np.intp]:
    """Return all pairs of hashes that differ in at most ``distance`` bits.

    The bits are cut into ``distance + 1`` bands. Two hashes that differ in no more bits agree in one band at least, so
    only those with an equal band are compared.

    Args:
        hashes: (n,), all different.
        distance: 0 to 15.

    Returns:
        (pairs, 2) indices, the smaller first, sorted, each pair once.

    Raises:
        ValueError: If the distance is out of range.
    """
    if not 0 <= distance <= 15:
        raise ValueError(f"the distance must lie between 0 and 15 bits, got {distance}")
    edges = np.linspace(0, BITS, distance + 2).astype(int)
    found = [np.empty((0, 2), dtype=np.intp)]
    for low, high in pairwise(edges.tolist()):
        mask = np.uint64((1 << (high - low)) - 1)
        keys = (hashes >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], hashes[order]
        first = np.arange(len(order))
        step = 0
        while first.size:  # each with the next, the one after it and on, as long as the band is equal
            step += 1
            first = first[first < len(order) - step]
            first = first[keys[first] == keys[first + step]]
            near = first[np.bitwise_count(ordered[first] ^ ordered[first + step]) <= distance]
            found.append(np.sort(np.stack([order[near], order[near + step]], axis=1), axis=1))
    pairs: NDArray[np.intp] = np.unique(np.concatenate(found), axis=0)
    return pairs


def components(count: int, pairs: NDArray[np.intp]) -> list[list[int]]:
    """Return what hangs together: lists of at least two of ``range(count)``, each sorted, the lists too."""
    parent = list(range(count))

    def top(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for left, right in pairs.tolist():
        low, high = sorted((top(left), top(right)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for index in range(count):
        groups.setdefault(top(index), []).append(index)
    return [group for group in groups.values() if len(group) > 1]
