"""One view's feature vector, and the names of its entries."""

from __future__ import annotations

import numpy as np

from cinemae.arrays import Array, array_namespace
from cinemae.features.spec import FeatureSpec, ScaleSpec
from cinemae.features.statistics import Values, error_statistics, likelihood_statistics, residual_statistics
from cinemae.likelihood.conditional import ConditionalLikelihood
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig


def view_vector(likelihood: ConditionalLikelihood | None, encoder: dict[str, Array], spec: ScaleSpec) -> Array:
    """Return the features of one view, (features,), in the order of :func:`feature_names`.

    Args:
        likelihood: The view's likelihood; None where the scale has no masks.
        encoder: Pooled features of the frozen encoder by name, each a vector.
        spec: The view's scale.
    """
    wanted = [values for name, values in encoder.items() if is_wanted(name, spec)]
    xp = array_namespace(wanted[0])
    if likelihood is None:
        return xp.concat(wanted)
    values = [value for group in _statistics(likelihood, spec.patch).values() for value in group.values()]
    return xp.concat([xp.stack(values), *wanted])


def is_wanted(name: str, spec: ScaleSpec) -> bool:
    """Tell whether a pooled feature, ``block.pool``, belongs to a scale's features.

    A ViT's last normed tokens only do where no block is named; a convolutional net's blocks all do.
    """
    block, pool = name.split(".")
    return pool in spec.pools and not (block == "last" and spec.layers)


def feature_names(spec: FeatureSpec, configs: dict[str, ViTMAEConfig | ConvMAEConfig]) -> tuple[str, ...]:
    """Return the names of a spec's features in order: ``scale.group.statistic``.

    Args:
        spec: The specification; its own names are not looked at.
        configs: The MAE's configuration of each scale.
    """
    plain = np.full((32, 32, 3), 128, dtype=np.float32)
    groups = _statistics(ConditionalLikelihood(plain, plain, plain, 8), 8)
    statistics = [f"{group}.{name}" for group, values in groups.items() for name in values]
    names: list[str] = []
    for scale, settings in spec.scales.items():
        if settings.masks is not None:
            names += [f"{scale}.{name}" for name in statistics]
        for name, width in encoder_widths(configs[scale], settings.layers).items():
            if is_wanted(name, settings):
                names += [f"{scale}.global.{name}.{number}" for number in range(width)]
    return tuple(names)


def encoder_widths(config: ViTMAEConfig | ConvMAEConfig, layers: tuple[int, ...]) -> dict[str, int]:
    """Return the names of the pooled encoder features, in a runtime's order, with their lengths.

    Raises:
        ValueError: If the MAE lacks one of the layers.
    """
    if isinstance(config, ViTMAEConfig):
        if layers and max(layers) > config.depth:
            raise ValueError(f"this MAE has {config.depth} blocks, layers {layers} are asked for")
        return {f"{layer}.{part}": config.width for layer in (*layers, "last") for part in ("cls", "mean", "std")}
    return {f"{number}.{part}": config.width for number in range(config.encoder_blocks + 1) for part in ("mean", "std")}


def _statistics(likelihood: ConditionalLikelihood, patch: int) -> dict[str, Values]:
    return {
        "likelihood": likelihood_statistics(likelihood, patch),
        "error": error_statistics(likelihood, patch),
        "residual": residual_statistics(likelihood),
    }
