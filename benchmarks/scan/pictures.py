"""Files to scan: seeded crops of photographs as JPEG, and files that are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from benchmarks.perf.pictures import photographs
from PIL import Image

LONG_SIDES = (512, 640, 800, 1024, 1280, 1500)
A_FOLDER = 1000


def write_crops(folder: Path, count: int, *, seed: int = 0) -> list[Path]:
    """Write ``count`` different JPEG files of the sizes that people have."""
    rng = np.random.default_rng(seed)
    photos = photographs((1800, 1800, 1800, 1800))
    folder.mkdir(parents=True)
    paths = []
    for number in range(count):
        photo, long = photos[rng.integers(len(photos))], LONG_SIDES[number % len(LONG_SIDES)]
        width, height = min(long, photo.width), min(round(0.75 * long), photo.height)
        left = int(rng.integers(photo.width - width + 1))
        top = int(rng.integers(photo.height - height + 1))
        crop = photo.crop((left, top, left + width, top + height))
        paths.append(folder / f"{number:06d}.jpg")
        crop.save(paths[-1], quality=int(rng.integers(75, 96)))
    return paths


def write_mixed(folder: Path, count: int, *, every: int) -> int:
    """Write ``count`` files, one in ``every`` a picture and the others cut off; returns how many are pictures.

    A file that is cut off is read, recognised and decoded to where it ends; then it is refused. The
    files are hard links to a few.
    """
    models = folder.with_name(f"{folder.name}-models")
    whole = write_crops(models, 12)
    cut = []
    for number in range(12):
        cut.append(models / f"cut-{number}.jpg")
        Image.new("RGB", (96, 96), (number, 99, 0)).save(cut[-1])
        cut[-1].write_bytes(cut[-1].read_bytes()[:-300])
    pictures = 0
    for number in range(count):
        place = folder / f"{number // A_FOLDER:04d}"
        place.mkdir(parents=True, exist_ok=True)
        kinds = whole if number % every == 0 else cut
        pictures += kinds is whole
        os.link(kinds[number % len(kinds)], place / f"{number:07d}.jpg")
    return pictures
