"""Photographs to score, as JPEG files of the sizes that people have."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDES = (512, 640, 800, 1024, 1280, 1500)
_NAMES = ("astronaut", "coffee", "chelsea", "rocket")  # colour photographs that scikit-image brings along


def photographs(sides: tuple[int, ...] = SIDES) -> list[Image.Image]:
    """Return one photograph a long side, in turn of the ones that scikit-image brings along."""
    import skimage.data

    out = []
    for number, side in enumerate(sides):
        image = Image.fromarray(getattr(skimage.data, _NAMES[number % len(_NAMES)])())
        scale = side / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        out.append(image.resize(size, Image.Resampling.LANCZOS))
    return out


def write_jpegs(folder: Path, count: int, sides: tuple[int, ...] = SIDES) -> list[Path]:
    """Write ``count`` JPEG files: the distinct ones in turn, repeated as hard links."""
    folder.mkdir(parents=True)
    distinct = []
    for number, image in enumerate(photographs(sides)):
        distinct.append(folder / f"{number:05d}.jpg")
        image.save(distinct[-1], quality=90)
    for number in range(len(distinct), count):
        os.link(distinct[number % len(distinct)], folder / f"{number:05d}.jpg")
    for path in distinct[count:]:
        path.unlink()
    return sorted(folder.iterdir())


def square(side: int, number: int = 0) -> NDArray[np.uint8]:
    """Return a photograph as a square of ``side`` pixels, (side, side, 3)."""
    import skimage.data

    image = Image.fromarray(getattr(skimage.data, _NAMES[number % len(_NAMES)])())
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))
