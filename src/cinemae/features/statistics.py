"""Statistics of a view's likelihood maps: the local contextual anomaly, in numbers.

Each function returns a dict from name to value, in a fixed order, so that names and values can
never drift apart. All are finite for every image, a constant one included.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cinemae.likelihood.conditional import ConditionalLikelihood, FloatArray, block_mean

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
COLOURS = ("red", "green", "blue")
ENTROPY_BINS = (0.0, 1.5, 2.5, 3.5, 4.5, 9.0)  # bits: flat, faint, medium, strong, wild detail
LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (0, 3), (3, 0), (0, 4), (4, 0))
SPECTRUM_BANDS = 10
TOP_SHARE = 0.05
ANOMALY_BLEND = 0.5
Values = dict[str, float]


def summary(name: str, values: FloatArray) -> Values:
    """Describe the distribution of one map: mean, spread, quantiles, shape, top-k mean, roughness.

    Roughness is the mean absolute difference of neighbours over the spread.
    """
    flat = values.ravel().astype(np.float64)
    mean, spread = flat.mean(), flat.std()
    centred = (flat - mean) / (spread + 1e-6)
    top = np.sort(flat)[-max(1, round(TOP_SHARE * flat.size)) :].mean()
    steps = np.concatenate([np.abs(np.diff(values, axis=axis)).ravel() for axis in (0, 1)])
    out = {"mean": mean, "std": spread}
    out |= {f"q{round(100 * q):02d}": value for q, value in zip(QUANTILES, np.quantile(flat, QUANTILES), strict=True)}
    out |= {"skew": (centred**3).mean(), "kurtosis": np.log1p((centred**4).mean()), "top": top}
    out["roughness"] = float(steps.mean() / (spread + 1e-6)) if steps.size else 0.0
    return {f"{name}.{key}": float(value) for key, value in out.items()}


def anomaly_map(likelihood: ConditionalLikelihood, patch: int | None = None) -> FloatArray:
    """Local contextual anomaly score of each patch, (rows, columns), >= 0.

    The patch's deviation within its image, |gap - median| / spread, blended half and half with
    its root-mean-square standardised error.
    """
    gap = likelihood.per_patch(likelihood.gap, patch)
    error = likelihood.per_patch((likelihood.residual**2 / likelihood.variance).astype(np.float32), patch)
    middle = np.median(gap)
    deviation = np.abs(gap - middle) / (np.median(np.abs(gap - middle)) * 1.4826 + 1e-3)
    out: FloatArray = (ANOMALY_BLEND * deviation + (1 - ANOMALY_BLEND) * np.sqrt(error)).astype(np.float32)
    return out


def likelihood_statistics(likelihood: ConditionalLikelihood, patch: int) -> Values:
    """Patch statistics of NLL, entropy, gap and predictive spread, by colour, and their contrasts.

    Args:
        likelihood: One view's likelihood.
        patch: Side of the patches that are described, in pixels.
    """
    out: Values = {}
    for name in ("nll", "entropy", "gap"):
        values = getattr(likelihood, name)
        out |= {f"{name}.{colour}": float(values[..., number].mean()) for number, colour in enumerate(COLOURS)}
        out |= summary(name, likelihood.per_patch(values, patch))
    spread = likelihood.per_patch(np.log(likelihood.variance + 1 / 12).astype(np.float32), patch)
    out |= summary("log_variance", spread)
    contrast = np.log(block_variance(likelihood.values, patch) + 1)
    nll = likelihood.per_patch(likelihood.nll, patch)
    gap = likelihood.per_patch(likelihood.gap, patch)
    # What is left of the NLL once the patch's own contrast is accounted for.
    out |= {"contrast.mean": float(contrast.mean()), "contrast.std": float(contrast.std())}
    out |= {f"contrast.{key}": value for key, value in regress(contrast, nll).items()}
    out["contrast.gap_correlation"] = correlation(contrast, gap)
    out |= summary("anomaly", anomaly_map(likelihood, patch))
    return out


def error_statistics(likelihood: ConditionalLikelihood, patch: int) -> Values:
    """Plain reconstruction error: what the likelihood is measured against."""
    absolute = likelihood.per_patch(np.abs(likelihood.residual), patch)
    square = likelihood.per_patch(likelihood.residual**2, patch)
    return summary("absolute", absolute) | summary("log_square", np.log(square + 1 / 12).astype(np.float32))


def residual_statistics(likelihood: ConditionalLikelihood) -> Values:
    """Standardised residuals: a right model leaves white noise of variance 1, a generator's trace does not.

    Calibration by entropy bin, autocorrelation at small lags, correlation between colours, radial
    power spectrum with its anisotropy, and the contrast between the four phases of a 2x2 lattice
    (left by up-sampling).
    """
    z: FloatArray = np.clip(likelihood.residual / np.sqrt(likelihood.variance), -8, 8).astype(np.float32)
    out: Values = {}
    for number, colour in enumerate(COLOURS):
        channel = z[..., number]
        square = float((channel**2).mean())
        out[f"z.{colour}.log_variance"] = float(np.log(square + 1e-3))
        out[f"z.{colour}.kurtosis"] = float(np.log1p((channel**4).mean() / (square**2 + 1e-6)))
        out[f"z.{colour}.mean"] = float(channel.mean())
    out |= _by_entropy(likelihood, z)
    red, green, blue = (z[..., number] for number in range(3))
    for name, (a, b) in {"rg": (red, green), "rb": (red, blue), "gb": (green, blue)}.items():
        out[f"z.correlation.{name}"] = correlation(a, b)
    for colour, channel in (("red", red), ("green", green), ("blue", blue)):
        out |= {f"z.{colour}.lag{down}{across:+d}": _lag(channel, down, across) for down, across in LAGS}
        out |= {f"z.{colour}.{key}": value for key, value in spectrum(channel).items()}
    out |= _phases(likelihood.gap.mean(-1))
    return out


def _by_entropy(likelihood: ConditionalLikelihood, z: FloatArray) -> Values:
    """Mean gap and log variance of z among sub-pixels of like expected cost, shrunk to 0 where there are few."""
    out: Values = {}
    entropy = likelihood.entropy
    for low, high in pairwise(ENTROPY_BINS):
        inside = (entropy >= low) & (entropy < high)
        count = int(inside.sum())
        trust = count / (count + 500.0)
        gap = float(likelihood.gap[inside].mean()) if count else 0.0
        square = float((z[inside] ** 2).mean()) if count else 1.0
        absolute = float(np.abs(z[inside]).mean()) if count else 0.8
        name = f"bin{low:g}"
        out[f"{name}.share"] = count / entropy.size
        out[f"{name}.gap"] = trust * gap
        out[f"{name}.log_variance"] = trust * float(np.log(square + 1e-3))
        out[f"{name}.heaviness"] = trust * float(np.log(square**0.5 + 1e-3) - np.log(absolute + 1e-3))
    return out


def spectrum(channel: FloatArray) -> Values:
    """Radial power spectrum of a standardised residual in dB, relative to its mean, and its directions.

    Bands are equal steps of the spatial frequency from 0 to 0.5 cycles a pixel; ``axis`` compares
    horizontal and vertical frequencies with diagonal ones, ``peak`` the strongest cell with its
    band's mean (a grid left by up-sampling is a peak).
    """
    window = np.outer(np.hanning(channel.shape[0]), np.hanning(channel.shape[1])).astype(np.float32)
    power = np.abs(np.fft.rfft2((channel - channel.mean()) * window)) ** 2
    power /= power.mean() + 1e-9
    down, across = np.fft.fftfreq(channel.shape[0])[:, None], np.fft.rfftfreq(channel.shape[1])[None]
    radius, angle = np.hypot(down, across), np.arctan2(np.abs(down), across)
    band = np.minimum((radius / 0.5 * SPECTRUM_BANDS).astype(int), SPECTRUM_BANDS)
    count = np.bincount(band.ravel(), minlength=SPECTRUM_BANDS + 1)
    mean = np.bincount(band.ravel(), power.ravel(), SPECTRUM_BANDS + 1) / np.maximum(count, 1)
    out = {f"band{number}": float(10 * np.log10(mean[number] + 1e-3)) for number in range(SPECTRUM_BANDS + 1)}
    diagonal = np.abs(angle - np.pi / 4) < np.pi / 8
    high = radius > 0.25
    straight = power[high & ~diagonal].mean() if (high & ~diagonal).any() else 1.0
    out["axis"] = float(np.log((straight + 1e-3) / (power[high & diagonal].mean() + 1e-3)))
    relative = power / (mean[band] + 1e-6)
    out["peak"] = float(np.log1p(relative[radius > 0.1].max()))
    return out


def _lag(channel: FloatArray, down: int, across: int) -> float:
    rows, columns = channel.shape
    first = channel[: rows - down, max(0, -across) : columns - max(0, across)]
    second = channel[down:, max(0, across) : columns - max(0, -across)]
    return correlation(first, second)


def _phases(gap: FloatArray) -> Values:
    """How unequal the four 2x2 phases are in their mean gap, against their sampling error."""
    means = np.array([gap[row::2, column::2].mean() for row in (0, 1) for column in (0, 1)])
    error = gap.std() / np.sqrt(gap.size / 4) + 1e-6
    return {"phase.spread": float(means.std()), "phase.significance": float(np.log1p(means.std() / error))}


def block_variance(values: FloatArray, size: int) -> FloatArray:
    """Return the variance of the grey levels in each block, (rows, columns), in squared levels."""
    grey = values.mean(-1, dtype=np.float32)
    mean = block_mean(grey, size)
    out: FloatArray = np.maximum(block_mean(grey**2, size) - mean**2, 0).astype(np.float32)
    return out


def regress(x: NDArray[np.floating], y: NDArray[np.floating]) -> Values:
    """Fit y on x: slope, value at x = 5 (a middling log-contrast), and the spread that is left."""
    dx, dy = x - x.mean(), y - y.mean()
    slope = float((dx * dy).mean() / ((dx**2).mean() + 1e-3))
    return {
        "slope": slope,
        "level": float(y.mean() + slope * (5.0 - x.mean())),
        "rest": float((dy - slope * dx).std()),
    }


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson correlation, 0 for a constant."""
    da, db = a - a.mean(), b - b.mean()
    scale = np.sqrt((da**2).mean() * (db**2).mean())
    return float((da * db).mean() / (scale + 1e-6))
