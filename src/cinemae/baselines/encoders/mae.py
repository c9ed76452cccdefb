"""A masked autoencoder's encoder on the whole view, by the runtimes that the detector uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemae.baselines.encoders.open import Pool
from cinemae.images import native_crops, resized_view
from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.load import load_backbone
from cinemae.mae.select import make_runtime
from cinemae.verdict import Precision

CROP, CROPS = 160, 2  # of a convolutional MAE, as in the shipped detector


class MAEEncoder:
    """Pooled features of the last block: of a ViT on the resized view, of a convolutional MAE on native crops."""

    def __init__(self, name: str, pool: Pool, precision: Precision, device: str) -> None:
        """Load it, from this machine only.

        Raises:
            CheckpointError: If it is not here or has no such pooled vector.
        """
        self.runtime = make_runtime(load_backbone(name, offline=True).mae, device, precision, threads=1)
        config = self.runtime.mae.config
        self.parts: tuple[str, ...]
        if isinstance(config, ViTMAEConfig):
            self.parts = {"auto": ("cls", "mean", "std"), "cls": ("cls",), "mean": ("mean",)}.get(pool, ())
            self.layer = "last"
        else:
            self.parts = {"auto": ("mean", "std"), "mean": ("mean",)}.get(pool, ())
            self.layer = str(config.encoder_blocks)
        if not self.parts:
            raise CheckpointError(f"{name}: this MAE gives no vector of the kind {pool}")

    def __call__(self, pixels: NDArray[np.uint8]) -> FloatArray:
        """Return the pooled vector of an image (height, width, 3), the mean of its views'."""
        config = self.runtime.mae.config
        if isinstance(config, ViTMAEConfig):
            views = [resized_view(pixels, crop=config.image_size, resize=config.image_size * 8 // 7)]
        else:
            views = native_crops(pixels, size=CROP, count=CROPS)
        vector: FloatArray = np.mean([self._view(view) for view in views], axis=0)
        return vector

    def _view(self, view: NDArray[np.uint8]) -> FloatArray:
        # The encoder's features come from a pass of their own without a mask; a ViT needs no other.
        config = self.runtime.mae.config
        passes, patch = 0 if isinstance(config, ViTMAEConfig) else 1, config.patch_size
        hidden = np.zeros((passes, view.shape[0] // patch, view.shape[1] // patch), dtype=np.bool_)
        hidden[:, 0, 0] = True
        features = self.runtime.view(view, hidden).encoder
        return np.concatenate([features[f"{self.layer}.{part}"] for part in self.parts])
