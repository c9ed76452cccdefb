"""What is below a folder, and what of it is named instead of being passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemae.datasets import list_set
from cinemae.datasets.trees import find_files
from trees import GENIMAGE_CORRUPT, genimage


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_files_are_sorted_by_kind_and_what_is_left_is_named(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/2.png",
        "b/1.JPG",
        "a/x.tar",
        "a/x.parquet",
        "a/readme.txt",
        "a/set.zip",
        "none/deep/er/x.txt",
        ".h/1.png",
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    found = find_files(tmp_path)
    assert found.images == [("b", "1.JPG"), ("b", "2.png")]
    assert (found.shards, found.tables) == ([("a", "x.tar")], [("a", "x.parquet")])
    assert {one.name: one.reason for one in found.skipped} == {
        "a/set.zip": "an archive that is still packed",
        "empty/": "no image in this folder",
        "none/": "no image in this folder",
        "linked/": "a link to a folder is not followed",
        "hidden folder: 1": "no images by their names",
        ".txt: 2": "no images by their names",
    }


def test_a_folder_that_can_t_be_listed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        find_files(tmp_path / "absent")


def test_known_broken_files_are_left_out_by_name_with_the_source(tmp_path: Path) -> None:
    genimage(tmp_path, generators=["biggan"], train=1, val=1, side=32, corrupt=True)
    listing = list_set(tmp_path)
    assert len(listing.images) == 4
    (broken,) = listing.broken
    assert broken.name == GENIMAGE_CORRUPT
    assert "https://github.com/GenImage-Dataset/GenImage/pull/2" in broken.reason
    assert list_set(tmp_path, layout="folders").broken == []  # the quirks are the published layout's
