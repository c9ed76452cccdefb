"""A folder that transformers' ``save_pretrained`` has written, as a frozen encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemae.baselines.encoders.open import MissingLibraryError, Pool, torch_type, weight_files
from cinemae.baselines.encoders.preprocess import Preprocess, from_transformers
from cinemae.baselines.threads import threads
from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.errors import CheckpointError
from cinemae.mae.files import read_json
from cinemae.verdict import Precision

HOW = "the probe of a transformers checkpoint needs transformers and torch: pip install 'transformers>=5' torch"


class TransformersEncoder:
    """The encoder of a checkpoint of transformers; of a model of pictures and text, its vision tower."""

    def __init__(self, folder: Path, pool: Pool, precision: Precision, device: str) -> None:
        """Load it from the folder alone.

        Raises:
            CheckpointError: If a weight is missing, or the model has no such pooled vector.
            MissingLibraryError: If transformers or torch is missing.
        """
        weight_files(folder)
        self.preprocess = read_preprocess(folder)
        model, missing = _load(folder)
        self.pool = "cls" if pool == "auto" and missing else pool
        if missing and self.pool == "pooler":
            raise CheckpointError(f"{folder}: has no weights for the pooler ({missing[0]}): ask for cls or mean")
        self.folder, self.device, self.dtype = folder, device, torch_type(precision)
        self.model = getattr(model, "vision_model", model).to(device=device, dtype=self.dtype)

    def __call__(self, pixels: NDArray[np.uint8]) -> FloatArray:
        """Return the pooled vector of an image (height, width, 3).

        Raises:
            CheckpointError: If the model can't take such an input or doesn't give such a vector.
        """
        import torch

        images = torch.from_numpy(self.preprocess.apply(pixels))[None].to(self.device, self.dtype)
        with threads(1), torch.inference_mode():
            try:
                out = self.model(pixel_values=images)
            except (TypeError, ValueError, RuntimeError) as error:
                raise CheckpointError(f"{self.folder}: does not take images of {images.shape[-1]}: {error}") from error
            vector: FloatArray = self._pooled(out).float().flatten().cpu().numpy()
        return vector

    def _pooled(self, out: Any) -> Any:
        pooler, tokens = getattr(out, "pooler_output", None), getattr(out, "last_hidden_state", None)
        if self.pool in ("auto", "pooler") and pooler is not None:
            return pooler
        if self.pool == "pooler" or tokens is None or tokens.ndim != 3:
            raise CheckpointError(f"{self.folder}: this model gives no vector of the kind {self.pool}")
        return tokens.mean(1) if self.pool == "mean" else tokens[:, 0]


def read_preprocess(folder: Path) -> Preprocess:
    """Read how the checkpoint's images are prepared.

    Raises:
        CheckpointError: If it does not say.
    """
    own = folder / "preprocessor_config.json"
    if own.is_file():
        return from_transformers(read_json(own), own)
    joint = folder / "processor_config.json"
    if joint.is_file() and isinstance(part := read_json(joint).get("image_processor"), dict):
        return from_transformers(part, joint)
    raise CheckpointError(f"{folder}: has no {own.name}, which says how images are prepared")


def _load(folder: Path) -> tuple[Any, list[str]]:
    """Return the model, and which weights of its pooler were not there; any other missing one is an error."""
    try:
        from transformers import AutoModel
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that is not of this torch
        raise MissingLibraryError(f"{HOW} ({error})") from error
    import torch

    with _quiet():
        try:
            model, info = AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                dtype=torch.float32,
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise CheckpointError(f"{folder}: transformers does not load it: {error}") from error
    missing = sorted(info["missing_keys"])
    if odd := [name for name in missing if "pooler" not in name.split(".")] + sorted(map(str, info["mismatched_keys"])):
        raise CheckpointError(f"{folder}: {len(odd)} weights are missing or of another shape, as {odd[0]}")
    return model.eval().requires_grad_(False), missing


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting on standard error what is checked and raised here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
