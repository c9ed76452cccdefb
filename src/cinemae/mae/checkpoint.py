"""cinemae's own MAE checkpoints: a folder with ``config.json`` and ``model.safetensors``."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import DTypeLike
from pydantic import BaseModel, ConfigDict, Field

from cinemae.folders import WEIGHTS_FILE, load_folder, load_weights, save_folder, save_weights
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import MAEConfig
from cinemae.mae.errors import CheckpointError as CheckpointError
from cinemae.mae.frozen import SCALE, FrozenMAE

ENCODER_FILE: Final = "encoder.safetensors"


class CheckpointRecord(BaseModel):
    """What stands in ``config.json`` of one of our own MAE checkpoints.

    Attributes:
        format: Version of this file's layout.
        architecture: Shape of the network and meaning of its outputs.
        encoder: File in the same folder that has the encoder's weights, beside ``model.safetensors`` with the others;
            None where one file has all.
        noise: The noise model, needed to score with an MAE that predicts only a mean.
        training: How the weights came about, for people; not read by the code.
        licence: Licence of the weights.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    architecture: MAEConfig
    encoder: Literal["encoder.safetensors"] | None = None
    noise: NoiseModel | None = None
    training: dict[str, object] = Field(default_factory=dict)
    licence: str = "unknown"


def save_mae(place: Path, mae: FrozenMAE, record: CheckpointRecord, dtype: DTypeLike = np.float16) -> None:
    """Write a checkpoint folder.

    The weights are stored as ``dtype``; int8 matrices with their scales, and an encoder in a file of its own, as they
    are.
    """
    own = mae.tensors
    if record.encoder is not None:
        encoder = mae.encoder.tensors
        own = {name: tensor for name, tensor in own.items() if name not in encoder}
        save_weights(place / record.encoder, encoder)
    whole = {name for name, tensor in own.items() if tensor.dtype == np.int8}
    whole |= {f"{name}{SCALE}" for name in whole}
    save_folder(
        place, record, {name: tensor if name in whole else tensor.astype(dtype) for name, tensor in own.items()}
    )


def load_mae(place: Path) -> tuple[FrozenMAE, CheckpointRecord]:
    """Load a checkpoint folder.

    Raises:
        CheckpointError: If a file is missing or the tensors do not fit the configuration; a
            missing weight is never replaced by a random one.
    """
    record, tensors = load_folder(place, CheckpointRecord, "a cinemae MAE", CheckpointError)
    if record.encoder is not None:
        tensors = load_weights(place / record.encoder, "an encoder", CheckpointError) | tensors
    return FrozenMAE.of(record.architecture, tensors, str(place / WEIGHTS_FILE)), record
