"""Small checkpoints with random weights, as transformers writes them, and vectors of the toy pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from baselines_tools import PROCESSOR, write_json
from cinemae.baselines import Baseline
from toys import pink, upsampled


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT with a pooler."""
    from transformers import ViTConfig, ViTModel

    place = tmp_path_factory.mktemp("encoders") / "vit"
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=64, patch_size=8,
        initializer_range=0.2,
    )  # fmt: skip
    ViTModel(config).save_pretrained(place)
    write_json(place / "preprocessor_config.json", PROCESSOR)
    return place


class Set(NamedTuple):
    """Vectors of toy pictures, real and up-sampled by turns, the last third unseen."""

    features: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    unseen: np.ndarray
    unseen_labels: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        return np.ones(len(self.labels))


def vectors(baseline: Baseline, pictures: list[np.ndarray]) -> np.ndarray:
    measurer = baseline.measurer("f32", "cpu")
    measure = measurer.build()
    rows = np.stack([np.concatenate([measure(picture, part) for part in measurer.parts]) for picture in pictures])
    assert rows.shape == (len(pictures), measurer.width)
    assert rows.dtype == measurer.dtype
    return rows


@pytest.fixture(scope="session")
def toy_set() -> Callable[[Baseline], Set]:
    """Measures 72 pictures for a baseline and 48 unseen ones."""
    pictures = [draw(7_000 + number, 64) for number in range(60) for draw in (pink, upsampled)]
    labels = np.arange(len(pictures)) % 2

    def measured(baseline: Baseline) -> Set:
        rows = vectors(baseline, pictures)
        return Set(rows[:72], labels[:72], np.arange(72) // 2 % 3 == 0, rows[72:], labels[72:])

    return measured
