"""From pixels to the feature vector, and to the likelihood maps behind it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinemae.features.spec import SPEC_VERSION, FeatureSpec, ScaleSpec, SpecMismatchError
from cinemae.features.vector import feature_names, view_vector
from cinemae.images import native_crops, resized_view
from cinemae.likelihood import ConditionalLikelihood, combine
from cinemae.likelihood.conditional import FloatArray
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.runtime import Runtime
from cinemae.verdict import Precision


@dataclass(frozen=True)
class Backbone:
    """A frozen MAE, ready to run, with what scoring needs beside it.

    Attributes:
        runtime: The MAE on its device.
        noise: Its noise model, if it predicts only a mean.
    """

    runtime: Runtime
    noise: NoiseModel | None = None

    @property
    def patch(self) -> int:
        """Side of a masked patch in pixels."""
        return self.runtime.mae.config.patch_size

    @property
    def fingerprint(self) -> str:
        """Hash of all that its likelihoods depend on: the MAE's, joined with its noise model's if it has one."""
        own = self.runtime.mae.fingerprint
        return own if self.noise is None else f"{own}+{self.noise.fingerprint}"

    @property
    def encoder_fingerprint(self) -> str:
        """Hash of all that its encoder's features depend on."""
        return self.runtime.mae.encoder.fingerprint


@dataclass(frozen=True)
class Extraction:
    """What the frozen MAEs say of one image.

    Attributes:
        features: (features,) in the order of the spec's names.
        likelihoods: The views' likelihoods by scale, of the scales that have masks.
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
        """Tie MAEs to a spec; an empty list of names is filled in.

        Raises:
            ValueError: If a scale has no MAE.
            CheckpointError: If an MAE takes other views, can't be masked as its scale says, or predicts only a
                mean and has no noise model.
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
            check_fit(scale, spec.scales[scale], config)
            if spec.scales[scale].masks is None:
                continue
            if isinstance(config, ViTMAEConfig) and config.output == "mean" and backbones[scale].noise is None:
                raise CheckpointError(
                    f"the MAE of the {scale} scale predicts only a mean: give it a noise model first, with"
                    " `cinemae fit-noise PHOTOS --backbone NAME --out FOLDER`, and use that folder"
                )
        configs = {scale: backbones[scale].runtime.mae.config for scale in spec.scales}
        named = spec.model_copy(update={"names": feature_names(spec, configs)})
        if spec.names:
            spec.require(named)
        self.backbones, self.spec = backbones, named

    @property
    def fingerprints(self) -> dict[str, str]:
        """Hash of all that each scale's features depend on: of its MAE, or of its encoder where it has no masks."""
        return {
            scale: self.backbones[scale].encoder_fingerprint
            if spec.masks is None
            else self.backbones[scale].fingerprint
            for scale, spec in self.spec.scales.items()
        }

    @property
    def reduce_to(self) -> int | None:
        """Short side to which every view is resized; None where one looks at native pixels.

        A large JPEG may then be decoded at a reduced scale (:func:`cinemae.images.load_image`).
        """
        if any(scale.view == "native" for scale in self.spec.scales.values()):
            return None
        return max(scale.resize for scale in self.spec.scales.values())

    @property
    def precision(self) -> Precision:
        """Type of the MAEs' arithmetic, which they share."""
        return next(iter(self.backbones.values())).runtime.precision

    def extract(self, pixels: NDArray[np.uint8], seed: int = 0, *, alone: bool = False) -> Extraction:
        """Measure one image.

        Args:
            pixels: (height, width, 3) at native resolution.
            seed: Seed of the masks.
            alone: Whether no other image is measured meanwhile: the scales then share the cores.
                Changes the speed, no number.
        """
        scales = list(self.spec.scales)
        if alone and len(scales) > 1:  # nothing else keeps the other cores busy
            with ThreadPoolExecutor(len(scales)) as pool:
                measured = list(pool.map(lambda scale: self.extract_scale(pixels, scale, seed, alone=True), scales))
        else:
            measured = [self.extract_scale(pixels, scale, seed, alone=alone) for scale in scales]
        features = np.concatenate([vector for vector, _ in measured])
        likelihoods = {scale: found for scale, (_, found) in zip(scales, measured, strict=True) if found}
        return Extraction(features, likelihoods)

    def extract_scale(
        self, pixels: NDArray[np.uint8], scale: str, seed: int = 0, *, alone: bool = False
    ) -> tuple[FloatArray, list[ConditionalLikelihood]]:
        """Measure one scale of an image: its part of the features, averaged over the views, and their likelihoods."""
        spec, backbone = self.spec.scales[scale], self.backbones[scale]
        measured = [self._view(view, spec, backbone, seed, alone) for view in views_of(pixels, spec)]
        vector: FloatArray = np.mean([vector for vector, _ in measured], axis=0)
        return vector, [likelihood for _, likelihood in measured if likelihood is not None]

    def _view(
        self, view: NDArray[np.uint8], spec: ScaleSpec, backbone: Backbone, seed: int, alone: bool
    ) -> tuple[FloatArray, ConditionalLikelihood | None]:
        patch = backbone.patch
        grid = view.shape[0] // patch, view.shape[1] // patch
        hidden = np.zeros((0, *grid), dtype=np.bool_) if spec.masks is None else spec.masks.hidden(grid, seed)
        out = backbone.runtime.view(view, hidden, spec.layers, alone=alone)
        likelihood = None
        if out.passes is not None:
            likelihood = combine(view, out.passes, hidden, patch=patch, noise=backbone.noise, family=self.spec.family)
        vector: FloatArray = view_vector(likelihood, out.encoder, spec)
        return vector, likelihood


def check_fit(scale: str, spec: ScaleSpec, config: ViTMAEConfig | ConvMAEConfig) -> None:
    """Check that an MAE takes a scale's views and that its patches can be masked as the scale says.

    Raises:
        CheckpointError: If not.
    """
    if isinstance(config, ViTMAEConfig) and spec.size != config.image_size:
        raise CheckpointError(f"the {scale} scale has views of {spec.size} pixels, its MAE takes {config.image_size}")
    if isinstance(config, ViTMAEConfig) and spec.view == "native" and not spec.enlarge:
        raise CheckpointError(f"the {scale} scale cuts native crops for a ViT, which takes one size only: set enlarge")
    if spec.masks is None:
        if isinstance(config, ConvMAEConfig):
            raise CheckpointError(f"the {scale} scale has no masks, and a convolutional MAE has masked passes only")
        return
    if isinstance(config, ViTMAEConfig) and not config.has_decoder:
        raise CheckpointError(f"the {scale} scale has masks, its encoder has no decoder and so no likelihood")
    side = spec.size // config.patch_size
    try:
        spec.masks.hidden((side, side), 0)
    except ValueError as error:
        raise CheckpointError(f"the MAE of the {scale} scale can't be masked as it says: {error}") from error


def views_of(pixels: NDArray[np.uint8], spec: ScaleSpec) -> list[NDArray[np.uint8]]:
    """Return the views of one scale of an image (height, width, 3)."""
    if spec.view == "resized":
        return [resized_view(pixels, resize=spec.resize, crop=spec.size)]
    if spec.enlarge and min(pixels.shape[:2]) < spec.size * spec.reduce:
        return [resized_view(pixels, resize=spec.size, crop=spec.size)]
    if spec.reduce > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce(spec.reduce))
    return native_crops(pixels, size=spec.size, count=spec.crops)
