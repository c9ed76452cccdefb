"""From pixels to the feature vector, and to the likelihood maps behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinemae.features.spec import SPEC_VERSION, FeatureSpec, ScaleSpec, SpecMismatchError
from cinemae.features.statistics import error_statistics, likelihood_statistics, residual_statistics
from cinemae.images import native_crops, resized_view
from cinemae.likelihood import ConditionalLikelihood, combine
from cinemae.likelihood.conditional import FloatArray
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.runtime import TorchRuntime
from cinemae.mae.vit import ViTMAE


@dataclass(frozen=True)
class Backbone:
    """A frozen MAE, ready to run, with what scoring needs beside it.

    Attributes:
        runtime: The MAE on its device.
        fingerprint: Hash of its configuration and weights.
        noise: Its noise model, if it predicts only a mean.
    """

    runtime: TorchRuntime
    fingerprint: str
    noise: NoiseModel | None = None

    @property
    def patch(self) -> int:
        """Side of a masked patch in pixels."""
        mae = self.runtime.mae
        return mae.config.patch_size if isinstance(mae, ViTMAE) else 1


@dataclass(frozen=True)
class Extraction:
    """What the frozen MAEs say of one image.

    Attributes:
        features: (features,) in the order of the spec's names.
        likelihoods: The views' likelihoods by scale.
    """

    features: FloatArray
    likelihoods: dict[str, list[ConditionalLikelihood]]

    def bits_per_dim(self, scale: str) -> float:
        """Mean NLL over a scale's views in bits a sub-pixel."""
        return float(np.mean([view.bits_per_dim for view in self.likelihoods[scale]]))


class FeatureExtractor:
    """Views -> masks -> MAE -> likelihood -> statistics, for all scales of a spec.

    Attributes:
        backbones: One MAE a scale.
        spec: The specification, with the names filled in.
    """

    def __init__(self, backbones: dict[str, Backbone], spec: FeatureSpec) -> None:
        """Tie MAEs to a spec; an empty list of names is filled by measuring one plain image.

        Raises:
            ValueError: If a scale has no MAE.
            CheckpointError: If an MAE predicts only a mean and has no noise model.
            SpecMismatchError: If the spec is of another version of the features, or names others
                than this code measures.
        """
        if spec.version != SPEC_VERSION:
            raise SpecMismatchError(
                f"the features asked for are of version {spec.version}, this cinemae measures version {SPEC_VERSION}"
            )
        if missing := spec.scales.keys() - backbones.keys():
            raise ValueError(f"no MAE for the scales {sorted(missing)}")
        for scale in spec.scales:
            config = backbones[scale].runtime.mae.config
            if isinstance(config, ViTMAEConfig) and config.output == "mean" and backbones[scale].noise is None:
                raise CheckpointError(
                    f"the MAE of the {scale} scale predicts only a mean: give it a noise model first, with"
                    " `cinemae fit-noise PHOTOS --backbone NAME --out FOLDER`, and use that folder"
                )
        self.backbones, self.spec = backbones, spec
        plain = np.zeros((64, 64, 3), dtype=np.uint8)
        named = spec.model_copy(update={"names": tuple(self._measure(plain, 0)[0])})
        if spec.names:
            spec.require(named)
        self.spec = named

    def extract(self, pixels: NDArray[np.uint8], seed: int = 0) -> Extraction:
        """Measure one image.

        Args:
            pixels: (height, width, 3) at native resolution.
            seed: Seed of the masks.
        """
        named, likelihoods = self._measure(pixels, seed)
        return Extraction(np.fromiter(named.values(), dtype=np.float32, count=len(named)), likelihoods)

    def _measure(
        self, pixels: NDArray[np.uint8], seed: int
    ) -> tuple[dict[str, float], dict[str, list[ConditionalLikelihood]]]:
        named: dict[str, float] = {}
        likelihoods: dict[str, list[ConditionalLikelihood]] = {}
        for scale, spec in self.spec.scales.items():
            views = views_of(pixels, spec)
            measured = [self._view(view, spec, self.backbones[scale], seed) for view in views]
            likelihoods[scale] = [likelihood for _, likelihood in measured]
            for name in measured[0][0]:
                named[f"{scale}.{name}"] = sum(values[name] for values, _ in measured) / len(measured)
        return named, likelihoods

    def _view(
        self, view: NDArray[np.uint8], spec: ScaleSpec, backbone: Backbone, seed: int
    ) -> tuple[dict[str, float], ConditionalLikelihood]:
        patch = backbone.patch
        hidden = spec.masks.hidden((view.shape[0] // patch, view.shape[1] // patch), seed)
        out = backbone.runtime.view(view, hidden, spec.layers)
        likelihood = combine(view, out.passes, hidden, patch=patch, noise=backbone.noise, family=self.spec.family)
        groups = {
            "likelihood": likelihood_statistics(likelihood, spec.patch),
            "error": error_statistics(likelihood, spec.patch),
            "residual": residual_statistics(likelihood),
        }
        values = {f"{group}.{name}": value for group, part in groups.items() for name, value in part.items()}
        for name, vector in out.encoder.items():
            values |= {f"global.{name}.{number}": float(value) for number, value in enumerate(vector)}
        return values, likelihood


def views_of(pixels: NDArray[np.uint8], spec: ScaleSpec) -> list[NDArray[np.uint8]]:
    """Return the views of one scale."""
    if spec.view == "resized":
        return [resized_view(pixels, resize=spec.resize, crop=spec.size)]
    if spec.reduce > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce(spec.reduce))
    return native_crops(pixels, size=spec.size, count=spec.crops)
