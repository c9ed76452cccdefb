"""What measures an image for a labelled set: the MAEs' features, or what a baseline looks at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cinemae.features.spec import FeatureSpec
from cinemae.likelihood.conditional import FloatArray
from cinemae.verdict import Precision

if TYPE_CHECKING:
    from cinemae.features.extractor import FeatureExtractor

Vector = NDArray[Any]  # float32, or uint8 for a part that is pixels
Measure = Callable[[NDArray[np.uint8], str], Vector]


class Measurer(Protocol):
    """Turns pixels into vectors; travels to worker processes by pickle, so it is data, not a loaded model.

    Attributes:
        parts: By a part's name, a key of all that the part's numbers depend on beside the image and
            what is done to it. "" for a part that is never kept in the cache. A row holds the parts
            one after the other, in this order; kept parts are float32.
        width: Entries of a row.
        dtype: Type of a row.
    """

    @property
    def parts(self) -> Mapping[str, str]: ...  # noqa: D102 - see the class
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102

    def build(self) -> Measure:
        """Load what measuring takes: a function of (height, width, 3) pixels and a part's name.

        It is called once a process, and only where something must be measured.
        """
        ...


class ExtractorConfig(BaseModel):
    """The measurer of the MAEs' features, one part a scale: what a process needs to build the extractor.

    Attributes:
        backbone_names: Each scale's MAE, to load.
        fingerprints: Its fingerprint, and its noise model's if it has one.
        spec: The features, names filled in.
        precision: Arithmetic of the MAEs.
        device: Where they run.
    """

    model_config = ConfigDict(frozen=True)

    backbone_names: dict[str, str]
    fingerprints: dict[str, str]
    spec: FeatureSpec
    precision: Precision = "f32"
    device: str = "cpu"

    @classmethod
    def of(cls, extractor: FeatureExtractor, backbone_names: dict[str, str]) -> ExtractorConfig:
        """Describe an extractor, so that other processes build the same."""
        return cls(
            backbone_names=backbone_names,
            fingerprints=extractor.fingerprints,
            spec=extractor.spec,
            precision=extractor.precision,
            device=next(iter(extractor.backbones.values())).runtime.device,
        )

    def scale_key(self, scale: str) -> str:
        """Return a short hash of all that one scale's features depend on, beside the image."""
        settings = self.spec.scales[scale].model_dump_json()
        text = f"{self.fingerprints[scale]}/{settings}/{self.spec.family}/{self.spec.version}/{self.precision}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def parts(self) -> dict[str, str]:
        """The scales and their keys."""
        return {scale: self.scale_key(scale) for scale in self.spec.scales}

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.spec.names)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Always float32."""
        return np.dtype(np.float32)

    def build(self) -> Measure:
        """Load the MAEs; measuring is left to one core, since each core has a process of its own.

        Raises:
            CheckpointError: If an MAE is missing or does not load.
        """
        from cinemae.loading import build_extractor

        extractor = build_extractor(
            dict(self.backbone_names), self.spec, device=self.device, precision=self.precision, threads=1
        )

        def measure(pixels: NDArray[np.uint8], scale: str) -> FloatArray:
            return extractor.extract_scale(pixels, scale)[0]

        return measure
