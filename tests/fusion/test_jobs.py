"""What a training measures."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from cinemae.alignment import short_sides
from cinemae.datasets import read_images, read_photos
from cinemae.fusion.jobs import choose_photos, training_jobs
from toys import MILD, pink


def test_jobs_are_every_image_with_every_variant_and_one_equaliser(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    jobs = training_jobs(images, config)
    assert len(jobs) == 2 * len(images)
    assert Counter(job.image.path for job in jobs) == {image.path: 2 for image in images}
    assert {(job.variant.protocol, job.variant.number) for job in jobs} == {("augment", 0), ("augment", 1)}
    assert len({job.variant.model_dump_json() for job in jobs}) == 2  # the same for both classes
    (equaliser,) = {id(job.equaliser): job.equaliser for job in jobs}.values()
    assert len(equaliser.ai) == 12
    assert len(equaliser.real) == 12 + 16


def test_equalisation_takes_the_size_away(config, tmp_path):
    """Small fakes and large photographs: what is measured of both has one distribution of sizes."""
    for kind, side in (("fake", 64), ("real", 200)):
        (tmp_path / kind).mkdir()
        for number in range(3):
            Image.fromarray(pink(number, side)).save(tmp_path / kind / f"{number}.png")
    images = read_images(tmp_path)
    assert sorted(short_sides(images)[1]) == [64] * 3 + [200] * 3
    for equalise in (True, False):
        augment = MILD.model_copy(update={"equalise": equalise})
        sides = {0: set(), 1: set()}
        for job in training_jobs(images, config.model_copy(update={"augment": augment})):
            pixels = np.array(Image.open(job.image.path))
            limit = (
                job.equaliser.side(min(pixels.shape[:2]), job.image.label, np.random.default_rng(0))
                if job.equaliser
                else None
            )
            sides[job.image.label].add(job.variant.apply(pixels, job.image.name, limit).shape[0])
        assert (sides[0] == sides[1]) is equalise


def test_photographs_are_chosen_balanced_and_the_same_each_time(tmp_path):
    for source, count in (("large", 400), ("small", 25)):
        (tmp_path / source).mkdir()
        for number in range(count):
            (tmp_path / source / f"{number:03d}.jpg").touch()
    chosen = choose_photos([tmp_path], None, 40, seed=0)
    assert chosen == choose_photos([tmp_path], None, 40, seed=0)
    assert {p.path for p in chosen} != {p.path for p in choose_photos([tmp_path], None, 40, seed=1)}
    assert len({photo.path for photo in chosen}) == 40
    # Fourth roots of 400 and 25 are in the ratio of 2 to 1: a third of the draws, not a seventeenth.
    small = [sum(p.source == "small" for p in choose_photos([tmp_path], None, 12, seed)) for seed in range(60)]
    assert np.mean(small) == pytest.approx(12 / 3, abs=0.8)
    assert all(photo.label == 0 for photo in chosen)


def test_large_photographs_are_drawn_more_often(tmp_path):
    for side in (32, 128):
        for number in range(30):
            Image.new("RGB", (side, side + 10)).save(tmp_path / f"{side}-{number}.png")
    (tmp_path / "broken.png").touch()
    drawn = [photo.path.name for seed in range(60) for photo in choose_photos([tmp_path], None, 3, seed)]
    assert sum(name.startswith("128-") for name in drawn) / len(drawn) == pytest.approx(0.8, abs=0.1)


def test_all_photographs_where_there_are_few(toy_photos):
    assert len(choose_photos([toy_photos], None, 100, seed=0)) == 16
    assert choose_photos([toy_photos], None, 0, seed=0) == []
    assert choose_photos([], None, 10, seed=0) == []
