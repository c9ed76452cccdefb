"""Measuring a set: every image is measured or refused by name, in order, the same in any number of processes."""

import pytest
from PIL import Image

from cinemae.alignment import fit_sizes, short_sides
from cinemae.audit.measure import FACTS, measure_set
from cinemae.datasets import read_images
from toys import pink, write_set


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Six good files and three bad ones: cut, no image, too small; a tenth is gone."""
    place = write_set(tmp_path_factory.mktemp("set"), {"val": 3}, "gen")
    bad = place / "gen" / "val" / "ai"
    whole = (bad / "ai-val-0__0.png").read_bytes()
    (bad / "cut.png").write_bytes(whole[: len(whole) // 2])
    (bad / "text.jpg").write_text("no image")
    Image.fromarray(pink(1, 20)).save(bad / "tiny.png")
    listed = read_images(place, split="val")
    return [*listed, listed[0].model_copy(update={"path": bad / "gone.png", "name": "gen/val/ai/gone.png"})]


@pytest.fixture(scope="module")
def measured(images):
    return measure_set(images, ["raw", "format", "history"], fit_sizes(*short_sides(images)), jobs=1)


def test_all_facts_are_there_for_every_protocol(measured):
    assert len(measured.images) == len(measured.files) == 6
    names = {fact.name for fact in FACTS}
    for values in measured.values.values():
        assert [set(row) for row in values] == [names] * 6
    assert {row["format"] for row in measured.values["raw"]} == {"PNG"}
    assert {row["format"] for row in measured.values["format"]} == {"JPEG"}
    assert all(85 <= row["jpeg_quality"] <= 96 for row in measured.values["history"])


def test_what_can_not_be_read_is_listed_with_its_reason(measured):
    reasons = {one.name.rsplit("/", 1)[1]: one.reason for one in measured.refused}
    assert list(reasons) == ["cut.png", "text.jpg", "tiny.png", "gone.png"]
    assert "ends too early" in reasons["cut.png"]
    assert "not an image" in reasons["text.jpg"]
    assert "short side" in reasons["tiny.png"]
    assert reasons["gone.png"] == "No such file or directory"
    assert {(one.generator, one.label) for one in measured.refused} == {("gen", 1)}


def test_processes_change_nothing(images, measured):
    again = measure_set(images, ["raw", "format", "history"], fit_sizes(*short_sides(images)), jobs=2)
    assert again.images == measured.images
    assert again.refused == measured.refused
    assert repr(again.values) == repr(measured.values)  # not a number equals itself as text only


def test_the_seed_changes_what_is_aligned_only(images, measured):
    sizes = fit_sizes(*short_sides(images))
    other = measure_set(images, ["raw", "format"], sizes, seed=1, jobs=1)
    assert repr(other.values["raw"]) == repr(measured.values["raw"])
    assert repr(other.values["format"]) != repr(measured.values["format"])


def test_only_a_few_images_are_in_work(images):
    taken = []

    def watch(items, total):
        for item in items:
            taken.append(item)
            yield item

    measure_set(images, ["raw"], {}, jobs=1, progress=watch)
    assert len(taken) == len(images)


def test_aligning_needs_the_sizes(images):
    with pytest.raises(ValueError, match="sizes of 'gen' are not known"):
        measure_set(images[-2:-1] + images[:1], ["format"], {}, jobs=1)
