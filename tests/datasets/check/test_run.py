"""A set with one fault of each kind: what is found, what would be excluded, and what is left."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinemae.datasets import Listing, ManifestError, list_set, manifest_hash, read_images
from cinemae.datasets.check import CheckReport, check_set, to_markdown, write_manifest
from toys import pink, upsampled
from trees import aigcdetect, forensynths, genimage, huggingface, save, webdataset


def excluded(report: CheckReport) -> dict[str, tuple[str, str]]:
    return {found.name: (found.reason, found.detail) for found in report.excluded}


def names(groups) -> list[set[str]]:
    return [{image.name for image in group.images} for group in groups]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generators, and one fault of each kind."""
    place = tmp_path_factory.mktemp("faulty")
    for number in range(3):
        for split, start in (("train", 100), ("val", 200)):
            save(place / "g" / split / "ai" / f"{split}{number}.png", upsampled(start + number, 64))
            save(place / "g" / split / "nature" / f"{split}{number}.png", pink(start + 50 + number, 64))
    folder = place / "g" / "train"
    (folder / "ai" / "cut.png").write_bytes((folder / "ai" / "train0.png").read_bytes()[:900])
    save(folder / "ai" / "tiny.png", pink(1, 16))
    shutil.copy(folder / "ai" / "train0.png", folder / "ai" / "twice.png")
    shutil.copy(place / "g" / "val" / "ai" / "val0.png", folder / "ai" / "leaked.png")
    shutil.copy(folder / "nature" / "train0.png", folder / "ai" / "both.png")
    smaller = Image.fromarray(pink(250, 64)).resize((60, 60), Image.Resampling.BICUBIC)
    save(folder / "nature" / "near.jpg", np.asarray(smaller))
    save(folder / "ai" / "lab__1.png", upsampled(300, 64))
    save(place / "g" / "val" / "ai" / "lab__2.png", upsampled(301, 64))
    # the same real photograph beside two generators is no fault
    shutil.copytree(place / "g" / "val" / "nature", place / "h" / "val" / "nature")
    save(place / "h" / "val" / "ai" / "h.png", upsampled(400, 64))
    save(place / "nowhere" / "x.png", pink(500, 64))
    (place / "empty").mkdir()
    return place


@pytest.fixture(scope="module")
def listing(faulty: Path) -> Listing:
    return list_set(faulty)


@pytest.fixture(scope="module")
def report(listing: Listing) -> CheckReport:
    return check_set(listing, exclude_sources=True, jobs=1)


def test_every_fault_is_found_and_nothing_else(report: CheckReport) -> None:
    assert not report.is_clean
    found = excluded(report)
    assert found["g/train/ai/cut.png"][0] == "broken"
    assert found.pop("g/train/ai/cut.png")[1].startswith("the file ends too early")
    assert found.pop("g/train/ai/tiny.png") == ("broken", "16x16 pixels; the short side must be at least 32")
    assert found == {
        "g/train/ai/both.png": ("conflict", "g/train/nature/train0.png"),
        "g/train/nature/train0.png": ("conflict", "g/train/ai/both.png"),
        "g/train/ai/leaked.png": ("copy across splits", "g/val/ai/val0.png"),
        "g/train/nature/near.jpg": ("alike across splits", "g/val/nature/val0.png"),
        "g/train/ai/lab__1.png": ("source across splits", "lab"),
        "g/train/ai/twice.png": ("copy", "g/train/ai/train0.png"),
    }
    assert [(leak.source, leak.train, leak.val) for leak in report.leaks] == [("lab", 1, 1)]
    assert {one.name for one in report.unlabelled} == {"nowhere/x.png"}
    assert [one.name for one in report.skipped] == ["empty/"]


def test_groups_say_what_they_cross(report: CheckReport) -> None:
    groups = {frozenset(image.name for image in group.images): group for group in report.duplicates}
    conflict = groups[frozenset(("g/train/ai/both.png", "g/train/nature/train0.png"))]
    assert (conflict.across_labels, conflict.across_splits) == (True, False)
    leaked = groups[frozenset(("g/train/ai/leaked.png", "g/val/ai/val0.png"))]
    assert (leaked.across_labels, leaked.across_splits) == (False, True)
    assert frozenset(("g/val/nature/val1.png", "h/val/nature/val1.png")) in groups
    assert len(groups) == 6
    assert names(report.alike) == [{"g/train/nature/near.jpg", "g/val/nature/val0.png", "h/val/nature/val0.png"}]
    assert report.alike[0].across_splits


def test_counts_are_complete(report: CheckReport) -> None:
    assert report.images == sum(count.images for count in report.counts) == 24
    by_class = Counter()
    for count in report.counts:
        by_class[count.generator, count.split, count.label, count.format] += count.images
    assert by_class["g", "train", 1, None] == 2
    assert by_class["g", "train", 0, "JPEG"] == 1
    assert by_class["h", "val", 0, "PNG"] == 3


def test_processes_change_nothing(listing: Listing, report: CheckReport) -> None:
    assert check_set(listing, exclude_sources=True, jobs=2) == report


def test_what_is_left_is_clean_and_keeps_its_names(
    faulty: Path, listing: Listing, report: CheckReport, tmp_path: Path
) -> None:
    file = tmp_path / "clean.tsv"
    count = write_manifest(file, listing, report)
    images = read_images(file, root=faulty)
    assert count == len(images) == report.images - len(report.excluded)
    assert manifest_hash(images) == report.clean_hash != report.hash
    before = {image.key: image for image in listing.images}
    assert all(before[image.key] == image for image in images)
    again = check_set(list_set(file, root=faulty), jobs=1)
    assert again.is_clean
    assert again.hash == report.clean_hash


@pytest.mark.parametrize("name", ["a\tb", 'a"b', "a,b", "\u00e4 \u96ea", "a\nb", "'", "#a"])
def test_odd_names_come_back(name: str, tmp_path: Path) -> None:
    save(tmp_path / "set" / "real" / f"{name}.png", pink(1, 32))
    save(tmp_path / "set" / "fake" / f"{name}.png", pink(2, 32))
    listing = list_set(tmp_path / "set")
    write_manifest(tmp_path / "clean.tsv", listing, check_set(listing, jobs=1))
    assert read_images(tmp_path / "clean.tsv", root=tmp_path / "set") == [
        image.model_copy(update={"generator": "set"}) for image in listing.images
    ]


@pytest.mark.parametrize("name", [" g/real/a.png", "g/real/\udcff.png"])
def test_names_that_would_not_come_back_are_refused(name: str, tmp_path: Path) -> None:
    save(tmp_path / name, pink(1, 32))
    listing = list_set(tmp_path)
    with pytest.raises(ManifestError, match="rename the file"):
        write_manifest(tmp_path / "clean.tsv", listing, check_set(listing, jobs=1))


@pytest.mark.parametrize("make", [webdataset, huggingface])
def test_members_and_cells_are_checked_and_written_too(make, tmp_path: Path) -> None:
    listing = list_set(make(tmp_path / "set", count=2, side=64))
    report = check_set(listing, jobs=1)
    assert report.is_clean
    write_manifest(tmp_path / "clean.tsv", listing, report)
    images = read_images(tmp_path / "clean.tsv", root=tmp_path / "set")
    assert manifest_hash(images) == report.hash
    assert [image.read() for image in images] == [image.read() for image in listing.images]


def test_numbered_files_are_no_sources(tmp_path: Path) -> None:
    report = check_set(list_set(forensynths(tmp_path / "f", count=1, side=32)), jobs=1)
    assert report.leaks == ()
    assert report.is_clean
    assert check_set(
        list_set(aigcdetect(tmp_path / "a", generators=["adm", "glide"], count=2, side=32)), jobs=1
    ).is_clean


def test_a_photograph_of_imagenet_in_both_splits_is_a_leak(tmp_path: Path) -> None:
    genimage(tmp_path, generators=["adm", "glide"], train=1, val=1, side=32)
    (train,) = (tmp_path / "ADM/imagenet_ai_0508_adm/train/nature").iterdir()
    save(tmp_path / "glide/imagenet_glide/val/nature" / train.name, pink(77, 64))
    report = check_set(list_set(tmp_path), jobs=1)
    assert [leak.source for leak in report.leaks] == [train.stem]
    assert (report.excluded, report.is_clean) == ((), False)  # told, but excluded only if that is asked for
    report = check_set(list_set(tmp_path), exclude_sources=True, jobs=1)
    assert [found.reason for found in report.excluded] == ["source across splits"]


def test_known_broken_files_make_a_set_unclean(tmp_path: Path) -> None:
    genimage(tmp_path, generators=["biggan"], train=1, val=1, side=32, corrupt=True)
    report = check_set(list_set(tmp_path), jobs=1)
    assert (len(report.broken), report.excluded, report.is_clean) == (1, (), False)


def test_markdown_names_what_was_found_but_no_more_than_asked(report: CheckReport) -> None:
    text = to_markdown(report)
    for title in (
        "Images without a class: 1", "Images that can't be decoded: 2", "Groups of the same bytes: 6",
        "Groups of pictures that are alike: 1", "Sources in both splits: 1", "Would be excluded: 8",
    ):  # fmt: skip
        assert f"## {title}" in text
    assert "| g | train | JPEG 1 PNG 3 | unreadable 2 PNG 7 | 4 | 9 |" in text
    assert "- **both labels**: " in text
    assert "- and 5 more" in to_markdown(report, most=1)


def test_nothing_and_wrong_distances_are_refused(listing: Listing, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no images"):
        check_set(list_set(tmp_path), jobs=1)
    with pytest.raises(ValueError, match="got 16"):
        check_set(listing, distance=16)
    assert check_set(listing, distance=0, jobs=1).distance == 0
