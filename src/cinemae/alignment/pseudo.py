"""Pseudo-fakes: photographs given the traces of a generator's decoder, as training examples.

A head that knows the fakes of one generator learns that generator, and what its fakes show. So it
is also given photographs beside the same photographs put through what all decoders share: detail
is made from less (up-sampling by kernels that are not ideal), faint detail is lost while edges
stay (a denoised look), and edges are sharpened again. Content, camera and history of both sides
of such a pair are the same, so nothing but the trace can tell them apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydantic import BaseModel, ConfigDict, Field

from cinemae.alignment.operations import Probability, window_at

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
UP_FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


class WindowConfig(BaseModel):
    """What part of a large image the training looks at.

    Attributes:
        side: Side of the window in pixels.
        reduce: Probability of reducing an image whose short side is above ``above`` first, so that
            a photograph counts both as its camera made it and as the web shows it.
        above: That short side in pixels.
        smallest: Smallest short side after reducing; it is drawn log-uniformly from here upwards.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(default=640, ge=64)
    reduce: Probability = 0.5
    above: int = Field(default=700, ge=64)
    smallest: int = Field(default=512, ge=64)


def training_window(pixels: Pixels, rng: np.random.Generator, config: WindowConfig | None = None) -> Pixels:
    """Reduce a large image at random and cut a window; both sides of a pair get the same one."""
    config = config or WindowConfig()
    reduce, size, down, across = rng.random(4).tolist()
    short = min(pixels.shape[:2])
    if short > config.above and reduce < config.reduce:
        scale = float((config.smallest / short) ** size)
        new = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
        pixels = np.array(Image.fromarray(pixels).resize(new, Image.Resampling.BICUBIC, reducing_gap=3.0))
    return window_at(pixels, config.side, down, across)


class PseudoConfig(BaseModel):
    """Distribution of the traces.

    Attributes:
        upsample: Probability of the up-sampling trace.
        factors: Range of its factor, log-uniform.
        kernel: Probability that the up-sampling inserts zeros and smooths with a random kernel, as
            a transposed convolution does, not with one of Pillow's filters.
        keep: Range of the share of lost detail that is put back.
        denoise: Probability of the loss of faint detail; 1 where nothing else was drawn.
        radii: Range of the guided filter's radius in pixels.
        strengths: Range of its regularisation, log-uniform, for pixels in [0, 1].
        sharpen: Probability of sharpening at the end.
        amounts: Range of its amount in per cent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    upsample: Probability = 0.8
    factors: tuple[float, float] = (1.25, 3.0)
    kernel: Probability = 0.35
    keep: tuple[float, float] = (0.0, 0.5)
    denoise: Probability = 0.7
    radii: tuple[int, int] = (1, 4)
    strengths: tuple[float, float] = (3e-4, 6e-3)
    sharpen: Probability = 0.4
    amounts: tuple[float, float] = Field(default=(50.0, 200.0))


def pseudo_fake(pixels: Pixels, rng: np.random.Generator, config: PseudoConfig | None = None) -> Pixels:
    """Give a photograph the traces of a decoder.

    Args:
        pixels: (height, width, 3).
        rng: The image's own generator; always the same number of draws.
        config: The distribution; None for the defaults.

    Returns:
        An image of the same shape.
    """
    config = config or PseudoConfig()
    u = rng.random(12)
    weights = rng.random((4, 4)).astype(np.float32)
    upsample, sharpen = u[0] < config.upsample, u[1] < config.sharpen
    denoise = u[2] < config.denoise or not upsample
    image = pixels.astype(np.float32)
    if denoise and u[3] < 0.5:
        image = guided_filter(image, _integer(u[4], config.radii), _log_uniform(u[5], config.strengths))
    if upsample:
        factor = _log_uniform(u[6], config.factors)
        made = _transposed(image, weights) if u[7] < config.kernel else _resampled(image, factor, int(3 * u[8]))
        low, high = config.keep
        image = made + (low + u[9] * (high - low)) * (image - made)
    if denoise and u[3] >= 0.5:
        image = guided_filter(image, _integer(u[4], config.radii), _log_uniform(u[5], config.strengths))
    out = Image.fromarray(np.clip(image + 0.5, 0, 255).astype(np.uint8))
    if sharpen:
        low, high = config.amounts
        out = out.filter(ImageFilter.UnsharpMask(0.6 + float(u[10]), int(low + u[11] * (high - low)), 0))
    return np.array(out)


def guided_filter(image: Floats, radius: int, strength: float) -> Floats:
    """Smooth faint detail and keep edges, each colour guided by itself.

    Args:
        image: (height, width, 3) in levels.
        radius: Half-width of the window in pixels.
        strength: Variance, for pixels in [0, 1], below which detail is smoothed away.
    """
    scaled = image / 255
    mean = _box(scaled, radius)
    variance = np.maximum(_box(scaled**2, radius) - mean**2, 0)
    slope = variance / (variance + strength)
    smooth = 255 * (_box(slope, radius) * scaled + _box(mean * (1 - slope), radius))
    out: Floats = smooth.astype(np.float32, copy=False)
    return out


def _box(values: NDArray[np.floating], radius: int) -> Floats:
    """Mean over a (2 radius + 1)-wide window, edges repeated."""
    width = 2 * radius + 1
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis, dtype=np.float64)
        ahead, behind = [slice(None)] * 3, [slice(None)] * 3
        ahead[axis], behind[axis] = slice(width, None), slice(None, -width)
        values = ((total[tuple(ahead)] - total[tuple(behind)]) / width).astype(np.float32)
    out: Floats = values.astype(np.float32, copy=False)
    return out


def _resampled(image: Floats, factor: float, choice: int) -> Floats:
    height, width = image.shape[:2]
    small = max(8, round(width / factor)), max(8, round(height / factor))
    source = Image.fromarray(np.clip(image + 0.5, 0, 255).astype(np.uint8))
    made = source.resize(small, Image.Resampling.LANCZOS).resize((width, height), UP_FILTERS[choice])
    return np.asarray(made, dtype=np.float32)


def _transposed(image: Floats, weights: Floats) -> Floats:
    """Halve the image and double it again by zero insertion and a random positive 4x4 kernel.

    The kernel is a bilinear one, disturbed; each of its four phases adds up to one, but for a
    little, which leaves the checkerboard of a transposed convolution.
    """
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    low = image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    tent = np.array([1, 3, 3, 1], dtype=np.float32) / 8
    kernel = np.outer(tent, tent) * 4 * (1 + 0.6 * (weights - 0.5))
    phase = kernel.reshape(2, 2, 2, 2).sum((0, 2))  # the taps that meet non-zero samples, a phase each
    kernel = kernel / np.tile(1 + 0.9 * (phase - 1), (2, 2))
    filled = np.zeros((height + 4, width + 4, 3), dtype=np.float32)
    filled[2:-2:2, 2:-2:2] = low
    filled[0], filled[-2] = filled[2], filled[-4]
    filled[:, 0], filled[:, -2] = filled[:, 2], filled[:, -4]
    made = image.copy()
    made[:height, :width] = sum(
        kernel[row, column] * filled[row : row + height, column : column + width]
        for row in range(4)
        for column in range(4)
    )
    return made


def _integer(u: float, bounds: tuple[int, int]) -> int:
    return min(bounds[0] + int(u * (bounds[1] - bounds[0] + 1)), bounds[1])


def _log_uniform(u: float, bounds: tuple[float, float]) -> float:
    return float(bounds[0] * (bounds[1] / bounds[0]) ** u)
