"""The one door: what each kind of name leads to, and what every failure says."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import load_file

from cinemae.mae import load, registry
from cinemae.mae.checkpoint import CheckpointRecord, save_mae
from cinemae.mae.config import ConvMAEConfig
from cinemae.mae.errors import CheckpointError, LicenceWarning
from cinemae.mae.files import sha256
from cinemae.mae.load import cached, load_backbone
from cinemae.mae.modules import build, to_frozen, to_module
from cinemae.mae.registry import KnownCheckpoint
from references import SMALL, WIDTH_OF_BASE, Reference, random_batch, to_meta

COMMIT = "a" * 40


@pytest.fixture(autouse=True)
def _fresh_warnings() -> None:
    load._warn_of_licence.cache_clear()


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and no way to the network."""
    place = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(place))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return place


def put_in_cache(hub_cache: Path, name: str, folder: Path, commit: str = COMMIT) -> Path:
    """Lay ``folder`` out as the hub's client stores a repository's main branch."""
    repository = hub_cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(folder, repository / "snapshots" / commit)
    return repository / "snapshots" / commit


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    config = ConvMAEConfig(width=8)
    module = build(config)
    module.initialise(torch.Generator().manual_seed(0))
    save_mae(tmp_path / "own", to_frozen(module), CheckpointRecord(architecture=config, licence="MIT"))
    return tmp_path / "own"


@pytest.fixture
def known_small(small_reference: Reference, monkeypatch: pytest.MonkeyPatch) -> Iterator[KnownCheckpoint]:
    """Make the small network a known, restricted hub checkpoint."""
    record = registry.lookup("facebook/vit-mae-base").model_copy(
        update={
            "name": "someone/small",
            "revision": COMMIT,
            "sha256": sha256(small_reference.folder / "model.safetensors"),
        }
    )
    monkeypatch.setitem(registry._BY_NAME, record.name, record)
    monkeypatch.setattr(registry, "KNOWN", (*registry.KNOWN, record))
    return record


def test_own_folder(own_folder: Path) -> None:
    for name in (own_folder, str(own_folder)):
        loaded = load_backbone(name)
        assert loaded.name == str(own_folder)
        assert loaded.licence == "MIT"
        assert loaded.record.architecture == ConvMAEConfig(width=8)
        assert loaded.mae.config == loaded.record.architecture


def test_own_folder_keeps_its_target(own_folder: Path) -> None:
    assert load_backbone(own_folder, target="raw").licence == "MIT"
    with pytest.raises(CheckpointError, match="leave target= out"):
        load_backbone(own_folder, target="patch_norm")


def test_hub_folder(small_reference: Reference) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_backbone(small_reference.folder)
    assert loaded.licence == "unknown"
    assert loaded.record.architecture == loaded.mae.config
    images, hidden = random_batch(1, 32, (8, 8))
    predicted = to_module(loaded.mae)(images, hidden)
    torch.testing.assert_close(predicted, small_reference.run(images, hidden)[0], atol=1e-5, rtol=0)
    assert load_backbone(small_reference.folder, target="patch_norm").mae.fingerprint != loaded.mae.fingerprint


def test_shipped_name(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fake(name: str) -> Path:
        asked.append(name)
        return own_folder

    monkeypatch.setattr(load, "shipped", fake)
    loaded = load_backbone("cinemae/conv-fine")
    assert asked == ["conv-fine"]
    assert loaded.licence == "Apache-2.0"
    assert cached("cinemae/conv-fine") == "shipped"
    shutil.rmtree(own_folder)
    assert cached("cinemae/conv-fine") == "missing"
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_backbone("cinemae/conv-fine")


def test_meta_file(make_reference: Callable[..., Reference], tmp_path: Path) -> None:
    path = tmp_path / "mae_visualize_vit_base.pth"
    torch.save({"model": to_meta(make_reference(**WIDTH_OF_BASE))}, path)
    with pytest.warns(LicenceWarning, match=r"mae_visualize_vit_base\.pth: CC-BY-NC-4\.0.*no commercial use"):
        loaded = load_backbone(path)
    assert loaded.licence == "CC-BY-NC-4.0"
    assert loaded.record.architecture.target == "raw"
    assert load_backbone(path, target="patch_norm").record.architecture.target == "patch_norm"


def test_meta_names_without_a_file_say_what_to_do() -> None:
    with pytest.raises(CheckpointError, match=r"download https://dl\.fbaipublicfiles\.com/mae/visualize"):
        load_backbone("mae_visualize_vit_large.pth")
    with pytest.raises(CheckpointError, match=r"only the encoder.*mae_visualize_vit_huge\.pth"):
        load_backbone("mae_pretrain_vit_huge.pth")


def test_hub_id_from_the_cache(hub_cache: Path, small_reference: Reference, known_small: KnownCheckpoint) -> None:
    assert cached("someone/small") == "not cached"
    put_in_cache(hub_cache, "someone/small", small_reference.folder)
    assert cached("someone/small") == "cached"
    with pytest.warns(LicenceWarning, match=r"CC-BY-NC-4\.0.*Apache-2\.0"):
        loaded = load_backbone("someone/small", offline=True)
    assert loaded.licence == "CC-BY-NC-4.0"
    assert loaded.record.licence == "CC-BY-NC-4.0"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_backbone("someone/small", offline=True).mae.fingerprint == loaded.mae.fingerprint


def test_a_local_copy_is_recognised_by_its_hash(small_reference: Reference, known_small: KnownCheckpoint) -> None:
    with pytest.warns(LicenceWarning):
        assert load_backbone(small_reference.folder).licence == "CC-BY-NC-4.0"


def test_a_replaced_file_is_refused(
    hub_cache: Path, small_reference: Reference, known_small: KnownCheckpoint, make_reference: Callable[..., Any]
) -> None:
    place = put_in_cache(hub_cache, "someone/small", small_reference.folder)
    shutil.copy(make_reference(seed=1, **SMALL).folder / "model.safetensors", place)
    with pytest.raises(CheckpointError, match=r"sha256.*damaged or"):
        load_backbone("someone/small", offline=True)
    with pytest.warns(LicenceWarning):
        assert load_backbone("someone/small", offline=True, revision="main").licence == "CC-BY-NC-4.0"


def test_unknown_hub_id_with_a_pickle(hub_cache: Path, small_reference: Reference, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    shutil.copy(small_reference.folder / "config.json", folder)
    torch.save(load_file(small_reference.folder / "model.safetensors"), folder / "pytorch_model.bin")
    assert cached("someone/pickled") == "not cached"
    put_in_cache(hub_cache, "someone/pickled", folder)
    assert cached("someone/pickled") == "cached"
    assert load_backbone("someone/pickled", offline=True).licence == "unknown"


def test_an_interrupted_download_is_not_cached(
    hub_cache: Path, small_reference: Reference, known_small: KnownCheckpoint
) -> None:
    place = put_in_cache(hub_cache, "someone/small", small_reference.folder)
    (place / "model.safetensors").unlink()
    assert cached("someone/small") == "not cached"
    with pytest.raises(CheckpointError, match=r"missing from the cache|not in the local cache"):
        load_backbone("someone/small", offline=True)


def test_offline_without_a_copy_says_what_to_do(hub_cache: Path) -> None:
    with pytest.raises(CheckpointError, match=r"offline use was asked for.*hf download facebook/vit-mae-base"):
        load_backbone("facebook/vit-mae-base", offline=True)
    with pytest.raises(CheckpointError, match=r"hub cannot be reached.*hf download someone/unheard-of"):
        load_backbone("someone/unheard-of")


def response(status: int) -> Any:
    """The smallest thing that the hub's error classes accept as a response."""
    return SimpleNamespace(status_code=status, headers={}, request=None, text="")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.GatedRepoError("gated", response=response(403)), "accept the terms"),
        (errors.RepositoryNotFoundError("none", response=response(404)), "check the spelling"),
        (errors.RevisionNotFoundError("none", response=response(404)), "no revision 'v9'"),
        (errors.HFValidationError("bad"), "check the spelling"),
        (errors.LocalEntryNotFoundError("none"), "hf download someone/model --revision v9"),
        (TimeoutError("slow"), "download failed.*slow"),
        (RuntimeError("odd transport"), "download failed.*odd transport"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_the_hub_become_ours(monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(CheckpointError, match=advice) as caught:
        load_backbone("someone/model", revision="v9")
    assert caught.value.__cause__ is error


def test_only_what_is_needed_is_downloaded(
    monkeypatch: pytest.MonkeyPatch, small_reference: Reference, known_small: KnownCheckpoint
) -> None:
    asked: list[dict[str, Any]] = []

    def fake(name: str, **options: Any) -> str:
        asked.append(options)
        return str(small_reference.folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    with pytest.warns(LicenceWarning):
        load_backbone("someone/small")
    load_backbone("someone/other")
    assert [options["revision"] for options in asked] == [COMMIT, None]
    assert asked[0]["allow_patterns"] == ["config.json", "preprocessor_config.json", "model.safetensors"]
    assert not any(pattern.endswith(".bin") for pattern in asked[1]["allow_patterns"])


@pytest.mark.parametrize("name", ["vit-tiny", "facebook/vit/mae", "./nowhere", "/nowhere/at/all", "cinemae/tiny"])
def test_unknown_names_are_refused_without_the_network(hub_cache: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="neither a known checkpoint nor a path"):
        load_backbone(name)


def test_folders_and_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_backbone(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"neither ours.*nor the hub's"):
        load_backbone(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="give the folder"):
        load_backbone(tmp_path / "model.safetensors")


def test_cached_knows_the_other_sources() -> None:
    assert cached("mae_visualize_vit_base.pth") == "to download"
    with pytest.raises(CheckpointError, match="did you mean"):
        cached("vit-tiny")
