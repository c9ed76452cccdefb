"""Reading the files of a checkpoint without running what is in them."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cinemae.mae.errors import CheckpointError


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: If it is missing, unreadable or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error


def read_sharded(index: Path) -> dict[str, Tensor]:
    """Read all shards that a ``*.safetensors.index.json`` names.

    Raises:
        CheckpointError: If the index or a shard is missing or damaged.
    """
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: no weight_map there")
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(map(str, weight_map.values()))):
        if Path(shard).name != shard:
            raise CheckpointError(f"{index}: the shard {shard!r} lies outside the checkpoint's folder")
        tensors |= read_safetensors(index.parent / shard)
    return tensors


def read_pickle(path: Path) -> object:
    """Read a file of ``torch.save`` as data only; code in it is refused, never run.

    ``argparse.Namespace`` is the one type allowed beside torch's own list: Meta's MAE training code
    saves its command-line arguments as one under ``args``, and restoring it only fills a
    ``__dict__``.

    Raises:
        CheckpointError: If it is missing or damaged, or its pickle wants any other global; the
            message names that global.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: not a readable file: {error}") from error
    except Exception as error:  # a damaged pickle can fail in any opcode, with any exception
        if wanted := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path}: refused, its pickle wants to load {wanted[1]}, which could run code; only tensors,"
                " plain values and argparse.Namespace are read"
            ) from error
        raise CheckpointError(
            f"{path}: not a readable torch checkpoint ({type(error).__name__}: {str(error)[:200]})"
        ) from error


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
