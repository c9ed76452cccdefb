"""Saved models: a folder with ``config.json`` and ``model.safetensors``, as hubs have it, and no pickle in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import ml_dtypes as _bfloat16  # noqa: F401 - makes bfloat16 a type that NumPy, and so safetensors, knows
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cinemae.plainfiles import open_plain, read_plain

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
Weights = Mapping[str, NDArray[Any]]
Config = TypeVar("Config", bound=BaseModel)


def save_folder(place: Path, config: BaseModel, weights: Weights) -> None:
    """Write a model; whoever is stopped on the way leaves each file as it was, or as it will be, never half of it."""
    save_weights(place / WEIGHTS_FILE, weights)
    _write(place / CONFIG_FILE, f"{config.model_dump_json(indent=1)}\n".encode())


def save_weights(file: Path, weights: Weights) -> None:
    """Write a file of weights, as :func:`save_folder` does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not ascontiguousarray, which makes a row of a scalar.
    _write(file, save({name: np.asarray(array, order="C") for name, array in weights.items()}))


def _write(file: Path, content: bytes) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def load_folder(
    place: Path, config: type[Config], what: str, error: type[ValueError]
) -> tuple[Config, dict[str, NDArray[Any]]]:
    """Read a folder written by :func:`save_folder`.

    Args:
        place: The folder.
        config: What its configuration must be.
        what: What the folder should hold, for the error: "a cinemae head".
        error: Class of the error.

    Raises:
        ValueError: Of the class asked for, if a file is missing or invalid; it names the file and says why.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (place / name).exists():
            raise error(f"{place}: not {what}: {name} is missing")
    try:
        read = config.model_validate_json(read_plain(place / CONFIG_FILE))
    except ValidationError as reason:
        raise error(f"{place / CONFIG_FILE}: not {what}: {reason}") from reason
    except OSError as reason:
        raise error(f"{place}: {reason}") from reason
    return read, load_weights(place / WEIGHTS_FILE, what, error)


def load_weights(file: Path, what: str, error: type[ValueError]) -> dict[str, NDArray[Any]]:
    """Read a file of weights.

    Args:
        file: A safetensors file.
        what: What it should hold, for the error.
        error: Class of the error.

    Raises:
        ValueError: Of the class asked for, if the file is missing or damaged; it is named.
    """
    if not file.exists():
        raise error(f"{file.parent}: not {what}: {file.name} is missing")
    try:
        open_plain(file).close()  # a pipe would be waited for
        return load_file(file)
    except SafetensorError as reason:
        raise error(f"{file}: damaged: {reason}") from reason
    except OSError as reason:
        raise error(f"{file}: {reason}") from reason


def fingerprint_of(text: str, weights: Weights) -> str:
    """Return the first 16 hex digits of a hash over a text, for a configuration, and the weights."""
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(weights.items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
