"""Fitting a noise model: photographs through a frozen MAE that predicts only a mean."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cinemae.features.spec import ScaleSpec
from cinemae.images import LoadedImage, resized_view
from cinemae.likelihood.conditional import block_mean, patch_moments
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.runtime import Runtime


def require_mean_only(config: ViTMAEConfig | ConvMAEConfig) -> ViTMAEConfig:
    """Return the configuration of an MAE that a noise model is for.

    Raises:
        CheckpointError: If the MAE predicts a distribution already.
    """
    if not isinstance(config, ViTMAEConfig) or config.output != "mean":
        raise CheckpointError("this MAE predicts a distribution; it needs no noise model")
    return config


def fit_noise(runtime: Runtime, photos: Iterable[LoadedImage], spec: ScaleSpec, seed: int = 0) -> NoiseModel:
    """Fit the noise model of one MAE on real photographs, by maximum likelihood.

    Args:
        runtime: The MAE; it must predict only a mean.
        photos: Real photographs, a few hundred; each gives 196 patches at 224/16.
        spec: The scale the MAE will be used at: its masks decide what an ensemble is.
        seed: Seed of the masks.

    Raises:
        CheckpointError: If the MAE predicts a distribution already.
        ValueError: If the scale has no masks.
        NoiseModelError: If there are too few patches.
    """
    config = require_mean_only(runtime.mae.config)
    patch, grid = config.patch_size, config.grid
    if spec.masks is None:
        raise ValueError("a scale without masks has no likelihood, and so no noise")
    hidden = spec.masks.hidden(grid, seed)
    weight = hidden.repeat(patch, 1).repeat(patch, 2)[..., None].astype(np.float32)
    weight /= weight.sum(0)
    rows = []
    for photo in photos:
        view = resized_view(photo.pixels, resize=spec.resize, crop=config.image_size)
        passes = runtime.view(view, hidden).passes
        assert passes is not None  # there are masks
        predicted = passes.mean
        mean = (weight * predicted).sum(0)
        variance = (weight * (predicted - mean) ** 2).sum(0)
        error = block_mean(((view - mean) ** 2).mean(-1), patch)
        rows.append(np.stack([*patch_moments(mean, variance, patch), error]).reshape(3, -1))
    ensemble, contrast, error = np.concatenate(rows, axis=1) if rows else np.zeros((3, 0))
    return NoiseModel.fit(ensemble, contrast, error)
