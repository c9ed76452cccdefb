"""The images of a comparison."""

from __future__ import annotations

import pytest

from cinemae.compare.config import CompareConfig
from cinemae.compare.errors import CompareError
from cinemae.compare.sets import read_sets
from cinemae.datasets import ManifestError, manifest_hash, read_images
from toys import write_set


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    place = write_set(tmp_path_factory.mktemp("sets"), {"train": 6, "val": 4}, "first")
    return write_set(place, {"train": 4, "val": 4}, "second")


def config_of(data: dict[str, object], seed: int = 0) -> CompareConfig:
    return CompareConfig.model_validate({"methods": {"a": {"kind": "head"}}, "data": data, "seed": seed})


def test_each_set_is_its_own_split(tree, toy_photos):
    where = {"path": str(tree)}
    sets = read_sets(config_of({"train": where, "test": where, "photos": [{"path": str(toy_photos)}]}), trained=True)
    assert sets.train == read_images(tree, split="train")
    assert sets.test == read_images(tree, split="val")
    assert len(sets.photos) == 16
    record = sets.records()["train"]
    assert (record.manifest_hash, record.ai, record.real) == (manifest_hash(sets.train), 10, 10)


def test_generators_and_limits(tree):
    train = {"path": str(tree), "generators": ["second"], "limit": 3}
    test = {"path": str(tree), "limit": 1}
    sets = read_sets(config_of({"train": train, "test": test}), trained=True)
    assert {image.generator for image in sets.train} == {"second"}
    assert (len(sets.train), len(sets.test)) == (6, 4)
    assert read_sets(config_of({"train": train, "test": test}), trained=True) == sets
    other = read_sets(config_of({"train": train, "test": test}, seed=1), trained=True)
    assert other.digest(trained=False) != sets.digest(trained=False)


def test_what_is_not_trained_needs_no_training_set(tree):
    sets = read_sets(config_of({"test": {"path": str(tree)}}), trained=False)
    assert (sets.train, sets.photos, len(sets.test)) == ([], [], 16)


def test_the_digest_knows_what_scores_depend_on(tree):
    where = {"path": str(tree)}
    sets = read_sets(config_of({"train": where, "test": where}), trained=True)
    fewer = read_sets(config_of({"train": where | {"limit": 2}, "test": where}), trained=True)
    assert sets.digest(trained=True) != fewer.digest(trained=True)
    assert sets.digest(trained=False) == fewer.digest(trained=False)
    moved = [image.model_copy(update={"source": "x"}) for image in sets.test]
    assert type(sets)(sets.train, sets.photos, moved).digest(trained=False) != sets.digest(trained=False)
    assert manifest_hash(moved) == manifest_hash(sets.test)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ({}, {"path": "SET"}, r"data\.train\.path is not given; say --train PATH"),
        ({"path": "SET"}, {}, r"data\.test\.path is not given; say --test PATH"),
        ({"path": "SET", "generators": ["third"]}, {"path": "SET"}, r"data\.train\.generators: no images of third; "),
        ({"path": "SET", "split": None}, {"path": "SET"}, "16 images are in the training and in the test set"),
    ],
)
def test_what_is_wrong_is_named(tree, train, test, message):
    data = {"train": train, "test": test}
    given = {name: {k: str(tree) if v == "SET" else v for k, v in values.items()} for name, values in data.items()}
    with pytest.raises(CompareError, match=message):
        read_sets(config_of(given), trained=True)


def test_a_set_without_images_is_refused(tmp_path):
    write_set(tmp_path, {"train": 2})
    with pytest.raises(ManifestError, match="no images of split 'val'"):
        read_sets(config_of({"test": {"path": str(tmp_path)}}), trained=False)
