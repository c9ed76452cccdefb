"""From a checkpoint's name to an encoder: which kind it is, what identifies it, and loading it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cinemae.folders import CONFIG_FILE, WEIGHTS_FILE
from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.errors import CheckpointError
from cinemae.mae.files import read_json, sha256
from cinemae.verdict import Precision

Kind = Literal["transformers", "timm", "cinemae"]
Pool = Literal["auto", "pooler", "cls", "mean"]
INDEX_FILE = "model.safetensors.index.json"
RECORDS = (CONFIG_FILE, "preprocessor_config.json", "processor_config.json")


class MissingLibraryError(CheckpointError, ImportError):
    """A checkpoint needs a library that isn't installed, or doesn't work here; the message says which."""


class Encoder(Protocol):
    """A loaded encoder; the same pixels always give the same vector, to the bit."""

    def __call__(self, pixels: NDArray[np.uint8]) -> FloatArray:
        """Return the pooled vector of an image (height, width, 3)."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is there, not yet loaded.

    Attributes:
        name: What was asked for.
        kind: Whose layout it has.
        fingerprint: Hash of all that its numbers depend on.
    """

    name: str
    kind: Kind
    fingerprint: str


def find_checkpoint(name: str) -> Checkpoint:
    """Say what a checkpoint is: a folder of transformers or timm, or an MAE in any way that cinemae knows.

    A masked autoencoder in the hub's layout (``vit_mae``) is taken as an MAE of ours, since
    transformers' own class draws new masks each time it runs. Nothing is downloaded.

    Raises:
        CheckpointError: If it is none of these, or lacks weights in safetensors.
    """
    folder = Path(name)
    values = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    if "architecture" in values and "format" not in values:
        return Checkpoint(name, "timm", _hash(folder))
    if "model_type" in values and "format" not in values and values["model_type"] != "vit_mae":
        return Checkpoint(name, "transformers", _hash(folder))
    from cinemae.mae.load import load_backbone

    return Checkpoint(name, "cinemae", load_backbone(name, offline=True).mae.fingerprint)


def open_encoder(checkpoint: Checkpoint, pool: Pool, precision: Precision, device: str) -> Encoder:
    """Load an encoder.

    Args:
        checkpoint: What :func:`find_checkpoint` has found.
        pool: Which vector is wanted; see :class:`cinemae.baselines.ProbeConfig`.
        precision: Type of its arithmetic.
        device: Where it runs, ``cpu`` or a CUDA device.

    Raises:
        CheckpointError: If weights are missing, or it has no such vector.
        MissingLibraryError: If the library that it needs is not there.
    """
    if checkpoint.kind == "timm":
        from cinemae.baselines.encoders.timm_folder import TimmEncoder

        return TimmEncoder(Path(checkpoint.name), pool, precision, device)
    if checkpoint.kind == "transformers":
        from cinemae.baselines.encoders.transformers_folder import TransformersEncoder

        return TransformersEncoder(Path(checkpoint.name), pool, precision, device)
    from cinemae.baselines.encoders.mae import MAEEncoder

    return MAEEncoder(checkpoint.name, pool, precision, device)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a folder.

    Raises:
        CheckpointError: If there are none; pickled weights are never read.
    """
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if (folder / INDEX_FILE).is_file():
        weight_map = read_json(folder / INDEX_FILE).get("weight_map")
        shards = sorted(set(map(str, weight_map.values()))) if isinstance(weight_map, dict) else []
        for shard in shards:
            if Path(shard).name != shard or not (folder / shard).is_file():
                raise CheckpointError(f"{folder / INDEX_FILE}: names {shard!r}, which is not in the folder")
        if shards:
            return [folder / INDEX_FILE, *(folder / shard for shard in shards)]
        raise CheckpointError(f"{folder / INDEX_FILE}: no weight_map there")
    raise CheckpointError(f"{folder}: has no {WEIGHTS_FILE}; weights must be safetensors, pickles are not read")


def torch_type(precision: Precision) -> Any:
    """Return torch's type of a precision."""
    import torch

    return {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[precision]


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in [*(folder / name for name in RECORDS), *weight_files(folder)]:
        if file.is_file():
            digest.update(f"{file.name}={sha256(file)}\n".encode())
    return digest.hexdigest()[:16]
