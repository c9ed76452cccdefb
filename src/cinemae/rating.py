"""A head's probabilities of measured images, each told to whoever keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.datasets import LabelledImage
from cinemae.features.collect import Variant
from cinemae.features.variants import Measured
from cinemae.fusion.head import FusionHead
from cinemae.metrics import Scored
from cinemae.scores import ImageScore


@dataclass(frozen=True)
class Rater:
    """One head and what was measured for it.

    Attributes:
        name: The head's name in the evaluation.
        head: The head.
        measured: The images and their features.
        record: Called with each score; None for nobody.
    """

    name: str
    head: FusionHead
    measured: Measured
    record: Callable[[ImageScore], object] | None = None

    def scored(self, variant: Variant, numbers: NDArray[np.intp], *, again: bool = False) -> Scored:
        """Score some images in a variant.

        Args:
            variant: What was done to them.
            numbers: Their numbers in the set, (n,).
            again: Whether their scores were recorded before; they are not told twice.
        """
        p = self.head.probabilities(self.measured.features(variant, numbers))
        images = [self.measured.images[number] for number in numbers]
        if self.record is not None and not again:
            for image, probability in zip(images, p.tolist(), strict=True):
                self.record(self._row(image, variant, probability))
        return Scored(
            p,
            [image.label for image in images],
            [image.generator for image in images],
            [image.source for image in images],
        )

    def _row(self, image: LabelledImage, variant: Variant, probability: float) -> ImageScore:
        return ImageScore.model_validate(
            {
                "name": image.key,
                "generator": image.generator,
                "label": "ai" if image.label else "real",
                "source": image.source,
                "split": image.split,
                "head": self.name,
                "protocol": variant.protocol,
                "corruption": str(variant.corruption or ""),
                "probability": probability,
            }
        )
