"""Reading the files of a checkpoint without running what is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import ml_dtypes as _bfloat16  # noqa: F401 - makes bfloat16 a type that NumPy, and so safetensors, knows
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from cinemae.mae.errors import CheckpointError

Tensors = dict[str, NDArray[np.generic]]


def read_safetensors(path: Path) -> Tensors:
    """Read a safetensors file.

    Raises:
        CheckpointError: If it is missing, unreadable or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error


def read_sharded(index: Path) -> Tensors:
    """Read all shards that a ``*.safetensors.index.json`` names.

    Raises:
        CheckpointError: If the index or a shard is missing or damaged.
    """
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: no weight_map there")
    tensors: Tensors = {}
    for shard in sorted(set(map(str, weight_map.values()))):
        if Path(shard).name != shard:
            raise CheckpointError(f"{index}: the shard {shard!r} lies outside the checkpoint's folder")
        tensors |= read_safetensors(index.parent / shard)
    return tensors


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        CheckpointError: If it is missing, not JSON or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: not a JSON object")
    return values


def sha256(path: Path) -> str:
    """Return the hex sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
