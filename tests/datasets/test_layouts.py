"""Layouts of folder trees: which one is taken, and what it says of every image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cinemae.datasets import LabelledImage, ManifestError, list_set, read_images
from cinemae.datasets.generators import GENERATORS, PROGAN_OBJECTS, generator_name
from trees import AIGCDETECT, GENIMAGE, aigcdetect, chameleon, forensynths, genimage


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def facts(images: list[LabelledImage]) -> set[tuple[str, int, str, str, str]]:
    return {(image.name, image.label, image.generator, image.source, image.split) for image in images}


def counts(images: list[LabelledImage]) -> dict[tuple[str, str, int], int]:
    return dict(Counter((image.generator, image.split, image.label) for image in images))


@pytest.mark.parametrize("layout", ["auto", "genimage"])
def test_published_genimage(tmp_path: Path, layout: str) -> None:
    genimage(tmp_path, train=3, val=2, side=32)
    listing = list_set(tmp_path, layout=layout)
    assert listing.layout == "genimage"
    sizes = {"train": 3, "val": 2}
    assert counts(listing.images) == {(g, s, label): sizes[s] for g in GENIMAGE for s in sizes for label in (0, 1)}
    for image in listing.images:
        assert image.label == ("/ai/" in image.name), image.name  # ai = 1
        assert image.name.startswith(GENIMAGE[image.generator])


@pytest.mark.parametrize("generator", GENIMAGE)
def test_a_part_of_genimage_knows_its_generator_from_its_archive(tmp_path: Path, generator: str) -> None:
    genimage(tmp_path, generators=[generator], train=1, val=1, side=32)
    outer, archive = GENIMAGE[generator].split("/")
    for place in (tmp_path, tmp_path / outer, tmp_path / outer / archive, tmp_path / outer / archive / "val"):
        assert {image.generator for image in read_images(place)} == {generator}, place
    (tmp_path / outer / archive).rename(tmp_path / archive)  # archives unpacked side by side
    (tmp_path / outer).rmdir()
    assert {image.generator for image in read_images(tmp_path)} == {generator}


def test_folders_of_genimage_s_readme(tmp_path: Path) -> None:
    touch(tmp_path, "Stable Diffusion V1.4/val/ai/a.png", "GLIDE/val/nature/b.JPEG", "imagenet_ai/train/ai/c.png")
    assert {image.name: image.generator for image in read_images(tmp_path)} == {
        "Stable Diffusion V1.4/val/ai/a.png": "stable_diffusion_v_1_4",
        "GLIDE/val/nature/b.JPEG": "glide",
        "imagenet_ai/train/ai/c.png": "imagenet_ai",  # all generators thrown together: none of ours
    }


def test_the_bench_s_layout_is_genimage_s_with_its_own_generators(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "biggan/train/ai/lab__1.png",
        "biggan/val/nature/ILSVRC_7.JPEG",
        "ldm/val/ai/deep/er/x.webp",
        "ldm/val/ai/notes.txt",
        "ldm/val/ai/.hidden.png",
        "__MACOSX/ldm/val/ai/x.png",
    )
    assert list_set(tmp_path).layout == "genimage"
    assert facts(read_images(tmp_path)) == {
        ("biggan/train/ai/lab__1.png", 1, "biggan", "lab", "train"),
        ("biggan/val/nature/ILSVRC_7.JPEG", 0, "biggan", "ILSVRC_7", "val"),
        ("ldm/val/ai/deep/er/x.webp", 1, "ldm", "x", "val"),
    }
    assert [image.name for image in read_images(tmp_path, split="train")] == ["biggan/train/ai/lab__1.png"]


@pytest.mark.parametrize("start", ["ldm", "ldm/val"])
def test_a_tree_may_start_at_the_generator_or_the_split(tmp_path: Path, start: str) -> None:
    touch(tmp_path, "ldm/val/ai/a.png")
    (image,) = read_images(tmp_path / start)
    assert (image.generator, image.split, image.label) == ("ldm", "val", 1)


def test_an_archive_in_another_generator_s_folder_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "ADM/imagenet_glide/val/ai/a.png")
    with pytest.raises(ManifestError, match=r"a\.png: lies in folders of several generators \(adm, glide\)"):
        read_images(tmp_path)


@pytest.mark.parametrize("layout", ["auto", "forensynths"])
def test_aigcdetectbenchmark(tmp_path: Path, layout: str) -> None:
    aigcdetect(tmp_path, count=2, side=32)
    listing = list_set(tmp_path, layout=layout)
    assert listing.layout == "forensynths"
    nested = {"progan": 3, "stylegan": 2, "cyclegan": 2, "stylegan2": 2}
    assert counts(listing.images) == {
        (g, "val", label): 2 * nested.get(g, 1) for g in AIGCDETECT for label in (0, 1)
    }  # a set without a split is a test set, also progan/train
    for image in listing.images:
        assert image.label == ("1_fake" in image.name), image.name
    # numbers begin anew in each folder: they are no sources, but 0_real/7 and 1_fake/7 of one folder may be a pair
    assert len({image.source for image in listing.images}) == len(listing.images) / 2


def test_forensynths_has_a_validation_part_that_its_training_uses(tmp_path: Path) -> None:
    forensynths(tmp_path, count=1, side=32)
    listing = list_set(tmp_path)
    assert listing.layout == "forensynths"
    assert counts([image for image in listing.images if image.name.startswith("test/")]) == {
        (g, "val", label): n for g, n in (("progan", 3), ("biggan", 1), ("stylegan", 2)) for label in (0, 1)
    }
    for part in ("train", "val"):
        found = counts([image for image in listing.images if image.name.startswith(f"{part}/")])
        assert found == {("progan", "train", 0): 3, ("progan", "train", 1): 3}, part
    (tmp_path / "test").rename(tmp_path.parent / f"{tmp_path.name}-test")
    alone = [image for image in read_images(tmp_path) if image.name.startswith("val/")]
    assert {image.split for image in alone} == {"val"}  # without a test part it is held out


@pytest.mark.parametrize("start", ["", "progan"])
def test_the_vehicle_train_is_no_split(tmp_path: Path, start: str) -> None:
    aigcdetect(tmp_path, generators=["progan"], count=1, side=32)
    images = read_images(tmp_path / start)
    assert sum("train/" in image.name for image in images) == 2
    assert {(image.generator, image.split) for image in images} == {("progan", "val")}
    assert len(PROGAN_OBJECTS) == 20


def test_chameleon_is_known_by_its_name(tmp_path: Path) -> None:
    place = chameleon(tmp_path / "Chameleon", count=2, side=64)
    for start in (place, place / "test"):
        listing = list_set(start)
        assert listing.layout == "chameleon"
        assert counts(listing.images) == {("chameleon", "val", 0): 2, ("chameleon", "val", 1): 2}
    other = place.rename(tmp_path / "other")
    assert list_set(other).layout == "forensynths"
    assert {image.generator for image in read_images(other)} == {"other"}
    assert {image.generator for image in read_images(other, layout="chameleon")} == {"chameleon"}


def test_real_fake_folders_in_any_case(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "set/Real/a.jpg",
        "set/FAKE/b.png",
        "set/progan/cat/0_real/c.png",
        "set/progan/cat/1_fake/d.png",
        "set/val/sd/real/e.png",
    )
    assert list_set(tmp_path / "set").layout == "folders"
    assert facts(read_images(tmp_path / "set")) == {
        ("Real/a.jpg", 0, "set", "a", "train"),
        ("FAKE/b.png", 1, "set", "b", "train"),
        ("progan/cat/0_real/c.png", 0, "progan", "c", "train"),
        ("progan/cat/1_fake/d.png", 1, "progan", "d", "train"),
        ("val/sd/real/e.png", 0, "sd", "e", "val"),
    }


def test_a_number_before_the_class_changes_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "0_fake/a.png", "1_real/b.png")
    assert {image.name: image.label for image in read_images(tmp_path)} == {"0_fake/a.png": 1, "1_real/b.png": 0}


def test_folders_of_numbers_need_a_statement(tmp_path: Path) -> None:
    touch(tmp_path, "val/0/a.png", "val/1/b.png")
    with pytest.raises(ManifestError, match="no class folder"):
        read_images(tmp_path)
    for ai, real in (("0", "1"), ("1", "0")):
        images = read_images(tmp_path, labels={ai: "ai", real: "real"})
        assert {image.name[4]: image.label for image in images} == {ai: 1, real: 0}
        assert {image.split for image in images} == {"val"}


@pytest.mark.parametrize(("name", "reason"), [("x/a.png", "no class folder"), ("ai/real/a.png", "both labels")])
def test_a_tree_with_an_image_of_unknown_label_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    touch(tmp_path, "real/ok.png", name)
    with pytest.raises(ManifestError, match=reason) as caught:
        read_images(tmp_path)
    assert name in str(caught.value)
    (found,) = list_set(tmp_path).unlabelled  # a check sees the others beside it
    assert (found.name, len(list_set(tmp_path).images)) == (name, 1)


@pytest.mark.parametrize(
    ("layout", "name", "reason"),
    [
        ("genimage", "g/val/1_fake/a.png", "class folders are ai and nature, not 1_fake"),
        ("genimage", "g/ai/a.png", "lie in train or val"),
        ("forensynths", "g/fake/a.png", "0_real and 1_fake, not fake"),
        ("chameleon", "test/fake/a.png", "0_real and 1_fake, not fake"),
        ("chameleon", "progan/1_fake/a.png", "no folder progan"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(tmp_path: Path, layout: str, name: str, reason: str) -> None:
    touch(tmp_path, name)
    with pytest.raises(ManifestError, match=reason):
        read_images(tmp_path, layout=layout)
    assert len(read_images(tmp_path, layout="folders")) == 1


def test_names_of_generators_are_stable_under_themselves() -> None:
    for name in GENERATORS.values():
        assert generator_name(name) == name or name == "dalle_2"
    assert generator_name("Flux Schnell") == "Flux Schnell"
