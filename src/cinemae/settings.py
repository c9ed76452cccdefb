"""Which detector to load, as data: the command line, a scan's worker processes and the service all say it so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cinemae.evidence.schema import EvidenceOptions

if TYPE_CHECKING:
    from cinemae.detector import Detector
    from cinemae.evidence.beside import EvidenceOnly


class DetectorSettings(BaseModel):
    """What :meth:`cinemae.Detector.load` is asked for; travels as JSON between processes.

    Attributes:
        model: Folder or hub id of a head; None takes the shipped one.
        backbone: Another MAE for the semantic scale.
        device: ``cpu`` or ``cuda``; None takes CUDA if it is there.
        precision: Arithmetic of the MAEs.
        jobs: Images scored at the same time; None takes one a core.
        threads: Cores that it computes on, if it is on a CPU; None takes all.
        accurate: Four rounds of semantic masks, not one.
        threshold: Decides alone; never inconclusive.
        alpha: Error rate of the verdicts; None takes the head's. Not together with a threshold.
        evidence: ``on`` reads what files say of themselves beside the pixels, ``off`` reads none of it, ``only`` reads
            nothing else and loads no model.
        personal: Whether places, names of people and serial numbers are told, not only that they are there.
        trust_list: PEM file of the authorities whose C2PA signatures are trusted; None takes the package's lists.
        max_pixels: Most pixels that an image's header may declare.
        max_bytes: Most bytes of an image's file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    backbone: str | None = None
    device: str | None = None
    precision: Literal["auto", "f32", "bf16", "f16"] = "auto"
    jobs: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    accurate: bool = False
    threshold: float | None = Field(default=None, gt=0, lt=1)
    alpha: float | None = Field(default=None, gt=0, lt=1)
    evidence: Literal["on", "off", "only"] = "on"
    personal: bool = False
    trust_list: str | None = None
    max_pixels: int = Field(default=100_000_000, ge=1)
    max_bytes: int = Field(default=1 << 30, ge=1)

    @model_validator(mode="after")
    def _one_rule(self) -> DetectorSettings:
        if self.threshold is not None and self.alpha is not None:
            raise ValueError("give a threshold or an alpha, not both: a threshold decides alone")
        return self

    def evidence_options(self) -> EvidenceOptions | None:
        """Return how evidence is read; None if it isn't."""
        if self.evidence == "off":
            return None
        return EvidenceOptions(personal=self.personal, trust_list=self.trust_list and Path(self.trust_list))

    def load_reader(self) -> EvidenceOnly:
        """Return what reads evidence alone, for ``evidence="only"``.

        Raises:
            TrustListError: If the trust list can't be used.
        """
        from cinemae.evidence.beside import EvidenceOnly
        from cinemae.images import ImageLimits

        limits = ImageLimits(max_pixels=self.max_pixels, max_bytes=self.max_bytes)
        return EvidenceOnly(self.evidence_options(), limits)

    def load(self) -> Detector:
        """Load the detector.

        Raises:
            CheckpointError: If a weight is missing or does not fit.
            DeviceError: If the device can't be used.
            HeadError: If the head is missing, was trained on another MAE, or has no verdicts at this alpha.
            TrustListError: If the trust list can't be used.
            ValueError: If ``accurate`` is asked of a model without partition masks.
        """
        from cinemae.detector import Detector
        from cinemae.images import ImageLimits

        return Detector.load(
            self.model,
            backbone=self.backbone,
            device=self.device,
            precision=self.precision,
            jobs=self.jobs,
            threads=self.threads,
            accurate=self.accurate,
            limits=ImageLimits(max_pixels=self.max_pixels, max_bytes=self.max_bytes),
            threshold=self.threshold,
            alpha=self.alpha,
            evidence=self.evidence_options(),
        )
