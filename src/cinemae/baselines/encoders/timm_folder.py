"""A folder in the hub's layout of timm (``config.json`` with ``architecture``, safetensors), as a frozen encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from cinemae.baselines.encoders.open import MissingLibraryError, Pool, torch_type, weight_files
from cinemae.baselines.encoders.preprocess import from_timm
from cinemae.baselines.threads import threads
from cinemae.folders import CONFIG_FILE
from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.errors import CheckpointError
from cinemae.mae.files import read_json
from cinemae.verdict import Precision

HOW = "the probe of a timm checkpoint needs timm and the torchvision that belongs to your torch: pip install timm"


class TimmEncoder:
    """The encoder of a timm checkpoint, without its classifier."""

    def __init__(self, folder: Path, pool: Pool, precision: Precision, device: str) -> None:
        """Load it from the folder alone.

        Raises:
            CheckpointError: If a weight is missing, or the model has no such pooled vector.
            MissingLibraryError: If timm, or what it needs, is missing.
        """
        if pool == "pooler":
            raise CheckpointError(
                f"{folder}: timm's models have no pooler: ask for auto (their own pooling), cls or mean"
            )
        place = folder / CONFIG_FILE
        values = read_json(place)
        record = values.get("pretrained_cfg", values)  # files of 2022 have it all in one
        if not isinstance(record, dict):
            raise CheckpointError(f"{place}: pretrained_cfg is not an object")
        self.folder, self.pool, self.device, self.dtype = folder, pool, device, torch_type(precision)
        self.preprocess = from_timm(record, place)
        self.model = _load(folder, values, record).to(device=device, dtype=self.dtype)

    def __call__(self, pixels: NDArray[np.uint8]) -> FloatArray:
        """Return the pooled vector of an image (height, width, 3).

        Raises:
            CheckpointError: If the model has no such vector.
        """
        import torch

        images = torch.from_numpy(self.preprocess.apply(pixels))[None].to(self.device, self.dtype)
        with threads(1), torch.inference_mode():
            vector: FloatArray = self._pooled(images).float().flatten().cpu().numpy()
        return vector

    def _pooled(self, images: Any) -> Any:
        if self.pool == "auto":
            pooled = self.model(images)
            if pooled.ndim != 2:
                raise CheckpointError(f"{self.folder}: was saved without a pooling of its own: ask for cls or mean")
            return pooled
        tokens, prefix = self.model.forward_features(images), getattr(self.model, "num_prefix_tokens", 0)
        if tokens.ndim != 3 or (self.pool == "cls" and prefix == 0):
            raise CheckpointError(f"{self.folder}: this model gives no vector of the kind {self.pool}")
        return tokens[:, 0] if self.pool == "cls" else tokens[:, prefix:].mean(1)


def _load(folder: Path, values: dict[str, object], record: dict[str, object]) -> Any:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that is not of this torch
        raise MissingLibraryError(f"{HOW} ({error})") from error
    from safetensors.torch import load_file

    tensors: dict[str, Any] = {}
    settings = dict(args) if isinstance(args := values.get("model_args"), dict) else {}
    settings.pop("num_classes", None)
    if "global_pool" in values:
        settings["global_pool"] = values["global_pool"]
    try:
        model = timm.create_model(str(values["architecture"]), pretrained=False, num_classes=0, **settings)
        for file in weight_files(folder):
            if file.suffix == ".safetensors":
                tensors |= load_file(file)
        missing, unexpected = model.load_state_dict(tensors, strict=False)
    except (RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: timm does not load it: {error}") from error
    names = record.get("classifier") or ()
    heads = tuple(f"{name}." for name in ([names] if isinstance(names, str) else list(names)))  # type: ignore[call-overload]
    if missing:
        raise CheckpointError(f"{folder}: {len(missing)} weights are missing, as {missing[0]}")
    if odd := [name for name in unexpected if not name.startswith(heads)]:
        raise CheckpointError(f"{folder}: {len(odd)} weights that the architecture lacks, as {odd[0]}")
    return model.eval().requires_grad_(False)
