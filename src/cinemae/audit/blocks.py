"""Traces of block compression in pixels: the grid of 8 x 8 blocks, and combs in the histograms of their DCT.

Everything is measured on pixels alone, whatever format they were stored in: a PNG that was a JPEG
once still shows it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float64]

BLOCK = 8
SMALLEST = 4 * BLOCK
"""Shortest side in pixels of a picture that can be measured."""
LOW = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
"""The low frequencies (row, column) whose histograms are looked at: they have the most counts beside zero."""
STEPS = range(2, 65)
"""Quantisation steps that are tried; a step of 1 can't be told from the rounding of pixels."""

_LEAST = 64  # coefficients beside zero that a histogram must have
_CHANCE = 3.5 * np.sqrt(0.8)  # deviations that chance may reach among all steps; 0.8: variance of a uniform square
_ROUNDING = 0.36  # half of all rounded pixels stay below 0.24, half of what has no comb below 0.5 for a step of 2
_BINS = 24  # multiples of the step that the histogram counts

_k, _n = np.mgrid[:BLOCK, :BLOCK]
_DCT = np.cos(np.pi * (2 * _n + 1) * _k / (2 * BLOCK)) * np.where(_k == 0, np.sqrt(1 / BLOCK), np.sqrt(2 / BLOCK))


class Grid(NamedTuple):
    """A block grid in one direction.

    Attributes:
        at_origin: How much larger steps are across lines that lie 0, 8, 16, ... pixels from the
            picture's edge than elsewhere, in units of the mean step; about 0 without blocks.
        elsewhere: The same for the strongest of the seven other grids.
        phase: Offset of that strongest other grid in pixels, 1 to 7.
    """

    at_origin: float
    elsewhere: float
    phase: int


class Comb(NamedTuple):
    """Combs in the histograms of low DCT frequencies, on one grid.

    Attributes:
        single: Strength of the comb that a quantisation leaves, from 0 (none) to 1 (perfect).
        double: Roughness of the histogram over the multiples of that comb's step (over the integers
            where there is none): about 0 if smooth, as after one quantisation, up to 1 when a
            first, different one has left gaps and peaks.
    """

    single: float
    double: float


def block_grid(luma: Luma) -> Grid:
    """Measure the grid of vertical lines, in a picture of ``SMALLEST`` columns at least; transpose for the others."""
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    excess = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    # Step number c lies between the columns c and c + 1, and excess number 0 is that of step number 1.
    phases = (np.arange(len(excess)) + 2) % BLOCK
    strength = np.array([excess[phases == phase].mean() for phase in range(BLOCK)])
    strength = (strength - np.median(strength)) / max(float(steps.mean()), 1e-3)
    phase = int(np.argmax(strength[1:])) + 1
    return Grid(float(strength[0]), float(strength[phase]), phase)


def combs(luma: Luma, offset: tuple[int, int] = (0, 0)) -> Comb:
    """Measure the combs of the low frequencies on one grid, and return their means.

    Args:
        luma: (height, width) in levels; a block with something that is not a number is left out.
        offset: Where the grid starts, rows and columns from the corner.
    """
    part = luma[offset[0] :, offset[1] :]
    rows, columns = (length // BLOCK for length in part.shape)
    blocks = part[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    across = np.einsum("rick,vk->rciv", blocks, _DCT[:3])
    found = [_comb(np.abs(across[..., v] @ _DCT[u]).ravel()) for u, v in LOW]
    single, double = np.mean(found, axis=0)
    return Comb(float(single), float(double))


def _comb(sizes: NDArray[np.float64]) -> tuple[float, float]:
    """Measure one frequency's comb and the roughness of its histogram, from absolute coefficients."""
    strongest, lattice = 0.0, 1
    sizes = np.sort(sizes[~np.isnan(sizes)])
    for step in STEPS:
        beside = sizes[np.searchsorted(sizes, step / 2, side="right") :]  # zeros are multiples of every step
        if len(beside) < _LEAST:
            break
        away = np.abs(beside - step * np.rint(beside / step))
        square = float(away @ away) / len(away)
        strongest = max(strongest, 1 - square / (step**2 / 12) - _CHANCE / np.sqrt(len(beside)))
        # What was rounded to a second step is farther from the first one's multiples than rounded pixels are. Half
        # of the blocks decide, since a few lie anywhere.
        if 2 * np.count_nonzero(away < max(_ROUNDING, 0.05 * step)) > len(away):
            lattice = step
    return strongest, _roughness(np.rint(sizes / lattice))


def _roughness(indices: NDArray[np.float64]) -> float:
    """Compare counts with the geometric mean of their neighbours, less what counting noise makes of it.

    Coefficients are nearly Laplacian, and the counts of a quantised Laplacian are a geometric series.
    """
    counts = np.bincount(indices[indices <= _BINS].astype(np.intp), minlength=_BINS + 1)[1:].astype(np.float64)
    if counts.sum() < _LEAST:
        return 0.0
    middle, outer = counts[1:-1], counts[:-2] * counts[2:]
    # Poisson: a count's variance is its mean, that of the geometric mean half as much.
    noise = 1.5 * (counts[:-2] + 2 * middle + counts[2:]) / 4
    excess = np.sum((middle - np.sqrt(outer)) ** 2 - noise)
    return float(np.clip(excess / max(np.sum(middle**2 + outer), 1.0), 0, 1))
