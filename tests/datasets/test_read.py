"""Whatever is a labelled set is read, and what is none is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cinemae.datasets import LAYOUTS, LabelledImage, ManifestError, list_set, read_images, read_photos
from trees import GENIMAGE_CORRUPT, aigcdetect, chameleon, genimage, huggingface, pair, webdataset


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def facts(images: list[LabelledImage]) -> set[tuple[str, int, str, str, str]]:
    return {(image.name, image.label, image.generator, image.source, image.split) for image in images}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small set of every layout, by its name."""
    place = tmp_path_factory.mktemp("sets")
    (place / "folders").mkdir()
    table = place / "m.tsv"
    table.write_text("path\tlabel\na.png\tai\n")
    return {
        "genimage": genimage(place / "g", generators=["adm"], train=1, val=1, side=32),
        "forensynths": aigcdetect(place / "a", generators=["biggan"], count=1, side=32),
        "chameleon": chameleon(place / "chameleon", count=1, side=32),
        "folders": pair(place / "folders", 1, 32, seed=1, real="real", ai="fake"),
        "table": table,
        "webdataset": webdataset(place / "w", shards=1, count=1, side=32),
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_auto_takes_the_right_layout_and_says_so(sets, layout: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cinemae.datasets"):
        images = read_images(sets[layout])
    assert caplog.messages == [f"{sets[layout]}: read as {layout}"]
    assert read_images(sets[layout], layout=layout) == images


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_stated_layout_is_not_exchanged_for_another(sets, layout: str) -> None:
    others = {"folders"} if layout in ("genimage", "forensynths", "chameleon") else set()
    if layout == "chameleon":
        others.add("forensynths")
    for other in {*LAYOUTS} - {layout} - others:
        with pytest.raises(ManifestError):
            read_images(sets[layout], layout=other)


def test_broken_images_that_are_left_out_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    genimage(tmp_path, generators=["biggan"], train=1, val=1, side=32, corrupt=True)
    assert len(read_images(tmp_path)) == 4
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"left out as known to be broken: 1; the first is {GENIMAGE_CORRUPT}" in record.getMessage()


def test_a_folder_of_several_kinds_needs_a_layout(tmp_path: Path) -> None:
    webdataset(tmp_path, shards=1, count=1, side=32)
    pair(tmp_path, 1, 32, seed=1, real="real", ai="fake")
    with pytest.raises(ManifestError, match="holds images and tar shards; say which"):
        read_images(tmp_path)
    assert len(read_images(tmp_path, layout="folders")) == 2
    assert len(read_images(tmp_path, layout="webdataset")) == 4


def test_tables_in_folders_of_generators(tmp_path: Path) -> None:
    huggingface(tmp_path / "set" / "sd", count=1, side=32)
    huggingface(tmp_path / "set" / "mj", count=1, side=32)
    images = read_images(tmp_path / "set")
    assert len(images) == 8
    assert {(image.name.split("/")[0], image.generator) for image in images} == {("sd", "sd"), ("mj", "mj")}


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.png", "m.json")
    with pytest.raises(FileNotFoundError, match="absent"):
        read_images(tmp_path / "absent")
    with pytest.raises(ManifestError, match="unknown layout 'tiny'"):
        list_set(tmp_path, layout="tiny")
    with pytest.raises(ManifestError, match="layout genimage is of folders, and this is none"):
        read_images(tmp_path / "absent", layout="genimage")
    with pytest.raises(ManifestError, match=r"not a folder, \.tsv"):
        read_images(tmp_path / "m.json")
    with pytest.raises(ManifestError, match="root applies to manifests"):
        read_images(tmp_path, root=tmp_path)
    with pytest.raises(ManifestError, match="unknown split 'dev'"):
        read_images(tmp_path, split="dev")
    with pytest.raises(ManifestError, match="no images of split 'val'"):
        read_images(tmp_path, split="val")


def test_photos_from_a_folder_and_from_a_manifest_agree(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    touch(pool, "cats/x/a.jpg", "b.png", "readme.txt")
    file = tmp_path / "pool.tsv"
    file.write_text("out\tpath\ncats/x/a.jpg\tthere/1.jpg\nb.png\tthere/2.png\n")
    expected = {("cats/x/a.jpg", 0, "photo", "cats", "train"), ("b.png", 0, "photo", "pool", "train")}
    assert facts(read_photos(pool)) == expected
    assert facts(read_photos(file, root=pool)) == expected
    assert {image.path for image in read_photos(file, root=pool)} == {pool / "cats/x/a.jpg", pool / "b.png"}


def test_photos_refuse_ai_images_and_emptiness(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("path,label\na.png,real\nb.png,ai\n")
    with pytest.raises(ManifestError, match=r"line 3: an image labelled 'ai'"):
        read_photos(file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="no photographs"):
        read_photos(tmp_path / "empty")
