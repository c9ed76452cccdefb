"""What a training measures: which photographs are drawn, and which variants of each image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from cinemae.alignment import fit_sizes, short_sides
from cinemae.datasets import LabelledImage, read_photos
from cinemae.features.collect import Job, Variant
from cinemae.fusion.config import TrainConfig
from cinemae.fusion.division import divide
from cinemae.seeding import rng_for


def training_jobs(images: list[LabelledImage], config: TrainConfig) -> list[Job]:
    """Return the jobs of a training set.

    Each image gives its augmentations; each real one also gives pseudo-fakes, the same
    augmentations of the image with a decoder's traces. Sizes are equalised over the whole set if
    the augmentation asks for it. At the end stand the zoomed photographs, if a distance wants them.
    """
    equalisers = {}
    if config.augment.equalise:
        readable, sides = short_sides(images)
        equalisers = dict(fit_sizes(readable, sides, pooled=True))
    jobs = []
    for image in images:
        for protocol, wanted in (("augment", True), ("pseudo", config.pseudo_fakes and image.label == 0)):
            for number in range(config.augmentations if wanted else 0):
                variant = Variant.model_validate(
                    {
                        "protocol": protocol,
                        "number": number,
                        "seed": config.seed,
                        "window": config.window,
                        "augment": config.augment,
                        "pseudo": config.pseudo,
                    }
                )
                jobs.append(Job(image, variant, equalisers.get(image.generator)))
    return jobs + zoom_jobs(images, config)


def zoom_jobs(images: list[LabelledImage], config: TrainConfig) -> list[Job]:
    """Return the jobs that measure large real images of the training part at several scales."""
    if not any(distance.zoom_axes for distance in config.fit.distances.values()):
        return []
    training = divide(images, config.fit.model_copy(update={"seed": config.seed})).training
    readable, sides = short_sides([image for image in training if image.label == 0])
    large = [image for image, side in zip(readable, sides, strict=True) if side >= config.zoom.smallest]
    variants = [
        Variant(protocol="zoom", number=number, seed=config.seed, zoom=config.zoom)
        for number in range(len(config.zoom.factors))
    ]
    return [
        Job(image, variant) for image in draw_photos(large, config.zoom_photos, config.seed) for variant in variants
    ]


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
