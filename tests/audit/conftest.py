"""Labelled sets with planted biases, and tables of facts without any pictures behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinemae.audit import AuditConfig
from cinemae.audit.facts import Value
from cinemae.audit.measure import FACTS
from cinemae.datasets import LabelledImage, read_images
from toys import pink

Save = Callable[[Image.Image, Path, int], object]


Invent = Callable[..., tuple[list[LabelledImage], list[dict[str, Value]]]]


@pytest.fixture(scope="session")
def quick() -> AuditConfig:
    """Settings that small sets are audited with."""
    return AuditConfig(resamples=100, folds=2, few=20)


def write_pair(folder: Path, count: int, ai: Save, real: Save, side: int = 64) -> list[LabelledImage]:
    """Write one generator whose classes show the same kind of picture and differ in how they are saved."""
    for number in range(2 * count):
        kind, save = (("ai", ai), ("nature", real))[number % 2]
        place = folder / "gen" / "val" / kind
        place.mkdir(parents=True, exist_ok=True)
        save(Image.fromarray(pink(700 + number, side)), place, number)
    return read_images(folder, split="val")


def as_png(image: Image.Image, place: Path, number: int) -> None:
    image.save(place / f"{number}.png")


def as_jpeg(image: Image.Image, place: Path, number: int) -> None:
    image.save(place / f"{number}.jpg", quality=90)


@pytest.fixture(scope="session")
def png_against_jpeg(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledImage]:
    """The bias of many collections: AI-generated images are PNG, real ones JPEG; 40 of each."""
    return write_pair(tmp_path_factory.mktemp("formats"), 40, as_png, as_jpeg)


@pytest.fixture(scope="session")
def invent() -> Invent:
    """Make up images, alternately AI-generated and real, whose facts are drawn alike for both classes."""

    def draw(count: int, *, generators=("g",), sources=0, seed=0):
        rng = np.random.default_rng(seed)
        images, values = [], []
        for generator in generators:
            for number in range(count):
                source = f"s{number // 2 % sources}" if sources else f"{number}"
                name = f"{generator}/{number}.png"
                facts = {
                    fact.name: str(rng.choice(["a", "b"])) if fact.words else float(rng.normal()) for fact in FACTS
                }
                images.append(
                    LabelledImage(
                        path=name, name=name, label=number % 2, generator=generator, source=source, split="val"
                    )
                )
                values.append(facts)
        return images, values

    return draw
