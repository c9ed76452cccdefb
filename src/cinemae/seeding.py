"""Randomness by name: the same seed and key give the same stream in every process and on every platform."""

from __future__ import annotations

import hashlib

import numpy as np


def seeded_digest(seed: int, key: str) -> int:
    """Return a 256-bit number that depends on the seed and the key alone.

    Python's own ``hash`` is salted per process; sha256 is not.

    Args:
        seed: Any integer.
        key: Any text, for example an image's name or sha256.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}\0{key}".encode()).digest(), "big")


def rng_for(seed: int, key: str) -> np.random.Generator:
    """Return a generator of its own for one key, independent of order, batch and process.

    Args:
        seed: The run's seed.
        key: What the numbers are for, for example an image's sha256. Different keys give
            unrelated streams, so give different purposes different keys (``f"{sha256}/size"``).
    """
    return np.random.Generator(np.random.PCG64(seeded_digest(seed, key)))
