"""One image, wherever its bytes are; the fingerprint of a set."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cinemae.datasets import LabelledImage, manifest_hash, read_images
from cinemae.datasets.images import source_of
from cinemae.images import ImageError
from toys import pink, upsampled
from trees import encoded, huggingface, save, webdataset


def test_a_file_reads_itself(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", pink(1, 64))
    image = LabelledImage(path=path, label=0, generator="g", source="s", split="val")
    assert image.read() == path.read_bytes()
    assert (image.size(), image.key, image.stem, image.place) == ((64, 64), "a.png", "a", str(path))


@pytest.mark.parametrize("layout", ["webdataset", "huggingface"])
def test_members_and_cells_read_the_bytes_that_were_packed(tmp_path: Path, layout: str) -> None:
    images = read_images((webdataset if layout == "webdataset" else huggingface)(tmp_path / "set"))
    for image in images:
        number = int(image.source.removeprefix("s"))
        if layout == "huggingface":
            number += 410_000 + 5_000 * (image.split == "val")
        suffix = Path(image.key).suffix
        assert image.read() == encoded((upsampled if image.label else pink)(number, 64), suffix), image.key
        assert image.size() == (64, 64)
    assert len({image.place for image in images}) == len(images)


@pytest.mark.parametrize("make", [webdataset, huggingface])
def test_references_are_small_and_cross_processes(tmp_path: Path, make) -> None:
    (image, *_) = read_images(make(tmp_path / "set"))
    packed = pickle.dumps(image)
    assert len(packed) < 2000
    assert pickle.loads(packed) == image
    assert pickle.loads(packed).read() == image.read()


def test_what_is_gone_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    (image, *_) = read_images(webdataset(tmp_path / "set"))
    image.path.unlink()
    with pytest.raises(OSError, match=r"train-000000\.tar"):
        image.read()
    gone = LabelledImage(path=tmp_path / "gone.png", label=0, generator="g", source="s", split="val")
    with pytest.raises(OSError, match=r"gone\.png"):
        gone.read()
    with pytest.raises(ImageError, match=r"gone\.png"):
        gone.size()


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


@pytest.mark.parametrize(
    ("name", "source"), [("lab__1.png", "lab"), ("__1.png", "__1"), ("a.b.png", "a.b"), ("n01_2.JPEG", "n01_2")]
)
def test_the_source_in_a_name(name: str, source: str) -> None:
    assert source_of(name) == source
