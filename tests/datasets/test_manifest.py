"""Folder trees and manifests: labels, splits, generators, sources, fingerprints and refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cinemae.datasets.manifest import LabelledImage, ManifestError, manifest_hash, read_images, read_photos


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def facts(images: list[LabelledImage]) -> set[tuple[str, int, str, str, str]]:
    return {(image.name, image.label, image.generator, image.source, image.split) for image in images}


def test_genimage_layout(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "biggan/train/ai/lab__1.png",
        "biggan/val/nature/ILSVRC_7.JPEG",
        "ldm/val/ai/deep/er/x.webp",
        "ldm/val/ai/notes.txt",
        "ldm/val/ai/.hidden.png",
        "__MACOSX/ldm/val/ai/x.png",
    )
    assert facts(read_images(tmp_path)) == {
        ("biggan/train/ai/lab__1.png", 1, "biggan", "lab", "train"),
        ("biggan/val/nature/ILSVRC_7.JPEG", 0, "biggan", "ILSVRC_7", "val"),
        ("ldm/val/ai/deep/er/x.webp", 1, "ldm", "x", "val"),
    }
    assert [image.name for image in read_images(tmp_path, split="train")] == ["biggan/train/ai/lab__1.png"]


def test_published_genimage_folders_take_the_topmost_generator(tmp_path: Path) -> None:
    touch(tmp_path, "BigGAN/imagenet_ai_0419_biggan/val/nature/a.jpg")
    (image,) = read_images(tmp_path)
    assert (image.generator, image.split, image.label) == ("BigGAN", "val", 0)


@pytest.mark.parametrize("start", ["ldm", "ldm/val"])
def test_a_tree_may_start_at_the_generator_or_the_split(tmp_path: Path, start: str) -> None:
    touch(tmp_path, "ldm/val/ai/a.png")
    (image,) = read_images(tmp_path / start)
    assert (image.generator, image.split, image.label) == ("ldm", "val", 1)


def test_real_fake_folders_in_any_case(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "set/Real/a.jpg",
        "set/FAKE/b.png",
        "set/progan/cat/0_real/c.png",
        "set/progan/cat/1_fake/d.png",
    )
    assert facts(read_images(tmp_path / "set")) == {
        ("Real/a.jpg", 0, "set", "a", "train"),
        ("FAKE/b.png", 1, "set", "b", "train"),
        ("progan/cat/0_real/c.png", 0, "progan", "c", "train"),
        ("progan/cat/1_fake/d.png", 1, "progan", "d", "train"),
    }


@pytest.mark.parametrize(("name", "reason"), [("x/a.png", "no class folder"), ("ai/real/a.png", "both labels")])
def test_a_tree_with_an_image_of_unknown_label_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    touch(tmp_path, "real/ok.png", name)
    with pytest.raises(ManifestError, match=reason) as caught:
        read_images(tmp_path)
    assert name in str(caught.value)


BENCH = [
    ("out", "split", "generator", "label", "kind", "source", "path"),
    ("g/val/ai/s__a.png", "val", "g", "ai", "art", "s", "elsewhere/a.png"),
    ("g/train/nature/t__b.jpg", "train", "g", "nature", "photo", "t", "elsewhere/b.jpg"),
]


@pytest.mark.parametrize(("suffix", "delimiter"), [("tsv", "\t"), ("csv", ",")])
def test_text_manifest(tmp_path: Path, suffix: str, delimiter: str) -> None:
    file = tmp_path / f"bench.{suffix}"
    file.write_text("\n".join(delimiter.join(row) for row in BENCH), encoding="utf-8-sig")
    images = read_images(file, root=tmp_path / "images")
    assert facts(images) == {
        ("g/val/ai/s__a.png", 1, "g", "s", "val"),
        ("g/train/nature/t__b.jpg", 0, "g", "t", "train"),
    }
    assert images[0].path == tmp_path / "images/g/val/ai/s__a.png"
    assert images[0].kind == "art"
    assert read_images(file)[0].path == tmp_path / "g/val/ai/s__a.png"
    assert [image.label for image in read_images(file, split="val")] == [1]


def test_tree_and_manifest_of_one_set_agree(tmp_path: Path) -> None:
    touch(tmp_path, *(row[0] for row in BENCH[1:]))
    file = tmp_path / "bench.tsv"
    file.write_text("\n".join("\t".join(row) for row in BENCH))
    assert manifest_hash(read_images(tmp_path)) == manifest_hash(read_images(file))


def test_minimal_manifest_gets_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text('path,label\n"a, b.png",FAKE\nsub/lab__c.png,0\n')
    assert facts(read_images(file)) == {
        ("a, b.png", 1, "mine", "a, b", "train"),
        ("sub/lab__c.png", 0, "mine", "lab", "train"),
    }


def test_absolute_paths_ignore_the_root_and_are_named_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text(f"path,label\n{tmp_path}/sub/a.png,ai\n/far/b.png,ai\n")
    near, far = read_images(file)
    assert (near.path, near.name) == (tmp_path / "sub/a.png", "sub/a.png")
    assert (far.path, far.name) == (Path("/far/b.png"), "/far/b.png")


def test_parquet_manifest_with_number_labels(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "m.parquet"
    table = pa.table({"path": ["a.png", "b.png"], "label": [1, 0], "source": ["s", None], "extra": [b"\x00", b""]})
    parquet.write_table(table, file)
    assert facts(read_images(file)) == {
        ("a.png", 1, "m", "s", "train"),
        ("b.png", 0, "m", "b", "train"),
    }


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    file = tmp_path / "m.parquet"
    file.write_bytes(b"")
    with pytest.raises(ImportError, match=r"cinemae\[train\]"):
        read_images(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,label\na.png,ai\nb.png,maybe\n", r"line 3: unknown label 'maybe'.*known are ai, fake"),
        ("path,label\na.png,\n", r"line 2: unknown label ''"),
        ("path,label,split\na.png,ai,dev\n", r"line 2: unknown split 'dev'"),
        ("path,klass\na.png,ai\n", r"no column 'label'; columns are path, klass"),
        ("file,label\na.png,ai\n", r"no column or no value for out or path"),
        ("path,label\n,ai\n", r"line 2: no column or no value for out or path"),
        ("path,label\na.png,ai,surplus\n", r"line 2: more values than columns"),
        ("path,label\n", r"no images"),
    ],
)
def test_bad_manifests_name_the_row(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "m.csv"
    file.write_text(text)
    with pytest.raises(ManifestError, match=reason):
        read_images(file)


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.png", "m.json")
    with pytest.raises(FileNotFoundError, match="absent"):
        read_images(tmp_path / "absent")
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


def test_hash_ignores_order_and_place_and_notices_everything_else() -> None:
    image = LabelledImage(
        path=Path("/here/a.png"), label=1, generator="g", source="s", split="val", kind="art", name="a.png"
    )
    other = image.model_copy(update={"path": Path("/here/b.png"), "name": "b.png"})
    digest = manifest_hash([image, other])
    assert len(digest) == 64
    assert digest == manifest_hash([other, image.model_copy(update={"path": Path("/there/a.png")})])
    for change in ({"name": "c.png"}, {"label": 0}, {"generator": "h"}, {"split": "train"}):
        assert manifest_hash([image.model_copy(update=change), other]) != digest, change
    assert manifest_hash([image]) != manifest_hash([image, image])
