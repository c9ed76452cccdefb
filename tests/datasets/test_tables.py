"""Manifests: labels, splits, generators, sources, cells and refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from cinemae.datasets import LabelledImage, ManifestError, list_set, manifest_hash, read_images
from cinemae.datasets.tables import split_in_name
from toys import pink
from trees import huggingface, save


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def facts(images: list[LabelledImage]) -> set[tuple[str, int, str, str, str]]:
    return {(image.name, image.label, image.generator, image.source, image.split) for image in images}


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
    file.write_text('path,label\n"a, b.png",FAKE\nsub/lab__c.png,nature\n')
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


def test_numbers_mean_what_the_caller_says(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label\na.png,1\nb.png,0\n")
    with pytest.raises(ManifestError, match=r"line 2: label 1 is a number.*--label 1=ai --label 0=real"):
        read_images(tmp_path / "m.csv")
    for labels, expected in (({"1": "ai", "0": "real"}, [1, 0]), ({"0": "ai", "1": "real"}, [0, 1])):
        assert [image.label for image in read_images(tmp_path / "m.csv", labels=labels)] == expected


def test_parquet_manifest_of_paths(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    columns = {"file_name": ["a.png", "b.png"], "label": [1, 0], "source": ["s", None], "extra": [b"\x00", b""]}
    parquet.write_table(pa.table(columns), file)
    with pytest.raises(ManifestError, match="row 0: label 1 is a number"):
        read_images(file)
    images = read_images(file, labels={"1": "ai", "0": "real"}, root=tmp_path / "r")
    assert facts(images) == {("a.png", 1, "m", "s", "train"), ("b.png", 0, "m", "b", "train")}
    assert images[0].path == tmp_path / "r/a.png"
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": {"names": ["ai", "real"]}}}})}
    parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), file)
    assert [image.label for image in read_images(file)] == [0, 1]  # by name, so that 0 is AI-generated here


@pytest.mark.parametrize("names", [("real", "fake"), ("ai", "nature")])
def test_a_set_of_the_hub_is_read_by_the_names_of_its_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    place = huggingface(tmp_path / "hub", count=2, side=32, names=names)
    listing = list_set(place)
    assert listing.layout == "table"
    # the picture with an odd number is the AI-generated one, whatever number its class has
    assert facts(listing.images) == {
        (
            f"data/{split}-00000-of-00001.parquet/{n:04d}.png",
            n % 2,
            "hub",
            f"{n:04d}",
            {"test": "val"}.get(split, split),
        )
        for split in ("train", "test")
        for n in range(4)
    }
    (file,) = (place / "data").glob("train-*")
    assert [(image.label, image.generator) for image in read_images(file)] == [(n % 2, file.stem) for n in range(4)]


def test_a_set_of_the_hub_without_names_needs_a_statement(tmp_path: Path) -> None:
    place = huggingface(tmp_path, count=1, side=32, names=None)
    with pytest.raises(ManifestError, match=r"test-00000-of-00001\.parquet, row 0: label 0 is a number"):
        read_images(place)
    assert [image.label for image in read_images(place, labels={"1": "ai", "0": "real"})] == [0, 1, 0, 1]
    assert [image.label for image in read_images(place, labels={"0": "ai", "1": "real"})] == [1, 0, 1, 0]


def test_unknown_names_of_classes_are_refused(tmp_path: Path) -> None:
    place = huggingface(tmp_path, count=1, side=32, names=("cat", "dog"))
    with pytest.raises(ManifestError, match="names of the labels: unknown label 'cat'"):
        read_images(place)


def test_cells_with_facts_of_their_own(tmp_path: Path) -> None:
    data = save(tmp_path / "a.png", pink(1, 32)).read_bytes()
    columns = {
        "image": [data] * 3,
        "label": ["ai", "real", "real"],
        "generator": ["sd", "sd", None],
        "split": ["val", None, "train"],
        "source": ["lab", None, None],
        "kind": ["art", None, None],
        "id": ["x", "y", "y"],
    }
    parquet.write_table(pa.table(columns), tmp_path / "val.parquet")
    images = read_images(tmp_path / "val.parquet")
    assert facts(images) == {
        ("val.parquet/x", 1, "sd", "lab", "val"),
        ("val.parquet/y", 0, "sd", "y", "val"),
        ("val.parquet/y#2", 0, "val", "y#2", "train"),
    }
    assert images[0].kind == "art"
    assert all(image.read() == data for image in images)


def test_broken_tables_are_named(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1 and nothing")
    for where in (tmp_path, tmp_path / "m.parquet"):
        with pytest.raises(ManifestError, match=r"m\.parquet: a broken table"):
            read_images(where)
    parquet.write_table(pa.table({"label": ["ai"], "path": ["a.png"]}), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=r"m\.parquet.*no column of image bytes"):
        read_images(tmp_path)


def test_tables_without_labels_name_their_columns(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"image": [b"x"], "is_ai": [True]}), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=r"m\.parquet: no column 'label'; columns are image, is_ai"):
        read_images(tmp_path / "m.parquet")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train-00000-of-00001.parquet", "train"), ("data/test-0.tar", "val"), ("validation.tar", "val"),
        ("val_1.tar", "val"), ("val/000.tar", "val"), ("train/test-0.tar", "val"), ("trains.tar", None),
        ("values-0.tar", None), ("a/b.tar", None),
    ],
)  # fmt: skip
def test_splits_in_names(path: str, split: str | None) -> None:
    assert split_in_name(tuple(path.split("/"))) == split


MEMBER = "out\tlabel\tname\toffset\tsize\trow\tcolumn\n"


@pytest.mark.parametrize(
    "row", ["a.tar\tai\tx\t512\t\t\t", "a.tar\tai\t\t512\t9\t\t", "a.tar\tai\tx\t\t\t\t", "a.parquet\tai\tx\t\t\t1\t",
            "a.parquet\tai\tx\t\t\tone\timage"],
)  # fmt: skip
def test_a_shard_or_table_without_a_place_in_it_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "m.tsv").write_text(f"{MEMBER}{row}\n")
    with pytest.raises(ManifestError, match="line 2: needs a name, and offset and size or row and column"):
        read_images(tmp_path / "m.tsv")


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    file = tmp_path / "m.parquet"
    file.write_bytes(b"")
    with pytest.raises(ImportError, match=r"\[parquet\]"):
        read_images(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,label\na.png,ai\nb.png,maybe\n", r"line 3: unknown label 'maybe'.*known are ai, fake"),
        ("path,label\na.png,\n", r"line 2: unknown label ''"),
        ("path,label,split\na.png,ai,dev\n", r"line 2: unknown split 'dev'"),
        ("path,klass\na.png,ai\n", r"no column 'label'; columns are path, klass"),
        ("file,label\na.png,ai\n", r"no column or no value for out, path, file_name"),
        ("path,label\n,ai\n", r"line 2: no column or no value for out, path, file_name"),
        ("path,label\na.png,ai,surplus\n", r"line 2: more values than columns"),
        ("path,label\n", r"no images"),
    ],
)
def test_bad_manifests_name_the_row(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "m.csv"
    file.write_text(text)
    with pytest.raises(ManifestError, match=reason):
        read_images(file)
