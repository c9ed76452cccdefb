"""Which images train, which validate, which are kept for the verdicts' error rate, and what each row weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.datasets import LabelledImage, split_by_source
from cinemae.features.collect import Job
from cinemae.fusion.config import FitConfig

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Parts:
    """What each row of a fit is for; a row in none of the parts is for nothing.

    Attributes:
        training: Rows that the branches are fitted on, (rows,).
        validation: Rows for early stopping, calibration and threshold, (rows,).
        conformal: Rows that verdicts are calibrated on, (rows,): one an image, none of them a pseudo-fake.
    """

    training: Bools
    validation: Bools
    conformal: Bools


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


def parts_of(jobs: Sequence[Job], images: Sequence[LabelledImage], fit: FitConfig) -> Parts:
    """Return what each job's row is for. Those of zoomed photographs are for none of it.

    Conformal calibration wants images that are exchangeable, so of each image there it takes the first
    augmentation only, and no pseudo-fake: those are no images of a generator.

    Args:
        jobs: What was measured.
        images: All images of the training. Those that were refused count in dividing, so that the others stay
            where they were when the zoomed ones were drawn.
        fit: Settings.
    """
    division = divide(images, fit)
    places = ({image.place for image in part} for part in (division.training, division.validation, division.conformal))
    training, validation, conformal = (
        np.array([job.image.place in part for job in jobs], dtype=np.bool_) for part in places
    )
    zoom = np.array([job.variant.protocol == "zoom" for job in jobs], dtype=np.bool_)
    plain = np.array([job.variant.protocol == "augment" and job.variant.number == 0 for job in jobs], dtype=np.bool_)
    return Parts(training & ~zoom, validation & ~zoom, conformal & plain)


def row_weights(labels: NDArray[np.int64], sources: NDArray[np.str_], pseudo: Bools, config: FitConfig) -> Floats:
    """Weigh rows: both classes alike; within a class by source; within the AI class pseudo-fakes as asked.

    Args:
        labels: 1 = AI-generated, 0 = real.
        sources: Source of each row; one with n rows counts n ** config.balance.
        pseudo: Rows that are pseudo-fakes.
        config: ``balance`` and ``pseudo_share``.

    Returns:
        Weights with mean 1.
    """
    weights = np.zeros(len(labels))
    share = config.pseudo_share if (pseudo & (labels == 1)).any() else 0.0
    if not (~pseudo & (labels == 1)).any():
        share = 1.0
    for rows, part in ((labels == 0, 0.5), ((labels == 1) & ~pseudo, 0.5 * (1 - share)), (pseudo, 0.5 * share)):
        _, inverse, counts = np.unique(sources[rows], return_inverse=True, return_counts=True)
        raw = counts[inverse].astype(np.float64) ** (config.balance - 1) if rows.any() else np.zeros(0)
        weights[rows] = raw / max(raw.sum(), 1e-12) * part * len(labels)
    return weights
