"""Statistics of a view's likelihood maps: the local contextual anomaly, in numbers.

Each function returns a dict from name to value, a 0-d array, in a fixed order, so that names and
values can never drift apart. All are finite for every image, a constant one included. Maps are
taken together and colours along an axis: one call on a large array costs less than many on small ones.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cinemae.arrays import Array, array_namespace
from cinemae.likelihood.conditional import ConditionalLikelihood, block_mean, grey, split_colours

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
COLOURS = ("red", "green", "blue")
ENTROPY_BINS = (0.0, 1.5, 2.5, 3.5, 4.5, 9.0)  # bits: flat, faint, medium, strong, wild detail
LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (0, 3), (3, 0), (0, 4), (4, 0))
SPECTRUM_BANDS = 10
TOP_SHARE = 0.05
ANOMALY_BLEND = 0.5
Values = dict[str, Array]


def summaries(maps: dict[str, Array]) -> dict[str, Values]:
    """Describe the distribution of maps of one shape: mean, spread, quantiles, shape, top-k mean, roughness.

    Roughness is the mean absolute difference of neighbours over the spread.

    Args:
        maps: (rows, columns) arrays by name.

    Returns:
        By name of the map, the statistics, ``name.statistic``.
    """
    xp = array_namespace(*maps.values())
    stack = xp.stack(list(maps.values()))
    count, rows, columns = stack.shape
    flat = xp.sort(xp.reshape(stack, (count, rows * columns)), axis=-1)
    mean = xp.mean(flat, axis=-1)
    centred = flat - mean[:, None]
    square = centred**2
    spread = xp.sqrt(xp.mean(square, axis=-1))
    width = spread + 1e-6
    found = {"mean": mean, "std": spread}
    found |= {f"q{round(100 * q):02d}": _quantile(flat, q) for q in QUANTILES}
    found["skew"] = xp.mean(square * centred, axis=-1) / width**3
    found["kurtosis"] = xp.log1p(xp.mean(square**2, axis=-1) / width**4)
    found["top"] = xp.mean(flat[:, -max(1, round(TOP_SHARE * rows * columns)) :], axis=-1)
    steps = rows * (columns - 1) + (rows - 1) * columns
    down = xp.sum(xp.abs(stack[:, 1:, :] - stack[:, :-1, :]), axis=(1, 2))
    across = xp.sum(xp.abs(stack[:, :, 1:] - stack[:, :, :-1]), axis=(1, 2))
    found["roughness"] = (down + across) / max(steps, 1) / width
    return {name: {f"{name}.{key}": value[number] for key, value in found.items()} for number, name in enumerate(maps)}


def _quantile(ordered: Array, q: float) -> Array:
    """Return the q-quantile of rows in rising order, linear between neighbours."""
    place = q * (ordered.shape[-1] - 1)
    low = min(int(place), max(ordered.shape[-1] - 2, 0))
    high = min(low + 1, ordered.shape[-1] - 1)
    return ordered[..., low] + (ordered[..., high] - ordered[..., low]) * (place - low)


def _median(values: Array) -> Array:
    xp = array_namespace(values)
    return _quantile(xp.sort(xp.reshape(values, (-1,))), 0.5)


def anomaly_map(likelihood: ConditionalLikelihood, patch: int | None = None) -> Array:
    """Local contextual anomaly score of each patch, (rows, columns), >= 0.

    The patch's deviation within its image, |gap - median| / spread, blended half and half with
    its root-mean-square standardised error.
    """
    xp = array_namespace(likelihood.values)
    gap = likelihood.per_patch(likelihood.gap, patch)
    error = likelihood.per_patch(likelihood.residual**2 / likelihood.variance, patch)
    away = xp.abs(gap - _median(gap))
    deviation = away / (_median(away) * 1.4826 + 1e-3)
    return ANOMALY_BLEND * deviation + (1 - ANOMALY_BLEND) * xp.sqrt(error)


def likelihood_statistics(likelihood: ConditionalLikelihood, patch: int) -> Values:
    """Patch statistics of NLL, entropy, gap and predictive spread, by colour, and their contrasts.

    Args:
        likelihood: One view's likelihood.
        patch: Side of the patches that are described, in pixels.
    """
    xp = array_namespace(likelihood.values)
    pixels = {name: getattr(likelihood, name) for name in ("nll", "entropy", "gap")}
    maps = {name: likelihood.per_patch(values, patch) for name, values in pixels.items()}
    maps["log_variance"] = likelihood.per_patch(xp.log(likelihood.variance + 1 / 12), patch)
    maps["anomaly"] = anomaly_map(likelihood, patch)
    described = summaries(maps)
    contrast = xp.log(block_variance(likelihood.values, patch) + 1)
    out: Values = {}
    for name, values in pixels.items():
        by_colour = xp.mean(split_colours(values), axis=(1, 2))
        out |= {f"{name}.{colour}": by_colour[number] for number, colour in enumerate(COLOURS)} | described[name]
    out |= described["log_variance"]
    # What is left of the NLL once the patch's own contrast is accounted for.
    out |= {"contrast.mean": xp.mean(contrast), "contrast.std": xp.std(contrast)}
    out |= {f"contrast.{key}": value for key, value in regress(contrast, maps["nll"]).items()}
    out["contrast.gap_correlation"] = correlation(contrast, maps["gap"])
    return out | described["anomaly"]


def error_statistics(likelihood: ConditionalLikelihood, patch: int) -> Values:
    """Plain reconstruction error: what the likelihood is measured against."""
    xp = array_namespace(likelihood.values)
    absolute = likelihood.per_patch(xp.abs(likelihood.residual), patch)
    square = likelihood.per_patch(likelihood.residual**2, patch)
    described = summaries({"absolute": absolute, "log_square": xp.log(square + 1 / 12)})
    return described["absolute"] | described["log_square"]


def residual_statistics(likelihood: ConditionalLikelihood) -> Values:
    """Standardised residuals: a right model leaves white noise of variance 1, a generator's trace does not.

    Calibration by entropy bin, autocorrelation at small lags, correlation between colours, radial
    power spectrum with its anisotropy, and the contrast between the four phases of a 2x2 lattice
    (left by up-sampling).
    """
    xp = array_namespace(likelihood.values)
    z = xp.clip(likelihood.residual / xp.sqrt(likelihood.variance), -8.0, 8.0)
    planes = split_colours(z)
    square = planes**2
    mean, power = xp.mean(planes, axis=(1, 2)), xp.mean(square, axis=(1, 2))
    fourth = xp.mean(square**2, axis=(1, 2))
    moments = {
        "log_variance": xp.log(power + 1e-3),
        "kurtosis": xp.log1p(fourth / (power**2 + 1e-6)),
        "mean": mean,
    }
    out: Values = {}
    for number, colour in enumerate(COLOURS):
        out |= {f"z.{colour}.{key}": value[number] for key, value in moments.items()}
    out |= _by_entropy(likelihood, z)
    centred = planes - mean[:, None, None]
    variance = xp.mean(centred**2, axis=(1, 2))
    for name, (a, b) in {"rg": (0, 1), "rb": (0, 2), "gb": (1, 2)}.items():
        shared = xp.mean(centred[a, ...] * centred[b, ...])
        out[f"z.correlation.{name}"] = shared / (xp.sqrt(variance[a] * variance[b]) + 1e-6)
    by_colour = {f"lag{down}{across:+d}": _lag(centred, variance, down, across) for down, across in LAGS}
    by_colour |= spectrum(centred)
    for number, colour in enumerate(COLOURS):
        out |= {f"z.{colour}.{key}": value[number] for key, value in by_colour.items()}
    return out | _phases(grey(likelihood.gap))


def _by_entropy(likelihood: ConditionalLikelihood, z: Array) -> Values:
    """Mean gap and log variance of z among sub-pixels of like expected cost, shrunk to 0 where there are few."""
    xp = array_namespace(z)
    square, absolute = z**2, xp.abs(z)
    below = []  # sums over all sub-pixels under each bin's upper end
    for high in ENTROPY_BINS[1:]:
        inside = xp.astype(likelihood.entropy < high, xp.float32)
        sums = (inside, inside * likelihood.gap, inside * square, inside * absolute)
        below.append(xp.stack([xp.sum(part) for part in sums]))
    out: Values = {}
    before = below[0] * 0
    for low, upto in zip(ENTROPY_BINS, below, strict=False):
        count, gap, square, total = xp.unstack(upto - before)
        before = upto
        trust, filled = count / (count + 500.0), xp.clip(count, 1.0, None)
        empty = count < 0.5
        square = xp.where(empty, xp.ones_like(square), square / filled)
        total = xp.where(empty, xp.full_like(total, 0.8), total / filled)
        heaviness = xp.log(xp.sqrt(square) + 1e-3) - xp.log(total + 1e-3)
        name = f"bin{low:g}"
        out |= {f"{name}.share": count / math.prod(z.shape), f"{name}.gap": trust * gap / filled}
        out |= {f"{name}.log_variance": trust * xp.log(square + 1e-3), f"{name}.heaviness": trust * heaviness}
    return out


@dataclass(frozen=True)
class _Frequencies:
    """The cells of a half spectrum, in the order of their band.

    Attributes:
        window: What a plane is multiplied with, (rows, columns).
        order: Positions of the cells in the flat half spectrum.
        bounds: Where each band begins and ends in that order.
        straight: 1 for high horizontal and vertical frequencies, in that order of cells.
        diagonal: 1 for high diagonal ones.
        beyond: 1 beyond the lowest frequencies.
    """

    window: NDArray[np.float32]
    order: NDArray[np.int64]
    bounds: tuple[int, ...]
    straight: NDArray[np.float32]
    diagonal: NDArray[np.float32]
    beyond: NDArray[np.float32]


@functools.lru_cache(maxsize=64)
def _frequencies(rows: int, columns: int) -> _Frequencies:
    window = np.outer(np.hanning(rows), np.hanning(columns)).astype(np.float32)
    down, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
    radius, angle = np.hypot(down, across).ravel(), np.arctan2(np.abs(down), across).ravel()
    band = np.minimum((radius / 0.5 * SPECTRUM_BANDS).astype(int), SPECTRUM_BANDS)
    order = np.argsort(band, kind="stable")
    bounds = tuple(int(place) for place in np.searchsorted(band[order], range(SPECTRUM_BANDS + 2)))
    high, diagonal = radius[order] > 0.25, np.abs(angle[order] - np.pi / 4) < np.pi / 8
    masks = [mask.astype(np.float32) for mask in (high & ~diagonal, high & diagonal, radius[order] > 0.1)]
    return _Frequencies(window, order, bounds, masks[0], masks[1], masks[2])


def spectrum(planes: Array) -> Values:
    """Radial power spectra of standardised residuals in dB, relative to their mean, and their directions.

    Bands are equal steps of the spatial frequency from 0 to 0.5 cycles a pixel; ``axis`` compares
    horizontal and vertical frequencies with diagonal ones, ``peak`` the strongest cell with its
    band's mean (a grid left by up-sampling is a peak).

    Args:
        planes: (planes, rows, columns), each of mean zero.

    Returns:
        By name, one value a plane.
    """
    xp = array_namespace(planes)
    count, rows, columns = planes.shape
    cells = _frequencies(rows, columns)
    wave = xp.fft.rfftn(planes * xp.asarray(cells.window), axes=(1, 2))
    power = xp.reshape(xp.real(wave) ** 2 + xp.imag(wave) ** 2, (count, -1))
    power = xp.take(power, xp.asarray(cells.order), axis=1)
    power = power / (xp.mean(power, axis=-1)[:, None] + 1e-9)
    beyond = power * xp.asarray(cells.beyond)
    out: Values = {}
    peak = xp.zeros_like(power[:, 0])
    for number, (start, stop) in enumerate(pairwise(cells.bounds)):
        if start == stop:  # too small a view has no cell there
            out[f"band{number}"] = xp.zeros_like(peak) + 10 * math.log10(1e-3)
            continue
        mean = xp.mean(power[:, start:stop], axis=-1)
        out[f"band{number}"] = 10 * xp.log10(mean + 1e-3)
        peak = xp.maximum(peak, xp.max(beyond[:, start:stop], axis=-1) / (mean + 1e-6))
    straight, diagonal = (_masked_mean(power, mask) for mask in (cells.straight, cells.diagonal))
    return out | {"axis": xp.log((straight + 1e-3) / (diagonal + 1e-3)), "peak": xp.log1p(peak)}


def _masked_mean(power: Array, mask: NDArray[np.float32]) -> Array:
    xp = array_namespace(power)
    return xp.sum(power * xp.asarray(mask), axis=-1) / max(float(mask.sum()), 1.0)


def _lag(centred: Array, variance: Array, down: int, across: int) -> Array:
    """Autocorrelation of each plane at one lag, relative to the whole plane's mean and variance."""
    xp = array_namespace(centred)
    _, rows, columns = centred.shape
    first = centred[:, : rows - down, max(0, -across) : columns - max(0, across)]
    second = centred[:, down:, max(0, across) : columns - max(0, -across)]
    return xp.mean(first * second, axis=(1, 2)) / (variance + 1e-6)


def _phases(gap: Array) -> Values:
    """How unequal the four 2x2 phases are in their mean gap, against their sampling error."""
    xp = array_namespace(gap)
    means = xp.stack([xp.mean(gap[row::2, column::2]) for row in (0, 1) for column in (0, 1)])
    error = xp.std(gap) / math.sqrt(math.prod(gap.shape) / 4) + 1e-6
    return {"phase.spread": xp.std(means), "phase.significance": xp.log1p(xp.std(means) / error)}


def block_variance(values: Array, size: int) -> Array:
    """Return the variance of the grey levels in each block, (rows, columns), in squared levels."""
    xp = array_namespace(values)
    level = grey(values)
    variance = block_mean(level**2, size) - block_mean(level, size) ** 2
    return xp.maximum(variance, xp.zeros_like(variance))


def regress(x: Array, y: Array) -> Values:
    """Fit y on x: slope, value at x = 5 (a middling log-contrast), and the spread that is left."""
    xp = array_namespace(x, y)
    dx, dy = x - xp.mean(x), y - xp.mean(y)
    slope = xp.mean(dx * dy) / (xp.mean(dx**2) + 1e-3)
    return {"slope": slope, "level": xp.mean(y) + slope * (5.0 - xp.mean(x)), "rest": xp.std(dy - slope * dx)}


def correlation(a: Array, b: Array) -> Array:
    """Pearson correlation, 0 for a constant."""
    xp = array_namespace(a, b)
    da, db = a - xp.mean(a), b - xp.mean(b)
    return xp.mean(da * db) / (xp.sqrt(xp.mean(da**2) * xp.mean(db**2)) + 1e-6)
