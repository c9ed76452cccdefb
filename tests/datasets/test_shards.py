"""WebDataset shards: labels beside the images, directions, splits, patterns and refusals."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cinemae.datasets import ManifestError, list_set, read_images
from cinemae.datasets.shards import key_of
from toys import pink
from trees import encoded, webdataset


def pack(file: Path, members: Mapping[str, bytes | str], mode: str = "w") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as tar:
        for name, data in members.items():
            data = data.encode() if isinstance(data, str) else data
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


PNG = encoded(pink(1, 32), ".png")


@pytest.mark.parametrize("sidecar", ["json", "cls"])
def test_shards_of_a_folder(tmp_path: Path, sidecar: str) -> None:
    place = webdataset(tmp_path / "mine", shards=2, count=3, side=32, sidecar=sidecar)
    listing = list_set(place)
    assert (listing.layout, len(listing.images)) == ("webdataset", 18)
    generators = {"gen0", "gen1"} if sidecar == "json" else {"mine"}
    assert {image.generator for image in listing.images} == generators
    for image in listing.images:
        assert image.split == image.key.split("-")[0]
        assert image.label == int(image.stem) % 2
        assert image.key == f"{image.path.name}/{image.stem}{Path(image.key).suffix}"
        assert image.source == (f"s{int(image.stem)}" if sidecar == "json" else image.stem)


@pytest.mark.parametrize("sidecar", ["json", "cls"])
@pytest.mark.parametrize("ai", [0, 1])
def test_numbers_mean_what_the_caller_says(tmp_path: Path, sidecar: str, ai: int) -> None:
    webdataset(tmp_path, shards=1, count=1, side=32, sidecar=sidecar, label={1: ai, 0: 1 - ai})
    with pytest.raises(ManifestError, match=r"train-000000.tar/00310000\.jpg: label . is a number"):
        read_images(tmp_path)
    images = read_images(tmp_path, labels={str(ai): "ai", str(1 - ai): "real"})
    assert {image.label == int(image.stem) % 2 for image in images} == {True}


def test_a_shard_alone_braces_and_stars(tmp_path: Path) -> None:
    place = webdataset(tmp_path / "set", shards=3, count=1, side=32)
    assert len(read_images(place / "train-000001.tar")) == 2
    braces = read_images(place / "train-{000000..000002}.tar")
    assert [image.key for image in braces] == [image.key for image in read_images(place, split="train")]
    assert read_images(f"{place}/train-*.tar") == braces
    assert read_images(f"{tmp_path}/*/val-*.tar")[0].key.startswith("set/val-000000.tar/")
    with pytest.raises(FileNotFoundError, match=r"train-000003\.tar: no such shard"):
        read_images(place / "train-{000002..000003}.tar")


def test_folders_of_shards_are_generators_and_splits(tmp_path: Path) -> None:
    members = {"a.png": PNG, "a.cls": "ai", "sub/lab__b.x.png": PNG, "sub/lab__b.cls": "REAL\n", "notes.txt": "x"}
    pack(tmp_path / "sd" / "val" / "0.tar", members)
    first, second = read_images(tmp_path)
    assert (first.key, first.label, first.generator, first.split) == ("sd/val/0.tar/a.png", 1, "sd", "val")
    assert (second.key, second.label, second.source) == ("sd/val/0.tar/sub/lab__b.x.png", 0, "lab")
    assert second.read() == PNG


def test_a_description_wins_over_names(tmp_path: Path) -> None:
    facts = {"cls": "fake", "split": "test", "generator": "g", "source": 7, "kind": "art", "more": {"x": 1}}
    pack(tmp_path / "train-0.tar", {"a.json": json.dumps(facts), "a.png": PNG})
    (image,) = read_images(tmp_path)
    assert (image.label, image.split, image.generator, image.source, image.kind) == (1, "val", "g", "7", "art")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a.png": PNG}, r"0\.tar/a\.png: no label; it needs KEY\.cls"),
        ({"a.png": PNG, "a.json": "{}"}, r"a\.png: no label"),
        ({"a.png": PNG, "a.json": "[1]"}, r"a\.json: not a JSON object"),
        ({"a.png": PNG, "a.json": "{"}, r"a\.json: can't be read"),
        ({"a.png": PNG, "a.cls": b"\xff\x00\xff"}, r"a\.cls: can't be read"),
        ({"a.png": PNG, "a.cls": b"\xff\xfe"}, r"a\.png: unknown label ''"),  # UTF-16 by its mark, and empty
        ({"a.png": PNG, "a.cls": "maybe"}, r"a\.png: unknown label 'maybe'"),
        ({"a.png": PNG, "a.json": '{"label": "ai", "split": "dev"}'}, r"a\.png: unknown split 'dev'"),
        ({"a.png": PNG, "a.cls": b" " * (2 << 20)}, r"a\.cls: 2,097,152 bytes describe no image"),
        ({"a.txt": "x"}, "no images"),
    ],
)
def test_what_is_wrong_in_a_shard_is_named(tmp_path: Path, members: Mapping[str, bytes | str], reason: str) -> None:
    pack(tmp_path / "0.tar", members)
    with pytest.raises(ManifestError, match=reason):
        read_images(tmp_path)


def test_compressed_and_cut_shards_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "a" / "0.tar", {"a.png": PNG, "a.cls": "ai"}, "w:gz")
    with pytest.raises(ManifestError, match=r"0\.tar: is compressed \(gzip\)"):
        read_images(tmp_path / "a")
    whole = pack(tmp_path / "b" / "0.tar", {"a.cls": "ai", "a.png": PNG}).read_bytes()
    (tmp_path / "b" / "0.tar").write_bytes(whole[: 512 * 3 + 100])
    with pytest.raises(ManifestError, match=r"0\.tar"):
        read_images(tmp_path / "b")


@pytest.mark.parametrize(("member", "key"), [("a.png", "a"), ("x.y/a.b.png", "x.y/a"), ("a", "a"), ("x/.png", "x/")])
def test_keys_end_at_the_first_dot_of_the_file(member: str, key: str) -> None:
    assert key_of(member) == key
