"""Which rows are for what, and what each weighs."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from cinemae.datasets import read_images, read_photos
from cinemae.fusion.config import FitConfig
from cinemae.fusion.division import divide, parts_of, row_weights
from cinemae.fusion.jobs import training_jobs


def test_the_parts_of_a_fit_share_no_source(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    fit = config.fit.model_copy(update={"seed": 4})
    division = divide(images, fit)
    parts = {name: {image.source for image in part} for name, part in vars(division).items()}
    for one, other in combinations(parts, 2):  # but for the one that has most photographs, divided by file
        assert parts[one] & parts[other] <= {"large"}
    assert {image.place for part in vars(division).values() for image in part} == {image.place for image in images}
    assert sum(map(len, vars(division).values())) == len(images)
    for part in vars(division).values():
        assert {image.label for image in part} == {0, 1}
    assert divide(images[::-1], fit).conformal == division.conformal[::-1]
    assert divide(images, fit.model_copy(update={"seed": 5})) != division


def test_conformal_rows_are_the_first_augmentation_of_each_image_and_no_pseudo_fake(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    jobs = training_jobs(images, config.model_copy(update={"pseudo_fakes": True}))
    parts, division = parts_of(jobs, images, config.fit), divide(images, config.fit)
    chosen = [job for job, inside in zip(jobs, parts.conformal, strict=True) if inside]
    assert Counter(job.image.place for job in chosen) == Counter(image.place for image in division.conformal)
    assert {(job.variant.protocol, job.variant.number) for job in chosen} == {("augment", 0)}
    for rows, wanted in ((parts.training, division.training), (parts.validation, division.validation)):
        places = {image.place for image in wanted}
        assert rows.tolist() == [job.image.place in places for job in jobs]


def test_images_that_are_refused_leave_the_others_where_they_were(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    jobs = training_jobs(images, config)
    whole = parts_of(jobs, images, config.fit)
    refused = {image.place for image in images[::5]}
    left = np.array([job.image.place not in refused for job in jobs])
    parts = parts_of([job for job, stays in zip(jobs, left, strict=True) if stays], images, config.fit)
    for name, rows in vars(parts).items():
        assert rows.tolist() == getattr(whole, name)[left].tolist()


def weights_of(labels: list[int], sources: list[str], pseudo: list[int] | None = None, **update: float) -> np.ndarray:
    marked = np.array(pseudo or [0] * len(labels), dtype=bool)
    return row_weights(np.array(labels), np.array(sources), marked, FitConfig.model_validate(update))


def test_row_weights_balance_classes_and_sources():
    labels, sources = [0] * 10 + [1] * 2, ["large"] * 9 + ["small"] + ["a", "b"]
    weights = weights_of(labels, sources, balance=0.5)
    assert weights.sum() == pytest.approx(12)
    assert weights[:10].sum() == pytest.approx(6)
    assert weights[:9].sum() / weights[9] == pytest.approx(9**0.5)
    assert weights_of(labels, sources, balance=1.0)[:10] == pytest.approx(np.full(10, 0.6))
    equal = weights_of(labels, sources, balance=0.0)
    assert equal[:9].sum() == pytest.approx(equal[9])


def test_a_source_of_both_classes_counts_in_each():
    assert weights_of([0, 0, 0, 1], ["s"] * 4, balance=0.0) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


def test_pseudo_fakes_carry_their_share_of_the_ai_class():
    labels, pseudo = [0] * 4 + [1] * 6, [0] * 4 + [1] * 4 + [0] * 2
    sources = ["a", "b", "c", "c"] * 2 + ["x", "y"]
    weights = weights_of(labels, sources, pseudo, pseudo_share=0.7)
    assert weights[:4].sum() == pytest.approx(5)
    assert weights[4:8].sum() == pytest.approx(3.5)
    assert weights[8:].sum() == pytest.approx(1.5)
    assert weights[4:8] / weights[4] == pytest.approx(weights[:4] / weights[0])  # balanced as their originals are
    assert weights_of(labels, sources, pseudo, pseudo_share=0.0)[4:8] == pytest.approx(np.zeros(4))


def test_one_kind_of_ai_rows_carries_the_whole_class():
    alone = weights_of([0, 0, 1, 1], ["a", "b", "a", "b"], [0, 0, 1, 1], pseudo_share=0.7)
    none = weights_of([0, 0, 1, 1], ["a", "b", "a", "b"], pseudo_share=0.7)
    assert alone == pytest.approx(np.ones(4))
    assert none == pytest.approx(np.ones(4))
