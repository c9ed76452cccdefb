"""The held-out split: whole groups, both classes on both sides, independent of order."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from cinemae.datasets.images import LabelledImage
from cinemae.datasets.split import split_by_source


def make(source: str, label: int, count: int, *, stem: str = "") -> list[LabelledImage]:
    return [
        LabelledImage(
            path=Path(f"{source}/{label}/{stem or f'{source}{label}'}-{i}.png"),
            label=label,
            generator="g",
            source=source,
            split="train",
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def images() -> list[LabelledImage]:
    small = [image for i in range(40) for image in make(f"s{i}", i % 2, 5 + i % 7)]
    return small + make("huge", 1, 400) + make("both", 0, 9) + make("both", 1, 9)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_small_sources_stay_whole_and_shares_are_met(images: list[LabelledImage], fraction: float) -> None:
    kept, held = split_by_source(images, fraction, seed=3)
    assert Counter(kept + held) == Counter(images)
    assert {image.source for image in kept} & {image.source for image in held} == {"huge"}
    for label in (0, 1):
        share = sum(image.label == label for image in held) / sum(image.label == label for image in images)
        assert share == pytest.approx(fraction, abs=0.04)
    assert sum(image.source == "huge" for image in held) == round(400 * fraction)


def test_order_does_not_matter_and_the_seed_does(images: list[LabelledImage]) -> None:
    shuffled = random.Random(0).sample(images, len(images))
    _, held = split_by_source(images, 0.2, seed=3)
    assert set(split_by_source(shuffled, 0.2, seed=3)[1]) == set(held)
    assert set(split_by_source(images, 0.2, seed=4)[1]) != set(held)
    assert held == [image for image in images if image in set(held)]


def test_pairs_of_one_stem_stay_together_in_a_divided_source() -> None:
    images = make("s", 0, 50, stem="pair") + make("s", 1, 50, stem="pair")
    kept, held = split_by_source(images, 0.2, seed=0)
    assert not {image.path.stem for image in kept} & {image.path.stem for image in held}
    assert Counter(image.label for image in held) == {0: 10, 1: 10}


def test_own_groups(images: list[LabelledImage]) -> None:
    kept, held = split_by_source(images, 0.3, seed=0, group=lambda image: image.path.stem[-1])
    assert {image.path.stem[-1] for image in kept}.isdisjoint(image.path.stem[-1] for image in held)


def test_impossible_splits_are_refused(images: list[LabelledImage]) -> None:
    for fraction in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            split_by_source(images, fraction, seed=0)
    with pytest.raises(ValueError, match="of class 0: it has 1 images"):
        split_by_source(make("a", 0, 1) + make("b", 1, 10), 0.2, seed=0)
