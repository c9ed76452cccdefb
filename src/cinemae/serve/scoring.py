"""One image of a request in, its whole answer out; runs in the scoring threads."""

from __future__ import annotations

import base64
import io
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cinemae.detector import ACCURATE_ROUNDS, Detector
from cinemae.features.spec import DEFAULT_BACKBONES
from cinemae.images import ALLOWED_FORMATS
from cinemae.mae.registry import find
from cinemae.maps import patch_map, reconstruction, tint, view
from cinemae.serve.config import ServeConfig
from cinemae.serve.logs import frames_of
from cinemae.serve.problems import of_refusal
from cinemae.serve.schemas import ItemResult, LimitInfo, MapResult, ModelInfo, Reconstruction, ScaleInfo
from cinemae.serve.uploads import Upload
from cinemae.verdict import ErrorInfo, Verdict

if TYPE_CHECKING:
    from PIL import Image

    from cinemae.detector import Scored

log = logging.getLogger("cinemae.serve")


@dataclass(frozen=True)
class Wishes:
    """What a request asks for beside the verdicts.

    Attributes:
        map: The map.
        reconstruction: The reconstruction.
        accurate: Four rounds of masks.
        seed: Seed of the masks.
        evidence: What the file says of itself, and the conclusion.
    """

    map: bool = False
    reconstruction: bool = False
    accurate: bool = False
    seed: int = 0
    evidence: bool = True


class Scorer:
    """A detector, and what the service says of it.

    Attributes:
        detector: The detector.
        accurate: The same with four rounds of masks; None if the model has no such setting.
        semantic: Whether it has maps.
    """

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.semantic = "semantic" in detector.extractor.spec.scales
        try:
            self.accurate: Detector | None = detector.with_rounds(ACCURATE_ROUNDS)
        except ValueError:  # its masks are of another kind
            self.accurate = None

    def score(self, upload: Upload, wishes: Wishes, alone: bool) -> ItemResult:
        """Score one image; whatever goes wrong becomes its answer, and the others go on."""
        detector = self.accurate if wishes.accurate and self.accurate else self.detector
        try:
            scored = detector.score(upload.data, name=upload.name, seed=wishes.seed, alone=alone)
            if not wishes.evidence:
                bare = scored.verdict.model_copy(update={"evidence": None, "conclusion": None})
                scored = replace(scored, verdict=bare)
            return self._answer(scored, wishes)
        except Exception as error:  # not a refusal, so a fault of ours: the client must not wait for ever
            # Neither the image's name nor the error's text, which may hold it.
            log.error("scoring failed", extra={"error": type(error).__name__, "frames": frames_of(error)})
            reason = ErrorInfo(type="InternalError", message=f"{upload.name}: could not be scored, by a fault of ours")
            verdict = Verdict(path=upload.name, model=detector.fingerprint, seed=wishes.seed, error=reason)
            return ItemResult(status=500, verdict=verdict, problem=of_refusal(reason))

    def _answer(self, scored: Scored, wishes: Wishes) -> ItemResult:
        if scored.verdict.error is not None:
            problem = of_refusal(scored.verdict.error)
            return ItemResult(status=problem.status, verdict=scored.verdict, problem=problem)
        drawn = parts = None
        if wishes.map:
            numbers = patch_map(scored, resize=self.detector.extractor.spec.scales["semantic"].resize)
            drawn = MapResult(**dict(numbers), png=encode_png(tint(scored)))
        if wishes.reconstruction:
            parts = Reconstruction(view=encode_png(view(scored)), predicted=encode_png(reconstruction(scored)))
        return ItemResult(status=200, verdict=scored.verdict, map=drawn, reconstruction=parts)

    def warm_up(self) -> None:
        """Score a made-up image as both loads do, so that the first client doesn't wait for graphs to be compiled."""
        ramp = np.linspace(0, 255, 512, dtype=np.uint8)
        picture = np.stack([np.add.outer(ramp, ramp)] * 3, axis=-1)
        for alone in (True, False):
            self.detector.score(picture, alone=alone)

    def describe(self, config: ServeConfig) -> ModelInfo:
        """Return what is known of the model, and the limits."""
        from cinemae import __version__

        detector, decision = self.detector, self.detector.decision
        runtimes = detector.extractor.backbones
        return ModelInfo(
            version=__version__,
            fingerprint=detector.fingerprint,
            precision=detector.extractor.precision,
            device=next(iter(runtimes.values())).runtime.device,
            threshold=decision and decision.threshold,
            band=decision and decision.band,
            alpha=decision and decision.alpha,
            accurate=config.detector.accurate,
            maps=self.semantic,
            evidence=detector.evidence is not None,
            formats=ALLOWED_FORMATS,
            backbones=self._backbones(config),
            limits=LimitInfo(
                body_bytes=config.limits.body_bytes,
                files=config.limits.files,
                pixels=detector.limits.max_pixels,
                min_side=detector.limits.min_side,
                deadline_seconds=config.limits.deadline_seconds,
            ),
        )

    def _backbones(self, config: ServeConfig) -> list[ScaleInfo]:
        head = self.detector.head
        names = dict(head.config.backbone_names if head is not None else DEFAULT_BACKBONES)
        if config.detector.backbone is not None:
            names["semantic"] = config.detector.backbone
        described = []
        for scale, backbone in self.detector.extractor.backbones.items():
            known = find(names[scale])
            described.append(
                ScaleInfo(
                    scale=scale,
                    name=known.name if known else "local",  # a folder's place is nobody's business
                    licence=known.licence if known else None,
                    licence_note=known.licence_note if known else None,
                    fingerprint=backbone.fingerprint,
                )
            )
        return described


def encode_png(picture: Image.Image) -> str:
    """Return a picture as a PNG in base64."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")
