"""transformers' ViT-MAE as the oracle of this folder's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from references import SMALL, Reference, fill


@pytest.fixture(scope="session")
def make_reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Reference]:
    """Build, fill and save a ``ViTMAEForPreTraining`` with the given configuration."""

    def make(seed: int = 0, save: dict[str, Any] | None = None, spread: float = 0.05, **settings: Any) -> Reference:
        from transformers import ViTMAEConfig, ViTMAEForPreTraining

        config = ViTMAEConfig(**settings)
        with torch.device("meta"):  # fill() replaces what the constructor would draw
            model = ViTMAEForPreTraining(config)
        model.to_empty(device="cpu").eval()
        fill(model, seed, spread)
        folder = tmp_path_factory.mktemp("vit_mae")
        model.save_pretrained(folder, **(save or {}))
        return Reference(model, folder)

    return make


@pytest.fixture(scope="session")
def small_reference(make_reference: Callable[..., Reference]) -> Reference:
    """The small network with raw pixel targets."""
    return make_reference(**SMALL)
