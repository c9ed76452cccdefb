"""The tile pack: right pixels, right shares, rebuilt only when it must be."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinemae.pretrain.config import TileConfig
from cinemae.pretrain.pack import build_pack, cut_tiles, find_photos, plan_tiles

WIDTH, HEIGHT = 220, 160
NATIVE = TileConfig(size=32, count=24, native=1.0)


def ramp(blue: int) -> np.ndarray:
    """A picture whose red says the column, green the row and blue which picture it is."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([column, row, np.full_like(row, blue)], -1).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures in two folders."""
    root = tmp_path / "photos"
    for number, folder in enumerate(("a", "a", "a", "b")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(ramp(10 * number)).save(root / folder / f"{number}.png")
    return root


def built(photos: Path, config: TileConfig = NATIVE, **options: object) -> np.ndarray:
    return build_pack(photos, photos.parent / "pack", config, **({"jobs": 1} | options))


def test_native_tiles_are_exact_slices(photos):
    tiles = built(photos)
    assert (tiles.shape, tiles.dtype) == ((24, 32, 32, 3), np.uint8)
    sources = set()
    for tile in tiles:
        left, top, blue = (int(value) for value in tile[0, 0])
        assert np.array_equal(tile, ramp(blue)[top : top + 32, left : left + 32])
        sources.add(blue)
    assert sources == {0, 10, 20, 30}
    corners = {tuple(tile[0, 0]) for tile in tiles}
    assert len(corners) > 20  # from anywhere, not from one place


def test_scaled_tiles_cover_the_drawn_share(photos):
    config = TileConfig(size=40, count=40, native=0.0, cover=(0.5, 1.0))
    for tile in built(photos, config):
        # Red rises from the left to the right edge by the window's width, up to half a step at each end.
        window = (float(tile[20, -1, 0]) - float(tile[20, 0, 0])) * 40 / 39
        assert 0.5 * HEIGHT - 4 < window < HEIGHT + 4
        assert len(np.unique(tile[..., 2])) == 1


def test_small_photographs_are_enlarged_and_jpeg_is_drawn(tmp_path):
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photos" / "small.png")
    plain = TileConfig(size=48, count=2, native=1.0)
    coded = plain.model_copy(update={"jpeg": 1.0})
    path = tmp_path / "photos" / "small.png"
    large = cut_tiles(path, 2, plain.model_copy(update={"size": 96}), seed=0)
    assert large.shape == (2, 96, 96, 3)
    a, b = cut_tiles(path, 2, plain, seed=0), cut_tiles(path, 2, coded, seed=0)
    assert a.shape == b.shape == (2, 48, 48, 3)
    assert not np.array_equal(a[0], b[0])
    assert np.abs(a[0].astype(int) - b[0]).mean() < 60  # the same place, coded


def test_same_tiles_whatever_the_number_of_processes(photos):
    one = np.array(built(photos))
    two = build_pack(photos, photos.parent / "other", NATIVE, jobs=2)
    assert np.array_equal(one, two)
    other = build_pack(photos, photos.parent / "seed", NATIVE, seed=1, jobs=1)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("balance", "share"), [(1.0, 0.1), (0.5, 0.25), (0.0, 0.5)])
def test_balance(balance, share):
    root = Path("root")
    photos = [root / "big" / f"{n}.jpg" for n in range(900)] + [root / "few" / "x" / f"{n}.jpg" for n in range(100)]
    config = TileConfig(size=32, count=20_000, native=1.0, balance=balance)
    counts = plan_tiles(photos, root, config, seed=0)
    assert sum(counts) == 20_000
    assert sum(counts[900:]) / 20_000 == pytest.approx(share, abs=0.02)


def test_photographs_in_the_root_are_one_folder():
    root = Path("root")
    photos = [root / f"{n}.jpg" for n in range(900)] + [root / "few" / f"{n}.jpg" for n in range(100)]
    counts = plan_tiles(photos, root, TileConfig(size=32, count=20_000, native=1.0, balance=0.0), seed=0)
    assert sum(counts[900:]) / 20_000 == pytest.approx(0.5, abs=0.02)


def test_rebuilt_only_when_something_changed(photos):
    place = photos.parent / "pack" / "tiles.npy"

    def rebuilt(config: TileConfig = NATIVE, **options: object) -> bool:
        before = place.stat().st_ino, place.stat().st_mtime_ns
        built(photos, config, **options)
        return before != (place.stat().st_ino, place.stat().st_mtime_ns)

    built(photos)
    assert not rebuilt()
    assert rebuilt(NATIVE.model_copy(update={"count": 25}))
    assert not rebuilt(NATIVE.model_copy(update={"count": 25}))
    assert rebuilt()
    assert rebuilt(seed=1)
    Image.fromarray(ramp(99)).save(photos / "b" / "new.png")
    assert rebuilt(seed=1)
    (photos / "a" / "0.png").unlink()
    assert rebuilt(seed=1)
    assert not rebuilt(seed=1)


def test_photograph_that_cannot_be_decoded_is_recorded(photos, caplog):
    (photos / "b" / "text.jpg").write_bytes(b"no image")
    buffer = io.BytesIO()
    Image.fromarray(ramp(50)).save(buffer, "JPEG")
    (photos / "b" / "cut.jpg").write_bytes(buffer.getvalue()[:1500])
    tiles = built(photos, NATIVE.model_copy(update={"count": 60}))
    record = json.loads((photos.parent / "pack" / "pack.json").read_text())
    assert sorted(line.split(":")[0].rsplit("/", 1)[1] for line in record["refused"]) == ["cut.jpg", "text.jpg"]
    assert "text.jpg" in caplog.text
    assert all(tile.any() for tile in tiles)  # the gaps are filled
    assert {int(tile[0, 0, 2]) for tile in tiles} == {0, 10, 20, 30}


def test_nothing_to_decode(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no image below"):
        find_photos(tmp_path / "empty")
    (tmp_path / "empty" / "x.png").write_bytes(b"text")
    with pytest.raises(FileNotFoundError, match=r"none of the 1 images.*x\.png"):
        build_pack(tmp_path / "empty", tmp_path / "p", NATIVE, jobs=1)


def test_interrupted_build_is_built_again_and_old_tiles_stay_readable(photos):
    old = built(photos)
    first = np.array(old)

    def interrupted(items, total):
        assert total == 4
        yield next(iter(items))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(photos, seed=1, progress=interrupted)
    assert not (photos.parent / "pack" / "pack.json").exists()
    tiles = built(photos, seed=1)
    assert np.array_equal(old, first)  # a training that has the old ones mapped keeps them
    assert np.array_equal(tiles, build_pack(photos, photos.parent / "fresh", NATIVE, seed=1, jobs=1))
    assert not list((photos.parent / "pack").glob("*.partial"))
