"""Every image read and decoded as a whole, in worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from cinemae.datasets.check.alike import perceptual_hash
from cinemae.datasets.images import LabelledImage
from cinemae.images import ImageError, load_image
from cinemae.mae.runtime import cores

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
_TOGETHER = 8  # images that a worker is given at a time


class Facts(NamedTuple):
    """What is known of one image that was decoded.

    Attributes:
        sha256: Hash of its bytes.
        format: File format.
        alike: Perceptual hash; None if there is nothing to compare.
    """

    sha256: str
    format: str
    alike: int | None


def measure(image: LabelledImage) -> Facts | str:
    """Read and decode one image; returns why it can't be, as the detector would refuse it too."""
    try:
        data = image.read()
        loaded = load_image(data, name=image.key)
    except ImageError as error:
        return error.reason
    except OSError as error:
        return error.strerror or str(error)
    return Facts(hashlib.sha256(data).hexdigest(), loaded.facts.format or "", perceptual_hash(loaded.pixels))


def measure_all(images: Sequence[LabelledImage], jobs: int | None, progress: Progress) -> list[Facts | str]:
    """Measure all images, in their order.

    Args:
        images: The images.
        jobs: Worker processes; None takes one a core, 1 works in this process.
        progress: Wraps the iteration.
    """
    return list(progress(_results(images, jobs or cores()), len(images)))


def _results(images: Sequence[LabelledImage], jobs: int) -> Iterator[Facts | str]:
    if jobs == 1:
        yield from map(measure, images)
        return
    # Spawned, not forked: a fork of a process with thread pools can hang in them.
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(measure, images, chunksize=_TOGETHER)
