"""Saved models: written whole or not at all, and refused by name when they are not what they should be."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from pydantic import BaseModel

from cinemae.folders import CONFIG_FILE, WEIGHTS_FILE, fingerprint_of, load_folder, save_folder


class Settings(BaseModel):
    name: str
    rate: float = 1e-7


class OddError(ValueError):
    """What the caller asked for."""


def load(place: Path) -> tuple[Settings, dict[str, np.ndarray]]:
    return load_folder(place, Settings, "a toy", OddError)


@pytest.fixture
def folder(tmp_path) -> Path:
    save_folder(tmp_path / "toy", Settings(name="é"), {"w": np.arange(6, dtype=np.float32).reshape(2, 3)})
    return tmp_path / "toy"


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16, np.int64])
def test_round_trip(tmp_path, dtype):
    weights = {"a": np.arange(6).reshape(2, 3).T.astype(dtype), "empty": np.zeros(0, dtype), "one": np.array(7, dtype)}
    save_folder(tmp_path, Settings(name="é"), weights)
    config, read = load(tmp_path)
    assert config == Settings(name="é")
    assert read.keys() == weights.keys()
    for name, array in weights.items():
        assert (read[name].dtype, read[name].shape) == (dtype, array.shape)
        assert np.array_equal(read[name], array)


def test_nothing_else_is_left_in_the_folder(folder):
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_write_that_fails_leaves_the_old_file(folder, monkeypatch, name):
    def full(path: Path, data: bytes) -> int:
        if name in path.name:
            with path.open("wb") as stream:
                stream.write(data[:5])
            raise OSError("no space left on device")
        with path.open("wb") as stream:
            return stream.write(data)

    before = load(folder)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        save_folder(folder, before[0], {"w": before[1]["w"]})
    monkeypatch.undo()
    after = load(folder)
    assert after[0] == before[0]
    assert np.array_equal(after[1]["w"], before[1]["w"])
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(OddError, match=f"toy: not a toy: {name} is missing"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"rate": 1}'])
def test_another_configuration_is_refused(folder, content):
    (folder / CONFIG_FILE).write_bytes(content)
    with pytest.raises(OddError, match=f"{CONFIG_FILE}: not a toy"):
        load(folder)


def test_damaged_weights_are_refused(folder):
    data = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(data[:-3])
    with pytest.raises(OddError, match=f"{WEIGHTS_FILE}: damaged"):
        load(folder)


def test_what_cannot_be_read_is_refused(folder):
    (folder / CONFIG_FILE).unlink()
    (folder / CONFIG_FILE).mkdir()
    with pytest.raises(OddError, match="toy"):
        load(folder)


def test_a_fingerprint_follows_the_text_and_each_weight():
    weights = {"a": np.arange(3.0), "b": np.arange(2.0)}
    base = fingerprint_of("x", weights)
    assert base == fingerprint_of("x", dict(reversed(weights.items())))
    others = [fingerprint_of("y", weights), fingerprint_of("x", weights | {"a": np.arange(3.0) + 1})]
    others.append(fingerprint_of("x", {"a": weights["a"], "c": weights["b"]}))
    assert len({base, *others}) == 4
