"""The detector: images in, verdicts out. Everything else (CLI, service, scans) stands on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

from cinemae.evidence.schema import Evidence, EvidenceOptions
from cinemae.features.extractor import Extraction, FeatureExtractor
from cinemae.features.spec import DEFAULT_BACKBONES, FeatureSpec, default_scales
from cinemae.fusion.conformal import check_request
from cinemae.fusion.head import FusionHead, HeadError
from cinemae.images import COARSE, ImageError, ImageLimits, LoadedImage, Source, is_coarse, load_image, read_file
from cinemae.loading import build_extractor, find_head
from cinemae.mae.runtime import cores
from cinemae.mae.select import PrecisionChoice
from cinemae.masks import PartitionMasks
from cinemae.pipeline import ordered_map
from cinemae.verdict import ErrorInfo, Verdict

ACCURATE_ROUNDS = 4
READ_EVIDENCE = EvidenceOptions()


@dataclass(frozen=True)
class Scored:
    """A verdict with what it stands on, for maps and reports.

    Attributes:
        verdict: The verdict, or the refusal.
        image: The decoded image; None if refused.
        extraction: Features and likelihood maps; None if refused.
    """

    verdict: Verdict
    image: LoadedImage | None = None
    extraction: Extraction | None = None


class Detector:
    """Frozen MAEs, a feature specification and a fusion head.

    Example:
        >>> from cinemae import Detector
        >>> detector = Detector.load()
        >>> detector.detect_one("photo.jpg").verdict  # doctest: +SKIP
        'real'

    Attributes:
        extractor: The MAEs and what is measured with them.
        head: The fusion head; None scores the likelihood only.
        limits: What an image must keep to.
        threshold: A threshold that decides alone, or None.
        alpha: An error rate that replaces the head's own, or None.
        decision: How the head's probabilities become verdicts; None without a head.
        jobs: Images scored at the same time by :meth:`detect` and :meth:`score_many`.
        evidence: How files' own statements are read; None reads none. They never enter a score.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        head: FusionHead | None,
        *,
        limits: ImageLimits | None = None,
        threshold: float | None = None,
        alpha: float | None = None,
        jobs: int = 1,
        evidence: EvidenceOptions | None = READ_EVIDENCE,
    ) -> None:
        """Tie the parts together.

        Raises:
            SpecMismatchError: If the head was trained on other features.
            HeadError: If it was trained on another MAE or noise model, there are both a threshold and an alpha, or one
                is out of range.
            AlphaError: If the head was calibrated on too few images for that alpha.
            TrustListError: If the trust list of ``evidence`` can't be used.
        """
        if head is not None:
            head.config.spec.require(extractor.spec)
            for scale, wanted in head.config.backbones.items():
                given = extractor.fingerprints[scale]
                if given != wanted:
                    same = given.split("+")[0] == wanted.split("+")[0]
                    part = "noise model" if same else "MAE"
                    raise HeadError(
                        f"the head was trained on another {part} for the {scale} scale: {wanted}, given is {given};"
                        " train a head for it with `cinemae train --backbone`"
                    )
        self.extractor, self.head = extractor, head
        self.limits = limits or ImageLimits()
        self.threshold, self.alpha, self.jobs = threshold, alpha, jobs
        check_request(threshold, alpha)
        self.decision = None if head is None else head.decision(threshold, alpha)
        self.evidence = evidence
        if evidence is not None and evidence.trust_list is not None:
            from cinemae.evidence.trust import trust_lists

            trust_lists(evidence.trust_list)  # one that can't be used is told before any image is scored

    @classmethod
    def load(
        cls,
        model: str | PathLike[str] | None = None,
        *,
        backbone: str | PathLike[str] | None = None,
        device: str | None = None,
        precision: PrecisionChoice = "auto",
        jobs: int | None = None,
        threads: int | None = None,
        accurate: bool = False,
        limits: ImageLimits | None = None,
        threshold: float | None = None,
        alpha: float | None = None,
        evidence: EvidenceOptions | None = READ_EVIDENCE,
    ) -> Detector:
        """Load a detector.

        Args:
            model: Folder or hub id of a head; None takes the shipped one.
            backbone: Another MAE for the semantic scale: a known name, a hub id or a local
                checkpoint. Without a head that was trained on it, only the likelihood is scored.
            device: ``cpu`` or ``cuda``; None takes CUDA if it is there.
            precision: Arithmetic of the MAEs; ``auto`` takes the fastest type that this CPU has and
                the scores bear (:func:`cinemae.mae.select.resolve_precision`).
            jobs: Images scored at the same time; None takes one a core, for the most images a
                second. 1 gives all cores to one image after the other, for the quickest answer.
            threads: Cores that it computes on, if it is on a CPU; None takes all.
            accurate: Four rounds of masks at the semantic scale, not one.
            limits: What an image must keep to.
            threshold: Decides alone; never inconclusive.
            alpha: Error rate of the verdicts, in (0, 1), instead of the head's own.
            evidence: How files' own statements are read; None reads none.

        Raises:
            CheckpointError: If a weight is missing or does not fit; never replaced by chance.
            DeviceError: If the device can't be used.
            HeadError: If the head is missing or was trained on another MAE, or if both a threshold and an
                alpha are given.
            AlphaError: If the head was calibrated on too few images for that alpha.
            TrustListError: If the trust list of ``evidence`` can't be used.
        """
        jobs = jobs or cores()
        known = backbone is None or str(backbone) == DEFAULT_BACKBONES["semantic"]
        head = FusionHead.load(find_head(model)) if model is not None or known else None
        names: dict[str, str | PathLike[str]] = dict(DEFAULT_BACKBONES)
        if head is not None:
            names = dict(head.config.backbone_names)
        if backbone is not None:
            names["semantic"] = backbone
        spec = FeatureSpec(scales=default_scales()) if head is None else head.config.spec
        extractor = build_extractor(names, spec, device=device, precision=precision, jobs=jobs, threads=threads)
        detector = cls(extractor, head, limits=limits, threshold=threshold, alpha=alpha, jobs=jobs, evidence=evidence)
        return detector.with_rounds(ACCURATE_ROUNDS) if accurate else detector

    def with_rounds(self, rounds: int) -> Detector:
        """Return this detector with that many rounds of semantic masks.

        More rounds estimate the same quantities with less mask noise, so the head still applies.

        Raises:
            ValueError: If its semantic scale, if it has one, does not use partition masks.
        """
        scales = dict(self.extractor.spec.scales)
        semantic = scales.get("semantic")
        if semantic is None or not isinstance(semantic.masks, PartitionMasks):
            used = semantic.masks.kind if semantic and semantic.masks else "no masks at a semantic scale"
            raise ValueError(f"rounds are a setting of partition masks, this model uses {used}")
        masks = semantic.masks.model_copy(update={"rounds": rounds})
        scales["semantic"] = semantic.model_copy(update={"masks": masks})
        spec = self.extractor.spec.model_copy(update={"scales": scales})
        copied = Detector.__new__(Detector)
        copied.__dict__ |= self.__dict__ | {"extractor": FeatureExtractor(self.extractor.backbones, spec)}
        return copied

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the head and the MAEs, as shown in each verdict."""
        parts = [fingerprint for _, fingerprint in sorted(self.extractor.fingerprints.items())]
        return "-".join([self.head.fingerprint() if self.head else "no-head", *parts])

    def detect_one(self, source: Source, *, name: str | None = None, seed: int = 0) -> Verdict:
        """Score one image; a refused one gives a verdict with its error."""
        return self.score(source, name=name, seed=seed).verdict

    def detect(self, sources: Iterable[Source], *, seed: int = 0, batch_size: int = 8) -> Iterator[Verdict]:
        """Score images in order; yields one verdict an input."""
        for scored in self.score_many(sources, seed=seed, batch_size=batch_size):
            yield scored.verdict

    def score_many(self, sources: Iterable[Source], *, seed: int = 0, batch_size: int = 8) -> Iterator[Scored]:
        """Score images in order, ``jobs`` at the same time, each in a thread from decoding to verdict.

        While one image is in the MAE another is decoded, so that the cores are busy. A bad input
        gives a result with its error and never stops the others. At most ``batch_size`` images (or
        ``jobs``, if that is more) are in memory; neither number changes a score.

        Raises:
            ValueError: If ``batch_size`` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")

        def score(source: Source) -> Scored:
            return self._finish(*self._decode(source, None), seed, alone=self.jobs == 1)

        return ordered_map(score, sources, workers=self.jobs, ahead=batch_size)

    def score(self, source: Source, *, name: str | None = None, seed: int = 0, alone: bool = True) -> Scored:
        """Score one image and keep the maps.

        Args:
            source: The image.
            name: What the verdict calls it.
            seed: Seed of the masks.
            alone: Whether no other image is scored meanwhile, so that this one gets all cores. Up to ``jobs``
                threads may score at the same time; changes the speed, no number.
        """
        return self._finish(*self._decode(source, name), seed, alone=alone)

    def _decode(self, source: Source, name: str | None) -> tuple[LoadedImage | ImageError, Evidence | None, float]:
        start = time.perf_counter()
        whole: tuple[bytes, str] | None = None
        try:
            if self.evidence is not None and (whole := read_file(source, name=name, limits=self.limits)):
                source, name = whole
            image: LoadedImage | ImageError = load_image(
                source, name=name, limits=self.limits, reduce_to=self.extractor.reduce_to
            )
        except ImageError as error:
            image = error
        return image, self._read(whole, image), time.perf_counter() - start

    def _read(self, whole: tuple[bytes, str] | None, image: LoadedImage | ImageError) -> Evidence | None:
        if self.evidence is None or whole is None:
            return None
        from cinemae.evidence.beside import gather  # the readers are loaded with the first file

        return gather(whole[0], self.evidence, None if isinstance(image, ImageError) else image)

    def _finish(
        self, image: LoadedImage | ImageError, evidence: Evidence | None, seconds: float, seed: int, *, alone: bool
    ) -> Scored:
        from cinemae.evidence.beside import with_evidence

        if isinstance(image, ImageError):
            error = ErrorInfo(type=type(image).__name__, message=str(image))
            refused = Verdict(path=image.name, model=self.fingerprint, seed=seed, seconds=seconds, error=error)
            return Scored(with_evidence(refused, evidence))
        start = time.perf_counter()
        extraction = self.extractor.extract(image.pixels, seed, alone=alone)
        facts = image.facts
        verdict = Verdict(
            path=image.name,
            **self._judge(extraction, image),
            width=facts.width,
            height=facts.height,
            format=facts.format,
            file_bytes=facts.file_bytes,
            sha256=facts.sha256,
            frames=facts.frames,
            model=self.fingerprint,
            precision=self.extractor.precision,
            seed=seed,
            seconds=seconds + time.perf_counter() - start,
        )
        return Scored(with_evidence(verdict, evidence), image, extraction)

    def _judge(self, extraction: Extraction, image: LoadedImage) -> dict[str, object]:
        said: dict[str, object] = {}
        notes = image.facts.notes
        if "semantic" in extraction.likelihoods:
            said["bits_per_dim"] = extraction.bits_per_dim("semantic")
        if self.head is None or self.decision is None:
            no_head = "no head for this backbone: likelihood only (train one with `cinemae train --backbone`)"
            return said | {"verdict": "inconclusive", "notes": (*notes, no_head)}
        probability = float(self.head.probabilities(extraction.features[None])[0])
        decision = self.decision
        p_ai, p_real = self.head.p_values(probability)
        label = decision.label(probability)
        # The same photograph at 64 pixels, enlarged, would be called the opposite. Who gives a threshold decides alone.
        if label != "inconclusive" and decision.alpha is not None and is_coarse(image.pixels):
            label, notes = "inconclusive", (*notes, COARSE)
        return said | {
            "verdict": label,
            "probability": probability,
            "threshold": decision.threshold,
            "band": decision.band,
            "alpha": decision.alpha,
            "p_ai": p_ai,
            "p_real": p_real,
            "notes": notes,
        }

    def save_pretrained(self, place: str | PathLike[str]) -> None:
        """Write the head into a folder that :meth:`load` reads.

        Raises:
            HeadError: If there is no head.
        """
        if self.head is None:
            raise HeadError("there is no head to save")
        self.head.save(Path(place))

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
        """Upload the head to a hub repository, creating it if needed; returns the commit's URL."""
        import tempfile

        from huggingface_hub import HfApi

        api = HfApi(token=token)
        api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            commit = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload cinemae head")
        return str(commit.commit_url)
