"""What a training measures: which photographs are drawn, and which variants of each image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from cinemae.alignment import fit_sizes, short_sides
from cinemae.datasets import LabelledImage, read_photos
from cinemae.features.collect import Job, Variant
from cinemae.fusion.config import TrainConfig
from cinemae.seeding import rng_for


def training_jobs(images: list[LabelledImage], config: TrainConfig) -> list[Job]:
    """Return the jobs of a training set: each image in each of its augmentations.

    Sizes are equalised over the whole set if the augmentation asks for it.
    """
    equalisers = {}
    if config.augment.equalise:
        readable, sides = short_sides(images)
        equalisers = dict(fit_sizes(readable, sides, pooled=True))
    variants = [
        Variant(protocol="augment", number=number, seed=config.seed, window=config.window, augment=config.augment)
        for number in range(config.augmentations)
    ]
    return [Job(image, variant, equalisers.get(image.generator)) for image in images for variant in variants]


def choose_photos(where: list[Path], root: Path | None, limit: int, seed: int) -> list[LabelledImage]:
    """Read photographs and draw some; see :func:`draw_photos`."""
    return draw_photos([photo for place in where for photo in read_photos(place, root)], limit, seed)


def draw_photos(photos: list[LabelledImage], limit: int, seed: int) -> list[LabelledImage]:
    """Draw photographs by n ** -0.75 times their short side, n being their source's number of images.

    Variety before numbers; and large photographs before small ones, since a camera's original is what
    a head that has only seen the web's small images takes for a fake. An unreadable one counts as if
    it were a pixel wide; if it is drawn all the same, it is refused by name when it is measured.
    """
    if len(photos) <= limit:
        return photos
    readable, known = short_sides(photos)
    side_of = dict(zip(readable, known, strict=True))
    sizes = Counter(photo.source for photo in photos)
    weight = np.array([sizes[photo.source] ** -0.75 * side_of.get(photo, 1) for photo in photos])
    order = rng_for(seed, "photos").choice(len(photos), limit, replace=False, p=weight / weight.sum())
    return [photos[number] for number in sorted(order)]
