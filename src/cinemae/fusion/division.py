"""Which images train, which validate, and which are kept for the verdicts' error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinemae.datasets import LabelledImage, split_by_source
from cinemae.features.collect import Job
from cinemae.fusion.config import FitConfig
from cinemae.fusion.fit import Parts


@dataclass(frozen=True)
class Division:
    """Images by what they are for, no source in two parts where that is possible (:func:`split_by_source`).

    Attributes:
        training: Images to fit on.
        validation: Images for early stopping, calibration and threshold.
        conformal: Images that verdicts are calibrated on, and that serve for nothing else.
    """

    training: list[LabelledImage]
    validation: list[LabelledImage]
    conformal: list[LabelledImage]


def divide(images: Sequence[LabelledImage], fit: FitConfig) -> Division:
    """Divide images by source: into training and held-out ones, and these into validation and conformal ones.

    Raises:
        ManifestError: If a class has too few images for that.
    """
    training, held_out = split_by_source(images, fit.held_out, fit.seed)
    validation, conformal = split_by_source(held_out, fit.conformal_share, fit.seed)
    return Division(training, validation, conformal)


def parts_of(jobs: Sequence[Job], fit: FitConfig) -> Parts:
    """Return what each job's row is for. Those of zoomed photographs are for none of it.

    Conformal calibration wants images that are exchangeable, so of each image there it takes the first
    augmentation only, and no pseudo-fake: those are no images of a generator.
    """
    division = divide(list({job.image.place: job.image for job in jobs}.values()), fit)
    places = ({image.place for image in part} for part in (division.training, division.validation, division.conformal))
    training, validation, conformal = (
        np.array([job.image.place in part for job in jobs], dtype=np.bool_) for part in places
    )
    zoom = np.array([job.variant.protocol == "zoom" for job in jobs], dtype=np.bool_)
    plain = np.array([job.variant.protocol == "augment" and job.variant.number == 0 for job in jobs], dtype=np.bool_)
    return Parts(training & ~zoom, validation & ~zoom, conformal & plain)
