"""One door to all MAE checkpoints: a known name, a hub id, a folder or a file.

What cannot be loaded as asked is an error that says what to do; nothing here ever falls back to
random weights or to another checkpoint.
"""

from __future__ import annotations

import functools
import os
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Literal

from cinemae.extras import install_hint
from cinemae.folders import CONFIG_FILE
from cinemae.mae.checkpoint import CheckpointRecord, load_mae
from cinemae.mae.errors import CheckpointError, LicenceWarning
from cinemae.mae.files import read_json, sha256
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.huggingface import (
    INDEX_FILE,
    PICKLE_FILE,
    PREPROCESSOR_FILE,
    SAFETENSORS_FILE,
    load_huggingface,
)
from cinemae.mae.meta import load_meta
from cinemae.mae.registry import KnownCheckpoint, find, find_hash, lookup
from cinemae.weights import shipped

Target = Literal["raw", "patch_norm"]
State = Literal["shipped", "missing", "cached", "not cached", "to download"]
_META_SUFFIXES = (".pth", ".pt")


@dataclass(frozen=True)
class LoadedBackbone:
    """A frozen MAE and what is known of it.

    Attributes:
        name: What was asked for.
        mae: Its configuration and weights.
        record: Its configuration, noise model and origin.
        licence: Licence of the weights; "unknown" if nobody says.
    """

    name: str
    mae: FrozenMAE
    record: CheckpointRecord
    licence: str


def load_backbone(
    name: str | PathLike[str],
    *,
    target: Target | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> LoadedBackbone:
    """Load an MAE.

    A string is looked for in this order: a name that the package ships, an existing path, a hub id.
    Known hub checkpoints are loaded at the commit that the registry names and their file's hash is
    checked, unless ``revision`` asks for another.

    Args:
        name: A known name (``cinemae models`` lists them), a hub id, a folder in our own or in the
            hub's layout, or a ``.pth`` file of Meta's code.
        target: What the decoder predicts, where the checkpoint does not say or says it wrong.
        revision: Branch, tag or commit on the hub.
        offline: Use only what is in the hub's local cache.

    Raises:
        CheckpointError: If it cannot be found, downloaded or read, or has no decoder.

    Warns:
        LicenceWarning: Once a checkpoint, if its licence forbids commercial use.
    """
    known = find(name) if isinstance(name, str) else None
    path = Path(name)
    if known is not None and known.source == "shipped":
        path = shipped(known.folder)
    elif path.exists():
        known = _identify(path)
    else:
        path = _fetch(str(name), known, revision, offline)
    mae, record = _load(path, target)
    if known is not None:
        record = record.model_copy(update={"licence": known.licence})
        if known.restricted:
            _warn_of_licence(known)
    return LoadedBackbone(os.fspath(name), mae, record, record.licence)


def cached(name: str) -> State:
    """Say where a known checkpoint or a hub id is, without using the network.

    Returns:
        ``shipped`` or, from a package without weights, ``missing``; ``cached`` or ``not cached`` in
        the hub's local cache; ``to download`` for Meta's files, which have no cache.

    Raises:
        CheckpointError: If the name is unknown and no hub id.
    """
    known = find(name)
    if known is None and not _is_hub_id(name):
        lookup(name)
    if known is not None and known.source == "shipped":
        return "shipped" if (shipped(known.folder) / known.file).exists() else "missing"
    if known is not None and known.source == "meta":
        return "to download"
    if find_spec("huggingface_hub") is None:
        return "not cached"
    from huggingface_hub import try_to_load_from_cache

    revision = known.revision if known else None
    weights = (known.file,) if known else (SAFETENSORS_FILE, INDEX_FILE, PICKLE_FILE)

    def there(file: str) -> bool:
        return isinstance(try_to_load_from_cache(name, file, revision=revision), str)

    # Both: an interrupted download may have left only the configuration.
    return "cached" if there(CONFIG_FILE) and any(map(there, weights)) else "not cached"


def _identify(path: Path) -> KnownCheckpoint | None:
    """Recognise a local copy: Meta's files by their name, a hub folder by its weights' hash."""
    if path.is_file():
        return find(path.name)
    for file in (SAFETENSORS_FILE, PICKLE_FILE):
        if (path / file).exists():
            return find_hash(sha256(path / file))
    return None


def _load(path: Path, target: Target | None) -> tuple[FrozenMAE, CheckpointRecord]:
    if path.is_file():
        return _load_file(path, target)
    values = read_json(path / CONFIG_FILE)
    if "format" in values:
        mae, record = load_mae(path)
        if target not in (None, getattr(record.architecture, "target", "raw")):
            raise CheckpointError(f"{path}: its own configuration says what it predicts; leave target= out")
        return mae, record
    if "model_type" in values:
        vit, hub = load_huggingface(path, target=target)
        origin = {"layout": "huggingface", "transformers": hub.get("transformers_version")}
        return vit, CheckpointRecord(architecture=vit.config, training=origin)
    raise CheckpointError(f"{path / CONFIG_FILE}: neither ours (no 'format') nor the hub's (no 'model_type')")


def _load_file(path: Path, target: Target | None) -> tuple[FrozenMAE, CheckpointRecord]:
    if path.suffix not in _META_SUFFIXES:
        raise CheckpointError(
            f"{path}: give the folder that holds {CONFIG_FILE} and the weights, or a .pth file of Meta's code"
        )
    mae = load_meta(path, target=target)
    return mae, CheckpointRecord(architecture=mae.config, training={"layout": "facebookresearch/mae"})


def _fetch(name: str, known: KnownCheckpoint | None, revision: str | None, offline: bool) -> Path:
    """Return the folder of a hub checkpoint, downloaded if need be."""
    if known is not None and known.source == "meta":
        if known.encoder_only:
            raise CheckpointError(f"{name}: has only the encoder, it is refused; {known.instead} has the decoder too")
        raise CheckpointError(f"{name}: no such file here; download {known.url} and give its path")
    if known is None and not _is_hub_id(name):
        lookup(name)
    if known is not None and revision in (None, known.revision):
        folder = _snapshot(name, known.revision, offline, [CONFIG_FILE, PREPROCESSOR_FILE, known.file])
        _verify(folder / known.file, known)
        return folder
    # Safetensors first: a repository that has both kinds would be downloaded twice over.
    wanted = [CONFIG_FILE, PREPROCESSOR_FILE, SAFETENSORS_FILE, INDEX_FILE, "model-*.safetensors"]
    folder = _snapshot(name, revision, offline, wanted)
    if not any((folder / file).exists() for file in (SAFETENSORS_FILE, INDEX_FILE)):
        folder = _snapshot(name, revision, offline, [CONFIG_FILE, PREPROCESSOR_FILE, PICKLE_FILE])
    return folder


def _verify(file: Path, known: KnownCheckpoint) -> None:
    if not file.exists():
        raise CheckpointError(f"{known.name}: {known.file} is missing from the cache; run `hf download {known.name}`")
    if known.sha256 is not None and (given := sha256(file)) != known.sha256:
        raise CheckpointError(
            f"{file}: its sha256 is {given}, on record for {known.name} is {known.sha256}; it is damaged or"
            " was replaced (pass revision= to load another version on purpose)"
        )


def _is_hub_id(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 2 and all(parts) and parts[0] not in (".", "..", "~", "cinemae")


def _snapshot(name: str, revision: str | None, offline: bool, files: list[str]) -> Path:
    if find_spec("huggingface_hub") is None:
        raise CheckpointError(
            f"{name}: no such path here, and nothing can be downloaded without huggingface-hub:"
            f" {install_hint('hub')}, or give a local folder"
        )
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=files, local_files_only=offline))
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{name}: access must be granted first; accept the terms on https://huggingface.co/{name} and run"
            " `hf auth login`"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise CheckpointError(
            f"{name}: neither a path that exists nor a repository that the hub shows you; check the spelling"
            " (`cinemae models` lists the known ones), or run `hf auth login` if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(f"{name}: the hub has no revision {revision!r} of it") from error
    except errors.LocalEntryNotFoundError as error:
        how = "offline use was asked for" if offline else "the hub cannot be reached"
        version = f" --revision {revision}" if revision else ""
        raise CheckpointError(
            f"{name}: not in the local cache, and {how}; download it once with"
            f" `hf download {name}{version}`, or give a local folder"
        ) from error
    except Exception as error:  # the hub client's transport errors change their classes with its version
        raise CheckpointError(f"{name}: the download failed ({type(error).__name__}: {error})") from error


@functools.cache  # once a checkpoint and process, whatever the warning filter and the calling line
def _warn_of_licence(known: KnownCheckpoint) -> None:
    warnings.warn(f"{known.name}: {known.licence}; {known.licence_note}", LicenceWarning, stacklevel=3)
