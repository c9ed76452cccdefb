"""Leaving out one family after the other: what each fit may know, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from cinemae.datasets import ManifestError, read_images
from cinemae.features.collect import Variant
from cinemae.fusion.config import TrainConfig
from cinemae.leaveout import LeftOut, leave_out
from cinemae.leaveout import run as module
from toys import FIT, MILD, SCALES, write_set

FAMILIES = {"one": ("toy1",), "two": ("toy2", "toy2b"), "absent": ("nowhere",)}
VARIANTS = {"raw": Variant(), "format": Variant(protocol="format")}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two generators of 12 + 12 training and 4 + 4 validation pictures, whose sources have names of their own."""
    place = tmp_path_factory.mktemp("sets")
    found = []
    for name in ("toy1", "toy2"):
        for image in read_images(write_set(place / name, {"train": 12, "val": 4}, generator=name)):
            found.append(image.model_copy(update={"source": f"{name}/{image.source}", "kind": "photo"}))
    return found


@pytest.fixture(scope="module")
def config(mae_folders):
    scales = {"semantic": SCALES["semantic"]}
    return TrainConfig(
        scales=scales, backbones={"semantic": mae_folders["semantic"]}, augment=MILD, families=FAMILIES, fit=FIT
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def found(config, images, cache) -> LeftOut:
    tested = [image for image in images if image.split == "val"]
    return leave_out(config, images, tested, VARIANTS, cache=cache, parts=("tokens",), resamples=50, jobs=1)


def test_every_family_that_was_tested_has_a_row_a_part_and_a_treatment(found):
    assert [(table.part, table.variant) for table in found.tables] == [
        ("fused", "raw"), ("fused", "format"), ("tokens", "raw"), ("tokens", "format"),
    ]  # fmt: skip
    for table in found.tables:
        assert [row.family for row in table.rows] == ["one", "two"]
        areas = [row.ranking.roc_auc.value for row in table.rows]
        assert table.mean.ranking.roc_auc.value == pytest.approx(np.mean(areas))
        assert (table.mean.n_ai, table.mean.n_real) == (8, 8)
        assert [(kind.kind, kind.n, kind.sources) for kind in table.kinds] == [("photo", 8, 4)]
    assert found.tables[0].less_than_fused is None
    difference = found.tables[2].mean.ranking.roc_auc.value - found.tables[0].mean.ranking.roc_auc.value
    assert found.tables[2].less_than_fused.value == pytest.approx(difference)


def test_a_head_has_seen_neither_the_family_nor_its_real_sources(config, images, cache, monkeypatch):
    seen = []
    fit = module.fit_part

    def spy(measured, *rest):
        seen.append({(job.image.generator, job.image.label, job.image.source) for job in measured.jobs})
        return fit(measured, *rest)

    monkeypatch.setattr(module, "fit_part", spy)
    # The real pictures of toy2's test are of a source that is among toy1's training, too.
    shared = next(image.source for image in images if image.generator == "toy1" and image.label == 0)
    tested = [image for image in images if image.split == "val"]
    tested = [
        image.model_copy(update={"source": shared}) if image.generator == "toy2" and image.label == 0 else image
        for image in tested
    ]
    result = leave_out(config, images, tested, {"raw": Variant()}, cache=cache, resamples=0, jobs=1)
    one, two = seen
    left_out = {image.source for image in tested if image.generator == "toy1" and image.label == 0}
    assert not any(generator == "toy1" and label == 1 for generator, label, _ in one)
    assert not any(label == 0 and source in left_out for _, label, source in one)
    assert any(generator == "toy1" and label == 0 for generator, label, _ in one)  # its other real sources stay
    assert not any(generator == "toy2" and label == 1 for generator, label, _ in two)
    assert not any(source == shared for _, label, source in two if label == 0)
    assert result.folds["fused"]["two"].left_out == (shared,)
    assert result.folds["fused"]["one"].trained_ai == 16


def test_the_same_again_to_the_last_bit(config, images, cache, found):
    tested = [image for image in images if image.split == "val"]
    scores = []
    again = leave_out(
        config, images, tested, VARIANTS, cache=cache, parts=("tokens",), resamples=50, jobs=2, record=scores.append
    )
    assert again == found
    assert len(scores) == 16 * 2 * 2
    assert {score.head for score in scores} == {"fused", "tokens"}


def test_false_alarms_are_those_above_the_family_s_own_threshold(config, images, cache, found):
    tested = [image for image in images if image.split == "val"]
    scores = []
    leave_out(config, images, tested, {"raw": Variant()}, cache=cache, resamples=0, jobs=1, record=scores.append)
    folds = found.folds["fused"]
    family = {"toy1": "one", "toy2": "two"}
    called = [s.probability >= folds[family[s.generator]].threshold for s in scores if s.label == "real"]
    (kind,) = found.tables[0].kinds
    assert kind.false_alarms.value == pytest.approx(np.mean(called))


def test_without_a_family_to_test_there_is_nothing_to_say(config, images, cache):
    real = [image for image in images if image.label == 0]
    with pytest.raises(ManifestError, match="no family has tested images of both classes"):
        leave_out(config, images, real, {"raw": Variant()}, cache=cache, resamples=0, jobs=1)


def test_markdown_has_a_line_a_family(found):
    text = found.to_markdown()
    assert text.count("\n| one |") == 4
    assert "### Parts" in text
    assert "| photo | raw | 8 | 4 |" in text
    assert LeftOut.model_validate_json(found.model_dump_json()) == found
