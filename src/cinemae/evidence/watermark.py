"""Stable Diffusion's invisible watermark (``dwtDct``): a few bits, written again and again into the colour of blocks.

The scheme of ``invisible-watermark``: the U channel's Haar approximation in blocks of 4x4; of each block the entry of
largest magnitude beside the first, modulo 36, is above or below 18 as its bit is 1 or 0; block n carries bit n modulo
the message's length. Decoding is a vote. It survives no resizing and hardly any JPEG, so its absence says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from cinemae.evidence.schema import Finding
from cinemae.evidence.words import details

STEP = 36
HAAR = 0.7071067811865476
BLOCK = 4
LEAST_PIXELS = 256 * 256  # below which nothing is embedded
MOST_BLOCKS = 16_384  # that vote; more than enough for any message, and large photographs cost no more


@dataclass(frozen=True)
class Message:
    """A message that is known to be embedded by a program.

    Attributes:
        generator: The program.
        bits: (length,) uint8.
        least: Matching bits from which it counts as found; see ``docs/evidence.md`` for the false alarms.
        source: Where it is written down publicly.
    """

    generator: str
    bits: NDArray[np.uint8]
    least: int
    source: str

    @property
    def chance(self) -> float:
        """Probability that so many fair bits match by chance."""
        length = len(self.bits)
        return float(sum(comb(length, count) for count in range(self.least, length + 1)) / 2**length)


@cache
def messages() -> tuple[Message, ...]:
    """Return the known messages."""
    return (
        Message(
            "Stable Diffusion 1.x (CompVis script)", _of_text(b"StableDiffusionV1"), 100,
            "https://github.com/CompVis/stable-diffusion/blob/main/scripts/txt2img.py",
        ),
        Message(
            "SDXL (Stability AI, diffusers)", _of_number(0b101100111110110010010000011110111011000110011110, 48), 44,
            "https://github.com/huggingface/diffusers/blob/main/src/diffusers/pipelines/stable_diffusion_xl/watermark.py",
        ),
        Message(
            "FLUX (Black Forest Labs)", _of_number(0b001010101111111010000111100111001111010100101110, 48), 44,
            "https://github.com/black-forest-labs/flux/blob/main/src/flux/util.py",
        ),
        Message(
            "InvokeAI", _of_text(b"InvokeAI"), 57,
            "https://github.com/invoke-ai/InvokeAI/blob/main/invokeai/backend/image_util/invisible_watermark.py",
        ),
    )  # fmt: skip


def votes(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the bits of the first blocks, in the order in which the scheme writes them.

    Args:
        pixels: (height, width, 3) RGB.

    Returns:
        (blocks,)
    """
    height, width = (side // BLOCK * BLOCK for side in pixels.shape[:2])
    across = max(1, width // (2 * BLOCK))
    height = min(height, 2 * BLOCK * -(-MOST_BLOCKS // across))
    u = _u_channel(pixels[:height, :width])
    # In the order of the wavelet library that wrote it: a half too much or too little is the other bit.
    down = u[::2] * HAAR + u[1::2] * HAAR
    approximation = down[:, ::2] * HAAR + down[:, 1::2] * HAAR
    rows, cols = (side // BLOCK for side in approximation.shape)
    blocks = approximation[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK).swapaxes(1, 2)
    values = np.abs(blocks.reshape(rows * cols, BLOCK * BLOCK)[:, 1:]).max(axis=1)
    return np.asarray(values % STEP > STEP / 2)


def decode(pixels: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """Return the bits that most blocks vote for.

    Args:
        pixels: (height, width, 3) RGB.
        length: Bits of the message.

    Returns:
        (length,) uint8.
    """
    return _elect(votes(pixels), length)


def matches(pixels: NDArray[np.uint8]) -> dict[str, int]:
    """Return how many bits of each known message an image has."""
    cast = votes(pixels)
    return {message.generator: int((_elect(cast, len(message.bits)) == message.bits).sum()) for message in messages()}


def watermark_finding(pixels: NDArray[np.uint8]) -> Finding | None:
    """Return the finding for the first known message that an image carries, or None.

    Args:
        pixels: (height, width, 3) RGB, at the size of the file.
    """
    if pixels.shape[0] * pixels.shape[1] < LEAST_PIXELS:
        return None
    found = matches(pixels)
    for message in messages():
        if (count := found[message.generator]) >= message.least:
            length = len(message.bits)
            return Finding(
                source="watermark", says="ai", strength="stated", generator=message.generator, where="pixels",
                text=f"the pixels carry the invisible watermark of {message.generator} ({count} of {length} bits)",
                details=details({"matching bits": f"{count} of {length}", "by chance": f"{message.chance:.0e}"}),
            )  # fmt: skip
    return None


def _elect(cast: NDArray[np.bool_], length: int) -> NDArray[np.uint8]:
    places = np.arange(len(cast)) % length
    mean = np.bincount(places, cast, length) / np.maximum(np.bincount(places, minlength=length), 1)
    return (mean * 255 > 127).astype(np.uint8)


def _u_channel(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return U as OpenCV computes it of 8 bits: fixed point with 14 digits, rounded after luma and after U."""
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    luma = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14
    u = ((blue - luma) * 8061 + (128 << 14) + 8192) >> 14
    return np.asarray(np.clip(u, 0, 255), np.float64)


def _of_text(text: bytes) -> NDArray[np.uint8]:
    return np.unpackbits(np.frombuffer(text, np.uint8))


def _of_number(number: int, length: int) -> NDArray[np.uint8]:
    return np.array([number >> place & 1 for place in reversed(range(length))], np.uint8)
