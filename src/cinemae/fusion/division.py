"""What each row of a fit weighs, and in which fold it is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.datasets import LabelledImage, ManifestError
from cinemae.features.collect import Job
from cinemae.fusion.config import FitConfig
from cinemae.seeding import seeded_digest

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """What a fit knows of its rows beside their features, each (rows,).

    Attributes:
        labels: 1 = AI-generated, 0 = real.
        weights: How much each counts, with mean 1.
        folds: Number of the fold that each is in.
        scored: Rows that verdicts are calibrated on: one an image.
    """

    labels: NDArray[np.int64]
    weights: Floats
    folds: NDArray[np.int64]
    scored: Bools


def rows_of(jobs: Sequence[Job], families: Mapping[str, Sequence[str]], fit: FitConfig) -> Rows:
    """Weigh rows and put them into folds.

    Args:
        jobs: What was measured.
        families: Generators by family.
        fit: Settings.

    Raises:
        ManifestError: If a class can't be divided into folds.
    """
    labels = np.array([job.image.label for job in jobs], dtype=np.int64)
    groups = np.array([group_of(job.image, families) for job in jobs])
    numbers = np.array([job.variant.number for job in jobs])
    folds = folds_of([job.image for job in jobs], groups, fit)
    return Rows(labels, row_weights(labels, groups, fit.balance), folds, numbers == 0)


def group_of(image: LabelledImage, families: Mapping[str, Sequence[str]]) -> str:
    """Return what an image is left out with: an AI-generated one's family, a real one's source."""
    if image.label == 0:
        return image.source
    return next((name for name, members in families.items() if image.generator in members), image.generator)


def folds_of(images: Sequence[LabelledImage], groups: NDArray[np.str_], fit: FitConfig) -> NDArray[np.int64]:
    """Divide images into folds of about as many images of each class, groups kept whole where there are enough.

    A class of fewer groups than folds is divided by the images' stems instead.

    Raises:
        ManifestError: If a class has fewer images than folds.
    """
    folds = np.empty(len(images), dtype=np.int64)
    labels = np.array([image.label for image in images])
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        names = groups[rows]
        if len(set(names.tolist())) < fit.folds:
            names = np.array([images[row].stem for row in rows.tolist()])
        found, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
        if len(found) < fit.folds:
            kind = "AI-generated" if label else "real"
            raise ManifestError(f"{len(found)} {kind} images can't be divided into {fit.folds} folds; give more")
        size = np.zeros(fit.folds)
        fold = np.empty(len(found), dtype=np.int64)
        for number in sorted(range(len(found)), key=lambda n: (-counts[n], seeded_digest(fit.seed, str(found[n])))):
            fold[number] = int(np.argmin(size))  # the largest first, each into the emptiest fold
            size[fold[number]] += counts[number]
        folds[rows] = fold[inverse]
    return folds


def row_weights(labels: NDArray[np.int64], groups: NDArray[np.str_], balance: float) -> Floats:
    """Weigh rows: both classes alike, within a class by group.

    Args:
        labels: 1 = AI-generated, 0 = real.
        groups: Family or source of each row; one with n rows counts n ** balance.
        balance: That power, 0 to 1.

    Returns:
        Weights with mean 1.
    """
    weights = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = labels == label
        _, inverse, counts = np.unique(groups[rows], return_inverse=True, return_counts=True)
        raw = counts[inverse].astype(np.float64) ** (balance - 1)
        weights[rows] = raw / raw.sum() * len(labels) / len(np.unique(labels))
    return weights
