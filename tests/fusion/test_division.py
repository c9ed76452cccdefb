"""In which fold each row is left out, and what it weighs."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinemae.datasets import LabelledImage, ManifestError, read_images, read_photos
from cinemae.fusion.config import FitConfig
from cinemae.fusion.division import folds_of, group_of, row_weights, rows_of
from cinemae.fusion.jobs import training_jobs

FAMILIES = {"diffusion": ("sd", "flux"), "gan": ("biggan",)}


def image(label: int, group: str, number: int = 0) -> LabelledImage:
    generator = group if label else "photos"
    return LabelledImage(
        path=Path(f"{group}-{number}.png"), label=label, generator=generator, source=group, split="train"
    )


def images_of(counts: dict[tuple[int, str], int]) -> tuple[list[LabelledImage], np.ndarray]:
    found = [image(label, group, n) for (label, group), count in counts.items() for n in range(count)]
    return found, np.array([group_of(each, {}) for each in found])


COUNTS = st.dictionaries(
    st.tuples(st.integers(0, 1), st.sampled_from("abcdefghij")), st.integers(1, 30), min_size=8, max_size=20
).filter(lambda counts: all(sum(label == wanted for label, _ in counts) >= 3 for wanted in (0, 1)))


@settings(max_examples=100)
@given(COUNTS, st.integers(0, 99))
def test_groups_stay_whole_and_every_fold_has_both_classes(counts, seed):
    images, groups = images_of(counts)
    folds = folds_of(images, groups, FitConfig(folds=3, seed=seed))
    for label in (0, 1):
        rows = np.array([each.label == label for each in images])
        assert set(folds[rows].tolist()) == {0, 1, 2}
        for group in set(groups[rows].tolist()):
            assert len(set(folds[rows & (groups == group)].tolist())) == 1
        # The largest first, each into the emptiest: no fold is fuller than another by more than a group.
        sizes = np.bincount(folds[rows], minlength=3)
        assert sizes.max() - sizes.min() <= max(
            count for (given_label, _), count in counts.items() if given_label == label
        )


@given(COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(counts, random):
    images, groups = images_of(counts)
    order = list(range(len(images)))
    random.shuffle(order)
    fit = FitConfig(folds=3)
    wanted = folds_of(images, groups, fit)
    assert folds_of([images[n] for n in order], groups[order], fit).tolist() == wanted[order].tolist()


def test_a_class_of_fewer_groups_than_folds_is_divided_by_stem():
    """The variants of one image, and so what was made from it, are still in one fold."""
    images, groups = images_of({(1, "only"): 12, (0, "a"): 3, (0, "b"): 4, (0, "c"): 5})
    images, groups = [*images, *images], np.concatenate([groups, groups])
    folds = folds_of(images, groups, FitConfig(folds=3))
    for stem in {each.stem for each in images}:
        assert len({int(fold) for fold, each in zip(folds, images, strict=True) if each.stem == stem}) == 1
    fake = np.array([each.label == 1 for each in images])
    assert np.bincount(folds[fake]).tolist() == [8, 8, 8]
    assert sorted(np.bincount(folds[~fake]).tolist()) == [6, 8, 10]


def test_another_seed_divides_otherwise():
    images, groups = images_of({(label, group): 2 for label in (0, 1) for group in "abcdefgh"})
    found = {tuple(folds_of(images, groups, FitConfig(folds=4, seed=seed)).tolist()) for seed in range(5)}
    assert len(found) > 1


def test_too_few_images_for_the_folds_are_named():
    images, groups = images_of({(1, "a"): 9, (0, "x"): 2})
    with pytest.raises(ManifestError, match="2 real images can't be divided into 3 folds"):
        folds_of(images, groups, FitConfig(folds=3))
    images, groups = images_of({(1, "a"): 2, (0, "x"): 9})
    with pytest.raises(ManifestError, match="2 AI-generated images can't be divided into 3 folds"):
        folds_of(images, groups, FitConfig(folds=3))


def test_a_generator_is_left_out_with_its_family_and_a_photograph_with_its_source():
    assert [group_of(image(1, name), FAMILIES) for name in ("sd", "flux", "biggan", "glide")] == [
        "diffusion", "diffusion", "gan", "glide",
    ]  # fmt: skip
    assert group_of(image(0, "sd"), FAMILIES) == "sd"  # a source of that name is no generator


def test_rows_keep_families_whole(config):
    fit = FitConfig(folds=2)
    images = [image(1, name, n) for name in ("sd", "flux", "biggan") for n in range(4)]
    images += [image(0, name, n) for name in ("x", "y") for n in range(4)]
    jobs = training_jobs(
        images, config.model_copy(update={"augment": config.augment.model_copy(update={"equalise": False})})
    )
    rows = rows_of(jobs, FAMILIES, fit)
    fold = {job.image.generator: int(number) for job, number in zip(jobs, rows.folds, strict=True)}
    assert fold["sd"] == fold["flux"] != fold["biggan"]
    alone = rows_of(jobs, {}, fit)
    # A family counts once, whatever number of generators it has.
    in_sd = np.array([job.image.generator == "sd" for job in jobs])
    assert rows.weights[in_sd].sum() < alone.weights[in_sd].sum()


def test_rows_are_of_the_jobs(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    jobs = training_jobs(images, config)
    rows = rows_of(jobs, {}, config.fit)
    assert rows.labels.tolist() == [job.image.label for job in jobs]
    assert rows.scored.tolist() == [job.variant.number == 0 for job in jobs]
    assert Counter(job.image.place for job, one in zip(jobs, rows.scored, strict=True) if one) == Counter(
        image.place for image in images
    )
    assert rows.weights.mean() == pytest.approx(1)
    folds: dict[str, set[int]] = {}
    for job, fold in zip(jobs, rows.folds.tolist(), strict=True):
        folds.setdefault(job.image.place, set()).add(fold)
    assert {len(found) for found in folds.values()} == {1}  # both augmentations of an image are left out together
    for fold in range(config.fit.folds):
        assert set(rows.labels[rows.folds == fold].tolist()) == {0, 1}


def weights_of(labels: list[int], groups: list[str], balance: float) -> np.ndarray:
    return row_weights(np.array(labels), np.array(groups), balance)


def test_row_weights_balance_classes_and_groups():
    labels, groups = [0] * 10 + [1] * 2, ["large"] * 9 + ["small"] + ["a", "b"]
    weights = weights_of(labels, groups, 0.5)
    assert weights.sum() == pytest.approx(12)
    assert weights[:10].sum() == pytest.approx(6)
    assert weights[:9].sum() / weights[9] == pytest.approx(9**0.5)
    assert weights_of(labels, groups, 1.0)[:10] == pytest.approx(np.full(10, 0.6))
    equal = weights_of(labels, groups, 0.0)
    assert equal[:9].sum() == pytest.approx(equal[9])


def test_a_group_of_both_classes_counts_in_each():
    assert weights_of([0, 0, 0, 1], ["s"] * 4, 0.0) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
