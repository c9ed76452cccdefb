"""Measuring a labelled set: variants of images -> vectors, in worker processes, through the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cinemae.alignment import (
    AlignParams,
    AugmentConfig,
    Protocol,
    SizeEqualiser,
    WindowConfig,
    align,
    augment,
    max_side,
    training_window,
)
from cinemae.corruptions import Corruption
from cinemae.datasets import LabelledImage
from cinemae.features.cache import FeatureCache
from cinemae.features.measurer import Measure, Measurer, Vector
from cinemae.images import ImageError, header_size, load_image
from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.runtime import cores
from cinemae.seeding import rng_for

SAVE_EVERY = 64
CACHE_FILE = "features.sqlite"


class Variant(BaseModel):
    """What is done to an image before it is measured.

    Attributes:
        protocol: An alignment protocol; ``augment`` for a training augmentation.
        number: Draws another augmentation or alignment of the same image.
        seed: Seed of all draws.
        align: Settings of an alignment.
        window: Settings of the training window.
        augment: Settings of the augmentation.
        corruption: What happens to the image after that; None for nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Protocol | Literal["augment"] = "raw"
    number: int = 0
    seed: int = 0
    align: AlignParams = AlignParams()
    window: WindowConfig = WindowConfig()
    augment: AugmentConfig = AugmentConfig()
    corruption: Corruption | None = None

    def digest(self) -> str:
        """Return a short hash of what this variant depends on; other variants' settings don't count."""
        settings: dict[str, set[str]] = {"augment": {"window", "augment"}, "raw": set()}
        used = {"protocol", "number", "seed"} | settings.get(self.protocol, {"align"})
        if self.corruption is not None:  # what was measured before there were any is still found
            used |= {"corruption"}
        return hashlib.sha256(self.model_dump_json(include=used).encode()).hexdigest()[:16]

    def apply(self, pixels: NDArray[np.uint8], key: str, max_side: int | None) -> NDArray[np.uint8]:
        """Return the variant of an image; ``key`` names the image, so that its draws are its own."""
        pixels = self._prepared(pixels, key, max_side)
        return pixels if self.corruption is None else self.corruption.apply(pixels, self.seed, key)

    def _prepared(self, pixels: NDArray[np.uint8], key: str, max_side: int | None) -> NDArray[np.uint8]:
        if self.protocol != "augment":
            rng = rng_for(self.seed, f"{key}/{self.protocol}/{self.number}")
            return align(pixels, self.protocol, rng, self.align, max_side=max_side)
        window, augmentation = (rng_for(self.seed, f"{key}/{part}/{self.number}") for part in ("window", "augment"))
        pixels = training_window(pixels, window, self.window)
        return augment(pixels, augmentation, self.augment, max_side=max_side)


@dataclass(frozen=True)
class Job:
    """One image, one variant; ``equaliser`` brings its size to what both classes have."""

    image: LabelledImage
    variant: Variant
    equaliser: SizeEqualiser | None = None


@dataclass(frozen=True)
class Collected:
    """Features of a set.

    Attributes:
        features: (measured, features), of the measurer's type.
        jobs: The jobs measured, in the order of the rows.
        refused: Name and reason of each image that could not be read.
        asked: All images that were to be measured, each once, refused ones too.
    """

    features: Vector
    jobs: list[Job]
    refused: list[str]
    asked: list[LabelledImage]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels of the rows, (measured,)."""
        return np.array([job.image.label for job in self.jobs], dtype=np.int64)


_worker: dict[str, Any] = {}


def _start(measurer: Measurer, cache: Path) -> None:
    _worker.update(measurer=measurer, parts=measurer.parts, cache=FeatureCache(cache))


def _measure_part(pixels: NDArray[np.uint8], part: str) -> Vector:
    """Measure, with what this process loads when it must for the first time; a run from the cache never does."""
    if "measure" not in _worker:
        measurer: Measurer = _worker["measurer"]
        _worker["measure"] = measurer.build()
    measure: Measure = _worker["measure"]
    vector = measure(pixels, part)
    if _worker["parts"][part] and vector.dtype != np.float32:
        raise TypeError(f"the part {part!r} is kept in the cache, so it must be float32, not {vector.dtype}")
    return vector


def cache_key(part_key: str, sha256: str, variant: Variant, size: str) -> str:
    """Return where the cache keeps a part of an image's vector; "" for a part that is not kept.

    Args:
        part_key: The part's own key, see :class:`Measurer`.
        sha256: Of the image's bytes.
        variant: What is done to the image.
        size: The short side that it is cut to in pixels; "" for its own.
    """
    return f"{part_key}/{sha256}/{variant.digest()}/{size}" if part_key else ""


def _measure(job: Job) -> tuple[Vector, dict[str, FloatArray]] | str:
    """Return the vector, and those of its parts that are new by cache key; or the reason of a refusal."""
    try:
        data = job.image.read()
        sha256 = hashlib.sha256(data).hexdigest()
        cache: FeatureCache = _worker["cache"]
        name = job.image.place
        size = ""
        if job.equaliser is not None:
            short = min(header_size(data, name=name))
            size = str(max_side(short, job.image.label, sha256, job.equaliser, job.variant.seed))
        parts: Mapping[str, str] = _worker["parts"]
        keys = {part: cache_key(key, sha256, job.variant, size) for part, key in parts.items()}
        found: dict[str, Vector | None] = {part: cache.get(place) if place else None for part, place in keys.items()}
        missing = [part for part, vector in found.items() if vector is None]
        if not missing:
            return _joined(found), {}
        pixels = job.variant.apply(load_image(data, name=name).pixels, sha256, int(size) if size else None)
    except (ImageError, OSError) as error:
        return str(error)
    measured = {part: _measure_part(pixels, part) for part in missing}
    fresh = {keys[part]: vector for part, vector in measured.items() if keys[part]}
    return _joined(found | measured), fresh


def _joined(parts: Mapping[str, Vector | None]) -> Vector:
    return np.concatenate([part for part in parts.values() if part is not None])


def collect(
    jobs: Sequence[Job],
    measurer: Measurer,
    cache: Path,
    *,
    workers: int | None = None,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> Collected:
    """Measure all jobs; what is in the cache is not measured again.

    Args:
        jobs: What to measure.
        measurer: What measures, for example an :class:`cinemae.features.measurer.ExtractorConfig`.
        cache: Folder of the feature cache.
        workers: Worker processes; None takes one a core.
        progress: Wraps the iteration, for a progress bar.
    """
    # Filled in place: the rows of pixels are gigabytes, which a list to be stacked would hold twice.
    rows: Vector = np.empty((len(jobs), measurer.width), dtype=measurer.dtype)
    kept: list[Job] = []
    refused: list[str] = []
    fresh: dict[str, FloatArray] = {}
    # Spawned, not forked: a fork of a process with thread pools (OpenVINO, torch) can hang in them.
    place = cache / CACHE_FILE
    pool = ProcessPoolExecutor(workers or cores(), get_context("spawn"), _start, (measurer, place))
    with FeatureCache(place) as store, pool:
        for job, result in zip(jobs, progress(pool.map(_measure, jobs, chunksize=8), len(jobs)), strict=True):
            if isinstance(result, str):
                refused.append(result)
                continue
            features, new = result
            if features.shape != rows.shape[1:]:
                raise ValueError(f"the measurer says {rows.shape[1]} numbers an image, it measured {len(features)}")
            rows[len(kept)] = features
            kept.append(job)
            fresh |= new
            if len(fresh) >= SAVE_EVERY:
                store.put(fresh)
                fresh = {}
        store.put(fresh)
    asked = list({job.image.place: job.image for job in jobs}.values())
    return Collected(rows[: len(kept)], kept, refused, asked)
