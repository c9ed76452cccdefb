"""Statistics of pixels that say nothing of what a picture shows: compression's traces, noise, spectrum, colour, edges.

All are computed on pixels alone. Large pictures are measured in a window in their middle, cut at a
multiple of 16 pixels so that a JPEG's grid keeps its place; only the border looks at the whole.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cinemae.audit.blocks import SMALLEST, Luma, block_grid, combs
from cinemae.audit.facts import Fact

Pixels = NDArray[np.uint8]

CHANNELS = ("red", "green", "blue")
WINDOW = 512
"""Most pixels of the measured window's sides."""

STATISTICS = (
    Fact("blocks_here", "history", "strength of the 8 x 8 grid that starts in the corner"),
    Fact("blocks_elsewhere", "history", "strength of the strongest other 8 x 8 grid"),
    Fact("blocks_row", "history", "that other grid's vertical offset, 1 to 7 pixels"),
    Fact("blocks_column", "history", "its horizontal offset, 1 to 7 pixels"),
    Fact("comb_here", "history", "comb in the DCT histograms on the grid in the corner, 0 to 1"),
    Fact("comb_elsewhere", "history", "the same on the strongest other grid"),
    Fact("double_jpeg", "history", "gaps in those histograms that two quantisations leave"),
    *(
        Fact(f"noise_{figure}_{channel}", "pixels", f"{words} of what a 3 x 3 median removes, {channel}")
        for figure, words in (("mean", "mean"), ("std", "standard deviation"), ("skew", "skewness"))
        for channel in CHANNELS
    ),
    Fact("spectrum_slope", "pixels", "slope of the radial power spectrum, log-log"),
    Fact("spectrum_top", "pixels", "its level at the highest frequencies against that slope, in powers of e"),
    Fact("saturated", "pixels", "share of pixels with an HSV saturation above 0.5"),
    Fact("grey", "pixels", "share of pixels whose channels differ by 2 at most"),
    Fact("clipped_low", "pixels", "share of samples that are 0"),
    Fact("clipped_high", "pixels", "share of samples that are 255"),
    Fact("border", "pixels", "share of the picture in even rows and columns at its edges"),
)
"""The statistics, in the order of the tables."""

_LUMA = np.array([0.299, 0.587, 0.114])
_PHASE = 16  # pixels of a JPEG's coding unit with 4:2:0 chroma
_EXCHANGES = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4),
    (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip
_EVEN = 2  # levels that an even row may span
_FIT, _TOP = (0.03, 0.35), (0.4, 0.5)  # bands of the spectrum, cycles a pixel
_RINGS = 64


def measure(pixels: Pixels) -> dict[str, float]:
    """Compute all statistics of one picture.

    Args:
        pixels: (height, width, 3) sRGB.

    Returns:
        A value for every one of ``STATISTICS``; not a number for those of the grid and the
        spectrum if a side is shorter than 32 pixels.
    """
    window = central_window(pixels)
    luma = window @ _LUMA
    values = dict.fromkeys((fact.name for fact in STATISTICS), math.nan)
    if min(luma.shape) >= SMALLEST:
        # Clipped samples are not what the decoder's coefficients say: their blocks would blur every comb.
        clipped = ((window == 0) | (window == 255)).any(axis=2)
        values |= _block_statistics(luma, np.where(clipped, np.nan, luma)) | _spectrum(luma)
    return values | _noise(window) | _colour(window) | {"border": _border(pixels)}


def central_window(pixels: Pixels) -> Pixels:
    """Cut a large picture down to its middle, keeping the phase of a JPEG's grid."""
    places = [max(length - WINDOW, 0) // 2 // _PHASE * _PHASE for length in pixels.shape[:2]]
    return pixels[places[0] : places[0] + WINDOW, places[1] : places[1] + WINDOW]


def _block_statistics(luma: Luma, unclipped: Luma) -> dict[str, float]:
    columns, rows = block_grid(luma), block_grid(luma.T)
    here, elsewhere = combs(unclipped), combs(unclipped, (rows.phase, columns.phase))
    return {
        "blocks_here": (columns.at_origin + rows.at_origin) / 2,
        "blocks_elsewhere": (columns.elsewhere + rows.elsewhere) / 2,
        "blocks_row": float(rows.phase),
        "blocks_column": float(columns.phase),
        "comb_here": here.single,
        "comb_elsewhere": elsewhere.single,
        "double_jpeg": here.double,
    }


def _noise(window: Pixels) -> dict[str, float]:
    residual = window[1:-1, 1:-1].astype(np.intp) - median3(window)
    levels = np.arange(-255, 256)
    values: dict[str, float] = {}
    for number, channel in enumerate(CHANNELS):
        counts = np.bincount(residual[..., number].ravel() + 255, minlength=len(levels))
        share = counts / counts.sum()
        mean = float(share @ levels)
        spread = math.sqrt(share @ (levels - mean) ** 2)
        # A channel without noise is not skewed either way.
        skew = float(share @ (levels - mean) ** 3) / max(spread, 1e-3) ** 3
        values |= {f"noise_mean_{channel}": mean, f"noise_std_{channel}": spread, f"noise_skew_{channel}": skew}
    return values


def median3(pixels: Pixels) -> Pixels:
    """Return the median of 3 x 3 pixels, a channel each; the outermost pixels have none.

    Nineteen exchanges leave the median of nine values in the middle; on whole pictures of bytes that
    takes a tenth of the time of Pillow's filter.
    """
    height, width = pixels.shape[:2]
    nine = [pixels[row : height - 2 + row, column : width - 2 + column] for row in range(3) for column in range(3)]
    for first, second in _EXCHANGES:
        nine[first], nine[second] = np.minimum(nine[first], nine[second]), np.maximum(nine[first], nine[second])
    return nine[4]


def _spectrum(luma: Luma) -> dict[str, float]:
    """Fit a line to the logarithm of the ring-averaged power over the logarithm of the frequency."""
    side = min(luma.shape)
    top, left = ((length - side) // 2 for length in luma.shape)
    square = luma[top : top + side, left : left + side]
    taper = np.hanning(side)
    power = np.abs(np.fft.fft2((square - square.mean()) * np.outer(taper, taper))) ** 2
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    # Rings between 0 and 0.5 cycles a pixel; the corners beyond are left out.
    ring = np.minimum((radius * 2 * _RINGS).astype(np.intp), _RINGS)
    total, count = (
        np.bincount(ring.ravel(), weights, minlength=_RINGS + 1)[:_RINGS] for weights in (power.ravel(), None)
    )
    centre = (np.arange(_RINGS) + 0.5) / (2 * _RINGS)
    level = np.log(total / np.maximum(count, 1) + 1e-3)
    fit = (centre >= _FIT[0]) & (centre <= _FIT[1]) & (count > 0)
    slope, offset = np.polyfit(np.log(centre[fit]), level[fit], 1)
    upper = (centre >= _TOP[0]) & (centre <= _TOP[1]) & (count > 0)
    above = level[upper] - (slope * np.log(centre[upper]) + offset)
    return {"spectrum_slope": float(slope), "spectrum_top": float(above.mean())}


def _colour(window: Pixels) -> dict[str, float]:
    red, green, blue = (np.ascontiguousarray(window[..., channel], dtype=np.int16) for channel in range(3))
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return {
        "saturated": float(np.mean(2 * (high - low) > high)),
        "grey": float(np.mean(high - low <= _EVEN)),
        "clipped_low": float(np.mean(window == 0)),
        "clipped_high": float(np.mean(window == 255)),
    }


def _border(pixels: Pixels) -> float:
    height, width = _inner(pixels), _inner(pixels.transpose(1, 0, 2))
    return float(1 - height * width / (pixels.shape[0] * pixels.shape[1]))


def _inner(lines: Pixels) -> int:
    """Return how many lines are left between the even ones at the two ends."""
    first = next((number for number in range(len(lines)) if _uneven(lines[number])), len(lines))
    if first == len(lines):
        return 0
    return len(lines) - first - next(number for number in range(len(lines)) if _uneven(lines[-1 - number]))


def _uneven(line: Pixels) -> bool:
    return bool((np.ptp(line, axis=0) > _EVEN).any())
