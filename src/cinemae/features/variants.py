"""A labelled set measured in several variants: each image aligned, corrupted, or as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemae.alignment import fit_sizes, short_sides
from cinemae.datasets import LabelledImage
from cinemae.features.collect import Job, Variant, collect
from cinemae.features.measurer import Measurer, Vector

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class Measured:
    """Features of a set in several variants.

    Attributes:
        images: The set.
        variants: What was done to it.
        refused: Name and reason of each image that could not be read.
    """

    images: Sequence[LabelledImage]
    variants: Sequence[Variant]
    refused: Sequence[str]
    _features: Vector
    _rows: NDArray[np.intp]  # (variants, images), -1 for what could not be measured

    def known(self, variants: Iterable[Variant]) -> NDArray[np.intp]:
        """Return the numbers of the images that could be measured in all of some variants."""
        return np.flatnonzero((self._rows[[self.variants.index(variant) for variant in variants]] >= 0).all(axis=0))

    def features(self, variant: Variant, numbers: NDArray[np.intp]) -> Vector:
        """Return the features of some images in a variant, (numbers, features)."""
        rows: Vector = self._features[self._rows[self.variants.index(variant), numbers]]
        return rows


@dataclass(frozen=True)
class Meter:
    """What measuring takes, but for the images and what is done to them.

    Attributes:
        measurer: What measures.
        cache: Folder of the feature cache.
        jobs: Worker processes; None takes one a core.
        progress: Wraps the iteration, for a progress bar.
    """

    measurer: Measurer
    cache: Path
    jobs: int | None = None
    progress: Progress = lambda items, total: items

    def measure(
        self,
        images: Sequence[LabelledImage],
        variants: Sequence[Variant],
        *,
        real_only: bool = False,
        sized: Sequence[LabelledImage] | None = None,
    ) -> Measured:
        """Measure each image in each variant, with one set of worker processes.

        Args:
            images: A set with both classes of each generator, whose sizes alignment equalises.
            variants: What to do to each; those that occur twice are measured once.
            real_only: Measure the real images only; the others still count for their sizes.
            sized: The set whose sizes are equalised, if ``images`` is but a sample of it.

        Raises:
            ManifestError: If a variant aligns and a generator lacks one of the classes.
        """
        variants = list(dict.fromkeys(variants))
        aligned = any(variant.protocol != "raw" for variant in variants)
        equalisers = fit_sizes(*short_sides(images if sized is None else sized)) if aligned else {}
        if real_only:
            images = [image for image in images if image.label == 0]
        work = [
            Job(image, variant, None if variant.protocol == "raw" else equalisers.get(image.generator))
            for variant in variants
            for image in images
        ]
        found = collect(work, self.measurer, self.cache, workers=self.jobs, progress=self.progress)
        places = {id(job): row for row, job in enumerate(found.jobs)}  # a set may list an image twice
        rows = np.array([places.get(id(job), -1) for job in work], dtype=np.intp).reshape(len(variants), len(images))
        return Measured(images, variants, list(dict.fromkeys(found.refused)), found.features, rows)
