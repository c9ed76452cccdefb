"""The spectral baseline: azimuthally averaged power spectra and a logistic regression.

Up-sampling leaves its traces in the highest frequencies, whatever the picture shows:

* Durall, Keuper, Keuper: Watch your Up-Convolution: CNN Based Generative Deep Neural Networks are Failing to
  Reproduce Spectral Distributions, CVPR 2020 (arXiv 2003.01826): the average over the azimuth, and a linear classifier.
* Frank et al.: Leveraging Frequency Analysis for Deep Fake Image Recognition, ICML 2020 (arXiv 2003.08685).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cinemae.baselines.logistic import LinearBaseline
from cinemae.features.measurer import Measure
from cinemae.images import native_crops
from cinemae.mae.select import PrecisionChoice

VERSION = 1  # raised whenever the numbers change their meaning: they are kept in the cache under it
LUMA = np.array([0.299, 0.587, 0.114])
FLOOR = 1e-3  # levels squared, a hundredth of what rounding to whole levels leaves: flat pictures need a logarithm
PART = "spectrum"


class SpectrumConfig(LinearBaseline):
    """The spectral baseline.

    Attributes:
        size: Side of the centre crop in pixels, even, never resampled. Of a smaller picture all
            is taken; frequencies are in cycles a pixel, so that its numbers mean the same.
        bins: Radial bins from 0 to 0.5 cycles a pixel.
    """

    kind: Literal["spectrum"] = "spectrum"
    size: int = Field(default=256, ge=32, multiple_of=2)
    bins: int = Field(default=64, ge=4)

    def measurer(self, precision: PrecisionChoice = "auto", device: str | None = None) -> SpectrumMeasurer:
        """Return the measurer; it computes in float64 on the CPU, whatever is asked for."""
        return SpectrumMeasurer(self.size, self.bins, self.digest())

    def identity(self) -> str:
        """The crop, the bins and the version of the code."""
        return f"spectrum/{VERSION}/{self.size}/{self.bins}"


@dataclass(frozen=True)
class SpectrumMeasurer:
    """Measures the spectra; see :class:`cinemae.features.measurer.Measurer`.

    Attributes:
        size: Side of the centre crop in pixels.
        bins: Radial bins.
        key: Of the part.
    """

    size: int
    bins: int
    key: str

    @property
    def parts(self) -> dict[str, str]:
        """One part."""
        return {PART: self.key}

    @property
    def width(self) -> int:
        """Luminance and residual, each in all bins."""
        return 2 * self.bins

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Always float32."""
        return np.dtype(np.float32)

    def build(self) -> Measure:
        """Return the function that measures; nothing is loaded."""
        return lambda pixels, part: spectra(pixels, size=self.size, bins=self.bins)


def spectra(pixels: NDArray[np.uint8], *, size: int, bins: int) -> NDArray[np.float32]:
    """Return log10 power of the luminance, then of its residual, in radial bins from low to high, (2 * bins,).

    The residual is the luminance less its 3 x 3 median. A linear high-pass filter would only add a constant to
    each bin of the first half, which standardisation takes away again; the median leaves edges
    out, so that textures and traces count for more.

    Args:
        pixels: (height, width, 3), both sides at least 2.
        size: Side of the centre crop in pixels.
        bins: Radial bins.
    """
    (crop,) = native_crops(pixels, size=size, count=1)
    luma = crop.astype(np.float64) @ LUMA
    halves = (radial_power(image, bins) for image in (luma, luma - median3(luma)))
    return np.concatenate([np.log10(half + FLOOR) for half in halves]).astype(np.float32)


def radial_power(image: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return mean power in rings of equal width from 0 to 0.5 cycles a pixel, (bins,), in squared units of the image.

    A Hann window, normalised to keep the power of white noise, fades the edges out. A small picture
    has rings without a frequency of its own: they get what lies between their neighbours.

    Args:
        image: (height, width).
        bins: Number of rings.
    """
    height, width = image.shape
    window = hann(height)[:, None] * hann(width)
    faded = (image - np.average(image, weights=window)) * window
    power = np.abs(np.fft.fft2(faded)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.minimum((radius * 2 * bins).astype(np.intp), bins)  # the last: corners, beyond 0.5
    ring[np.isclose(radius, 0.5)] = bins - 1
    ring[0, 0] = bins  # the mean was taken away
    sums = np.bincount(ring.ravel(), power.ravel(), bins + 1)[:bins]
    counts = np.bincount(ring.ravel(), minlength=bins + 1)[:bins]
    known = np.flatnonzero(counts)
    return np.interp(np.arange(bins), known, sums[known] / counts[known])


def hann(length: int) -> NDArray[np.float64]:
    """Return a Hann window without zeros at its ends, (length,)."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2


def median3(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each pixel's 3 x 3 neighbourhood, edges repeated, of the image's shape."""
    padded = np.pad(image, 1, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, (3, 3)), axis=(2, 3))
