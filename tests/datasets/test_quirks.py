"""The list of known faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemae.datasets import LabelledImage
from cinemae.datasets.generators import GENERATORS
from cinemae.datasets.quirks import known_broken, quirks


def image(name: str, generator: str) -> LabelledImage:
    return LabelledImage(path=Path(name), name=name, label=1, generator=generator, source="s", split="train")


@pytest.mark.parametrize(
    ("layout", "name", "generator"),
    [
        ("genimage", "BigGAN/imagenet_ai_0419_biggan/train/ai/116_biggan_00094.png", "biggan"),
        ("genimage", "imagenet_ai_0419_sdv4/train/ai/033_sdv4_00134.png", "stable_diffusion_v_1_4"),
        ("genimage", "train/nature/n03495258_20762.JPEG", "stable_diffusion_v_1_5"),
        ("genimage", "ADM/imagenet_ai_0508_adm/train/ai/115_adm_142.PNG", "adm"),
        ("genimage", "imagenet_glide/train/ai/GLIDE_1000_200_08_808_glide_00033.png", "glide"),
        ("genimage", "Midjourney/imagenet_midjourney/train/ai/208_midjourney_76.png", "midjourney"),
        ("forensynths", "test/DALLE2/0_real/000000097792.jpg", "dalle_2"),
    ],
)
def test_files_that_are_listed_there(layout, name: str, generator: str) -> None:
    assert "https://github.com/" in known_broken(layout, image(name, generator))
    assert known_broken("folders", image(name, generator)) is None
    assert known_broken(layout, image(name, "other")) is None
    assert known_broken(layout, image(name.replace(".", "x."), generator)) is None


def test_every_entry_is_about_a_known_generator_and_has_a_source() -> None:
    known = quirks()
    groups = [group for found in known.broken.values() for group in found]
    assert {group.generator for group in groups} <= set(GENERATORS.values())
    assert {group.source for group in groups} == set(known.sources)
    assert all(pattern.count("*") == 1 for group in groups for pattern in group.files)
    assert sum(len(words.split()) for group in known.broken["genimage"] for words in group.files.values()) == 3665
