"""cinemae's own MAE checkpoints: a folder with ``config.json`` and ``model.safetensors``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import save_file

from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import ConvMAEConfig, MAEConfig, ViTMAEConfig
from cinemae.mae.conv import ConvMAE
from cinemae.mae.errors import CheckpointError as CheckpointError
from cinemae.mae.files import read_safetensors
from cinemae.mae.vit import ViTMAE

MAE = ViTMAE | ConvMAE
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


class CheckpointRecord(BaseModel):
    """What stands in ``config.json`` of one of our own MAE checkpoints.

    Attributes:
        format: Version of this file's layout.
        architecture: Shape of the network and meaning of its outputs.
        noise: The noise model, needed to score with an MAE that predicts only a mean.
        training: How the weights came about, for people; not read by the code.
        licence: Licence of the weights.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    architecture: MAEConfig
    noise: NoiseModel | None = None
    training: dict[str, object] = Field(default_factory=dict)
    licence: str = "unknown"


def build(config: ViTMAEConfig | ConvMAEConfig) -> MAE:
    """Return an uninitialised network of this shape."""
    return ViTMAE(config) if isinstance(config, ViTMAEConfig) else ConvMAE(config)


def save_mae(place: Path, mae: MAE, record: CheckpointRecord, dtype: torch.dtype = torch.float16) -> None:
    """Write a checkpoint folder; the weights are stored as ``dtype``."""
    place.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in mae.state_dict().items()}
    save_file(tensors, place / WEIGHTS_FILE)
    (place / CONFIG_FILE).write_text(record.model_dump_json(indent=1) + "\n")


def read_record(place: Path) -> CheckpointRecord:
    """Read ``config.json`` of a checkpoint folder.

    Raises:
        CheckpointError: If it is missing or invalid.
    """
    path = place / CONFIG_FILE
    try:
        return CheckpointRecord.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{place}: no {CONFIG_FILE} there") from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: not a cinemae MAE configuration: {error}") from error


def load_mae(place: Path) -> tuple[MAE, CheckpointRecord]:
    """Load a checkpoint folder as a float32 network in evaluation mode.

    Raises:
        CheckpointError: If a file is missing or the tensors do not fit the configuration; a
            missing weight is never replaced by a random one.
    """
    record = read_record(place)
    path = place / WEIGHTS_FILE
    if not path.exists():
        raise CheckpointError(f"{place}: no {WEIGHTS_FILE} there")
    with torch.device("meta"):  # the weights come from the file; drawing random ones first takes seconds
        mae = build(record.architecture)
    load_tensors(mae, read_safetensors(path), str(path))
    return mae, record


def load_tensors(mae: MAE, tensors: dict[str, torch.Tensor], name: str) -> None:
    """Give ``mae`` exactly these tensors, as float32, and put it into evaluation mode.

    The tensors replace the network's own, which may be on the meta device.

    Raises:
        CheckpointError: If one is missing, unexpected or of another shape.
    """
    wanted = {key: tuple(value.shape) for key, value in mae.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in tensors.items()}
    if wanted != given:
        missing = sorted(wanted.keys() - given.keys())
        unknown = sorted(given.keys() - wanted.keys())
        shapes = sorted(key for key in wanted.keys() & given.keys() if wanted[key] != given[key])
        raise CheckpointError(
            f"{name}: the weights do not fit the configuration"
            f" (missing: {missing[:5]}, unexpected: {unknown[:5]}, other shape: {shapes[:5]})"
        )
    floats = {key: value.float().contiguous() for key, value in tensors.items()}
    mae.load_state_dict(floats, assign=True)
    mae.eval().requires_grad_(False)


def fingerprint(mae: MAE) -> str:
    """Return a hash of the configuration and the weights, whatever file they came from.

    The first 16 hex digits of sha256 over the configuration's JSON and each tensor as float32.
    """
    digest = hashlib.sha256(json.dumps(mae.config.model_dump(mode="json"), sort_keys=True).encode())
    for name, tensor in sorted(mae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
