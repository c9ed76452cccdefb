"""The cache of compiled graphs: found again, never trusted when damaged, never in the way."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinemae.mae import compiled, openvino_graph
from cinemae.mae.compiled import cache_folder, compile_graph
from cinemae.mae.modules import to_frozen
from cinemae.mae.openvino_library import ov
from toys import small_conv

MAE = to_frozen(small_conv())
SETTINGS = {"INFERENCE_PRECISION_HINT": ov.Type.f32, "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
INPUTS = [
    np.random.default_rng(0).uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32),
    (np.indices((2, 1, 8, 8)).sum(0) % 2).astype(np.float32),
]


class Builder:
    """Builds the graph, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> ov.Model:
        self.built += 1
        return openvino_graph.conv_graph(MAE, 2, 8, 8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CINEMAE_CACHE", str(tmp_path / "deep" / "cache"))
    return tmp_path / "deep" / "cache"


def outputs(graph: ov.CompiledModel) -> bytes:
    request = graph.create_infer_request()
    request.infer(INPUTS)
    return b"".join(np.array(tensor.data).tobytes() for tensor in request.output_tensors)


def compile_counted(key: str = "key", settings: dict[str, Any] = SETTINGS) -> tuple[bytes, int]:
    build = Builder()
    return outputs(compile_graph(build, key, settings)), build.built


def test_a_graph_is_built_once_and_computes_the_same_from_the_cache(cache: Path) -> None:
    first, built = compile_counted()
    assert built == 1
    assert [file.suffix for file in cache.iterdir()] == [".blob"]
    assert compile_counted() == (first, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: {"key": "other"},
        lambda patch: {"settings": SETTINGS | {"INFERENCE_NUM_THREADS": 2}},
        lambda patch: patch.setattr(compiled, "cpu_flags", lambda: frozenset({"another", "cpu"})),
        lambda patch: patch.setattr(ov, "get_version", lambda: "another"),
    ],
    ids=["key", "settings", "cpu", "openvino"],
)
def test_what_changes_a_graph_has_a_place_of_its_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], dict[str, Any] | None]
) -> None:
    compile_counted()
    assert compile_counted(**(change(monkeypatch) or {}))[1] == 1
    assert len(list(cache.iterdir())) == 2


def test_other_code_has_a_place_of_its_own(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compile_counted()
    (tmp_path / "code.py").write_bytes(Path(openvino_graph.__file__).read_bytes() + b"# another version\n")
    monkeypatch.setattr(openvino_graph, "__file__", str(tmp_path / "code.py"))
    assert compile_counted()[1] == 1


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "other content"])
def test_a_damaged_file_is_compiled_again_and_mended(
    cache: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    first, _ = compile_counted()
    (blob,) = cache.iterdir()
    data = blob.read_bytes()
    junk = b"not what OpenVINO exports"
    blob.write_bytes(
        {
            "flipped": data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
            "cut": data[: len(data) // 2],
            "empty": b"",
            "other content": hashlib.sha256(junk).digest() + junk,
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        assert compile_counted() == (first, 1)
    assert str(blob) in caplog.text
    assert "compiling again" in caplog.text
    assert compile_counted() == (first, 0)


def test_a_folder_that_cannot_be_written_keeps_nobody_from_computing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CINEMAE_CACHE", str(tmp_path / "file" / "cache"))
    first = compile_counted()
    assert first[1] == 1
    assert compile_counted() == first
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_leaves_no_half_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert compile_counted()[1] == 1
    assert list(cache.iterdir()) == []


def test_large_graphs_are_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MOST_BYTES", 1000)
    assert compile_counted()[1] == 1
    assert not cache.exists()


def test_the_folder_is_the_users_cache_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CINEMAE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().name == "cinemae"
    monkeypatch.setenv("CINEMAE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
