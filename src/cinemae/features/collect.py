"""Measuring a labelled set: variants of images -> features, in worker processes, through the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cinemae.alignment import (
    AlignParams,
    AugmentConfig,
    Protocol,
    PseudoConfig,
    SizeEqualiser,
    WindowConfig,
    align,
    augment,
    pseudo_fake,
    training_window,
)
from cinemae.corruptions import Corruption
from cinemae.datasets import LabelledImage
from cinemae.features.cache import FeatureCache
from cinemae.features.spec import FeatureSpec
from cinemae.images import ImageError, header_size, load_image
from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.runtime import cores
from cinemae.seeding import rng_for
from cinemae.verdict import Precision

if TYPE_CHECKING:
    from cinemae.features.extractor import FeatureExtractor

SAVE_EVERY = 64
CACHE_FILE = "features.sqlite"


class Variant(BaseModel):
    """What is done to an image before it is measured.

    Attributes:
        protocol: An alignment protocol; ``augment`` for a training augmentation; ``pseudo`` for
            the same augmentation of the image with a decoder's traces.
        number: Draws another augmentation or alignment of the same image.
        seed: Seed of all draws.
        align: Settings of an alignment.
        window: Settings of the training window.
        augment: Settings of the augmentation.
        pseudo: Settings of the traces.
        corruption: What happens to the image after that; None for nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Protocol | Literal["augment", "pseudo"] = "raw"
    number: int = 0
    seed: int = 0
    align: AlignParams = AlignParams()
    window: WindowConfig = WindowConfig()
    augment: AugmentConfig = AugmentConfig()
    pseudo: PseudoConfig = PseudoConfig()
    corruption: Corruption | None = None

    def digest(self) -> str:
        """Return a short hash of what this variant depends on; other variants' settings don't count."""
        settings = {"augment": {"window", "augment"}, "pseudo": {"window", "augment", "pseudo"}, "raw": set()}
        used = {"protocol", "number", "seed"} | settings.get(self.protocol, {"align"})
        if self.corruption is not None:  # what was measured before there were any is still found
            used |= {"corruption"}
        return hashlib.sha256(self.model_dump_json(include=used).encode()).hexdigest()[:16]

    def apply(self, pixels: NDArray[np.uint8], key: str, max_side: int | None) -> NDArray[np.uint8]:
        """Return the variant of an image; ``key`` names the image, so that its draws are its own."""
        pixels = self._prepared(pixels, key, max_side)
        return pixels if self.corruption is None else self.corruption.apply(pixels, self.seed, key)

    def _prepared(self, pixels: NDArray[np.uint8], key: str, max_side: int | None) -> NDArray[np.uint8]:
        if self.protocol != "augment" and self.protocol != "pseudo":
            rng = rng_for(self.seed, f"{key}/{self.protocol}/{self.number}")
            return align(pixels, self.protocol, rng, self.align, max_side=max_side)
        # A pair shares window and augmentation, so that only the traces can tell its sides apart.
        window, traces, augmentation = (
            rng_for(self.seed, f"{key}/{part}/{self.number}") for part in ("window", "pseudo", "augment")
        )
        pixels = training_window(pixels, window, self.window)
        if self.protocol == "pseudo":
            pixels = pseudo_fake(pixels, traces, self.pseudo)
        return augment(pixels, augmentation, self.augment, max_side=max_side)


class ExtractorConfig(BaseModel):
    """What a worker process needs to build the extractor.

    Attributes:
        backbone_names: Each scale's MAE, to load.
        fingerprints: Its fingerprint.
        spec: The features, names filled in.
        precision: Arithmetic of the MAEs.
        device: Where they run.
    """

    model_config = ConfigDict(frozen=True)

    backbone_names: dict[str, str]
    fingerprints: dict[str, str]
    spec: FeatureSpec
    precision: Precision = "f32"
    device: str = "cpu"

    @classmethod
    def of(cls, extractor: FeatureExtractor, backbone_names: dict[str, str]) -> ExtractorConfig:
        """Describe an extractor, so that other processes build the same."""
        return cls(
            backbone_names=backbone_names,
            fingerprints={scale: backbone.fingerprint for scale, backbone in extractor.backbones.items()},
            spec=extractor.spec,
            precision=extractor.precision,
            device=next(iter(extractor.backbones.values())).runtime.device,
        )

    def scale_key(self, scale: str) -> str:
        """Return a short hash of all that one scale's features depend on, beside the image."""
        settings = self.spec.scales[scale].model_dump_json()
        text = f"{self.fingerprints[scale]}/{settings}/{self.spec.family}/{self.spec.version}/{self.precision}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Job:
    """One image, one variant; ``equaliser`` brings its size to what both classes have."""

    image: LabelledImage
    variant: Variant
    equaliser: SizeEqualiser | None = None

    @property
    def label(self) -> int:
        """1 = AI-generated or given a decoder's traces, 0 = real."""
        return 1 if self.variant.protocol == "pseudo" else self.image.label


@dataclass(frozen=True)
class Collected:
    """Features of a set.

    Attributes:
        features: (measured, features).
        jobs: The jobs measured, in the order of the rows.
        refused: Name and reason of each image that could not be read.
    """

    features: FloatArray
    jobs: list[Job]
    refused: list[str]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels of the rows, (measured,)."""
        return np.array([job.label for job in self.jobs], dtype=np.int64)

    @property
    def pseudo(self) -> NDArray[np.bool_]:
        """Which rows are pseudo-fakes, (measured,)."""
        return np.array([job.variant.protocol == "pseudo" for job in self.jobs], dtype=np.bool_)


_worker: dict[str, Any] = {}


def _start(config: ExtractorConfig, cache: Path) -> None:
    _worker.update(config=config, cache=FeatureCache(cache))


def _extractor() -> FeatureExtractor:
    """Build this process's extractor when something must be measured; a run from the cache never does."""
    if "extractor" not in _worker:
        from cinemae.loading import build_extractor

        config: ExtractorConfig = _worker["config"]
        _worker["extractor"] = build_extractor(
            dict(config.backbone_names), config.spec, device=config.device, precision=config.precision, threads=1
        )
    extractor: FeatureExtractor = _worker["extractor"]
    return extractor


def _measure(job: Job) -> tuple[FloatArray, dict[str, FloatArray]] | str:
    """Return the features, and those of their parts that are new by cache key; or the reason of a refusal."""
    try:
        data = job.image.read()
        sha256 = hashlib.sha256(data).hexdigest()
        cache: FeatureCache = _worker["cache"]
        name = job.image.place
        size = ""
        if job.equaliser is not None:
            draw = rng_for(job.variant.seed, f"{sha256}/side")
            size = str(job.equaliser.side(min(header_size(data, name=name)), job.image.label, draw))
        key = f"{sha256}/{job.variant.digest()}/{size}"
        config: ExtractorConfig = _worker["config"]
        keys = {scale: f"{config.scale_key(scale)}/{key}" for scale in config.spec.scales}
        found = {scale: cache.get(place) for scale, place in keys.items()}
        missing = [scale for scale, vector in found.items() if vector is None]
        if not missing:
            return _joined(found), {}
        pixels = job.variant.apply(load_image(data, name=name).pixels, sha256, int(size) if size else None)
    except (ImageError, OSError) as error:
        return str(error)
    measured = {scale: _extractor().extract_scale(pixels, scale)[0] for scale in missing}
    return _joined(found | measured), {keys[scale]: vector for scale, vector in measured.items()}


def _joined(parts: Mapping[str, FloatArray | None]) -> FloatArray:
    return np.concatenate([part for part in parts.values() if part is not None])


def collect(
    jobs: Sequence[Job],
    config: ExtractorConfig,
    cache: Path,
    *,
    workers: int | None = None,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> Collected:
    """Measure all jobs; what is in the cache is not measured again.

    Args:
        jobs: What to measure.
        config: The extractor.
        cache: Folder of the feature cache.
        workers: Worker processes; None takes one a core.
        progress: Wraps the iteration, for a progress bar.
    """
    rows: list[FloatArray] = []
    kept: list[Job] = []
    refused: list[str] = []
    fresh: dict[str, FloatArray] = {}
    # Spawned, not forked: a fork of a process with thread pools (OpenVINO, torch) can hang in them.
    place = cache / CACHE_FILE
    pool = ProcessPoolExecutor(workers or cores(), get_context("spawn"), _start, (config, place))
    with FeatureCache(place) as store, pool:
        for job, result in zip(jobs, progress(pool.map(_measure, jobs, chunksize=8), len(jobs)), strict=True):
            if isinstance(result, str):
                refused.append(result)
                continue
            features, new = result
            rows.append(features)
            kept.append(job)
            fresh |= new
            if len(fresh) >= SAVE_EVERY:
                store.put(fresh)
                fresh = {}
        store.put(fresh)
    width = len(config.spec.names)
    return Collected(np.stack(rows) if rows else np.zeros((0, width), dtype=np.float32), kept, refused)
