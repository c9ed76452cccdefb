"""cinemae's own MAE checkpoints: a folder with ``config.json`` and ``model.safetensors``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike
from pydantic import BaseModel, ConfigDict, Field

from cinemae.folders import WEIGHTS_FILE, load_folder, save_folder
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import MAEConfig
from cinemae.mae.errors import CheckpointError as CheckpointError
from cinemae.mae.frozen import FrozenMAE


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


def save_mae(place: Path, mae: FrozenMAE, record: CheckpointRecord, dtype: DTypeLike = np.float16) -> None:
    """Write a checkpoint folder; the weights are stored as ``dtype``."""
    save_folder(place, record, {name: tensor.astype(dtype) for name, tensor in mae.tensors.items()})


def load_mae(place: Path) -> tuple[FrozenMAE, CheckpointRecord]:
    """Load a checkpoint folder.

    Raises:
        CheckpointError: If a file is missing or the tensors do not fit the configuration; a
            missing weight is never replaced by a random one.
    """
    record, tensors = load_folder(place, CheckpointRecord, "a cinemae MAE", CheckpointError)
    return FrozenMAE.of(record.architecture, tensors, str(place / WEIGHTS_FILE)), record
