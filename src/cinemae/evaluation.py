"""Evaluation of heads on a labelled set, generator by generator, under the alignment protocols and corruptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cinemae.alignment import Protocol
from cinemae.corruptions import Corruption, Tier, select
from cinemae.datasets import LabelledImage, ManifestError, manifest_hash
from cinemae.detector import Detector
from cinemae.features.collect import Variant
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.variants import Measured, Meter, Progress
from cinemae.fusion.head import FusionHead, HeadError
from cinemae.loading import build_extractor
from cinemae.mae.select import PrecisionChoice
from cinemae.metrics import EvaluationTable, evaluate_scores
from cinemae.metrics.robustness import RobustnessTable, robustness
from cinemae.metrics.tables import markdown_figure, markdown_line
from cinemae.provenance import Run
from cinemae.rating import Rater
from cinemae.scores import ImageScore
from cinemae.seeding import seeded_digest
from cinemae.verdict import Precision


class Evaluation(BaseModel):
    """What one evaluation found.

    Attributes:
        manifest_hash: Of the evaluated images.
        calibration_hash: Of the set that chose the thresholds of 1 and 5 % false alarms; None if the
            evaluated images did.
        precision: Type of the MAEs' arithmetic.
        refused: Images that could not be read, with the reason.
        tables: By head, then by protocol.
        robustness: By head; empty if no corruption was asked for.
        run: What made it; None in a file that does not say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest_hash: str
    calibration_hash: str | None = None
    precision: Precision
    refused: tuple[str, ...]
    tables: dict[str, dict[str, EvaluationTable]]
    robustness: dict[str, RobustnessTable] = {}
    run: Run | None = None

    def to_markdown(self) -> str:
        """Return the summary and the main tables in Markdown, a heading each."""
        parts = [f"### Mean ROC-AUC [95 %]\n\n{self.summary()}"]
        for head, corrupted in self.robustness.items():
            title = f"### {head}, {corrupted.protocol}, mean ROC-AUC after corruption, change [95 %]"
            text = f"{corrupted.images} images; the change is against the same images as they were."
            parts.append(f"{title}\n\n{text}\n\n{corrupted.to_markdown()}")
        for head, protocol, table in self._each():
            parts.append(f"### {head}, {protocol}, threshold {table.threshold:.3f}\n\n{table.to_markdown()}")
        return "\n\n".join(parts)

    def details_markdown(self) -> str:
        """Return the other tables in Markdown: operating points, calibration, abstention, each corruption."""
        parts = []
        for head, protocol, table in self._each():
            parts.append(f"### {head}, {protocol}, in detail\n\n{table.details_markdown()}")
        for head, corrupted in self.robustness.items():
            parts.append(f"### {head}, {corrupted.protocol}, corruptions in detail\n\n{corrupted.details_markdown()}")
        return "\n\n".join(parts)

    def summary(self) -> str:
        """Return a Markdown table of the families' mean ROC-AUC, a line for each head and protocol."""
        lines: list[str] = []
        for head, protocol, table in self._each():
            if not lines:
                names = [mean.family for mean in table.means]
                lines = [markdown_line(["head", "protocol", *names]), markdown_line(["---"] * (2 + len(names)))]
            areas = [mean.ranking.roc_auc if mean.ranking else None for mean in table.means]
            lines.append(markdown_line([head, protocol, *(markdown_figure(area, interval=True) for area in areas)]))
        return "\n".join(lines) + "\n"

    def _each(self) -> Iterable[tuple[str, str, EvaluationTable]]:
        for head, by_protocol in self.tables.items():
            for protocol, table in by_protocol.items():
                yield head, protocol, table


@dataclass(frozen=True)
class _Bootstrap:
    families: Mapping[str, Sequence[str]]
    resamples: int
    seed: int


def evaluate_heads(
    heads: Mapping[str, FusionHead],
    images: Sequence[LabelledImage],
    protocols: Sequence[Protocol],
    *,
    cache: Path,
    families: Mapping[str, Sequence[str]],
    calibration: Sequence[LabelledImage] = (),
    tiers: Sequence[Tier] = (),
    corruptions: Sequence[Corruption] = (),
    tier_protocol: Protocol = "format",
    precision: PrecisionChoice = "auto",
    device: str | None = None,
    seed: int = 0,
    resamples: int = 1000,
    jobs: int | None = None,
    progress: Progress = lambda items, total: items,
    record: Callable[[ImageScore], object] | None = None,
) -> Evaluation:
    """Score a set with heads that share one feature specification; features are measured once.

    Args:
        heads: Heads by name.
        images: Labelled images; each generator is compared with its own real images.
        protocols: Alignment protocols.
        cache: Folder of the feature cache.
        families: Generators to average over, by name of the mean.
        calibration: Labelled images whose real ones choose the thresholds of 1 and 5 % false alarms;
            none to choose them on the evaluated real images.
        tiers: Tiers of corruptions to measure, each with a mean.
        corruptions: Further corruptions to measure.
        tier_protocol: Alignment before the corruptions.
        precision: Arithmetic of the MAEs.
        device: Where they run.
        seed: Seed of alignment, corruptions and bootstrap.
        resamples: Bootstrap resamples.
        jobs: Worker processes.
        progress: Wraps the iteration over images.
        record: Called with each head's score of each evaluated image, those of one head, protocol and
            corruption one after the other and in the set's order.

    Raises:
        HeadError: If the heads differ in features or MAEs, or an MAE is no longer the one they were
            trained on.
        ManifestError: If an image is in the calibration set as well.
    """
    _check_disjoint(images, calibration)
    extractor = _extractor_of(heads, device, precision)
    meter = Meter(extractor, cache, jobs, progress)
    plain = [Variant(protocol=protocol, seed=seed) for protocol in protocols]
    corrupted: list[Variant] = []
    if tiers or corruptions:
        clean = Variant(protocol=tier_protocol, seed=seed)
        corrupted = [clean.model_copy(update={"corruption": each}) for each in (None, *select(tiers, corruptions))]
    measured = meter.measure(images, [*plain, *corrupted])
    apart = meter.measure(calibration, plain, real_only=True) if calibration else None
    bootstrap = _Bootstrap(families, resamples, seed)
    raters = [Rater(name, head, measured, record) for name, head in heads.items()]
    return Evaluation(
        manifest_hash=manifest_hash(images),
        calibration_hash=manifest_hash(calibration) if calibration else None,
        precision=extractor.precision,
        refused=tuple(dict.fromkeys([*measured.refused, *(apart.refused if apart else ())])),
        tables={
            rater.name: {str(variant.protocol): _table(rater, variant, apart, bootstrap) for variant in plain}
            for rater in raters
        },
        robustness={
            rater.name: _robustness(rater, corrupted, plain, tiers, bootstrap) for rater in raters if corrupted
        },
    )


def _table(rater: Rater, variant: Variant, apart: Measured | None, bootstrap: _Bootstrap) -> EvaluationTable:
    head, calibration = rater.head, None
    if apart is not None:
        calibration = head.probabilities(apart.features(variant, apart.known([variant])))
    return evaluate_scores(
        rater.scored(variant, rater.measured.known([variant])),
        head.config.threshold,
        band=head.band,
        alpha=head.config.alpha,
        empty=head.decision().empty,
        calibration=calibration,
        families=bootstrap.families,
        resamples=bootstrap.resamples,
        seed=bootstrap.seed,
    )


def _robustness(
    rater: Rater, variants: Sequence[Variant], told: Sequence[Variant], tiers: Sequence[Tier], bootstrap: _Bootstrap
) -> RobustnessTable:
    clean, *others = variants
    numbers = rater.measured.known(variants)
    return robustness(
        rater.scored(clean, numbers, again=clean in told),
        {variant.corruption: rater.scored(variant, numbers).p for variant in others if variant.corruption},
        rater.head.config.threshold,
        rater.head.band,
        protocol=clean.protocol,
        families=bootstrap.families,
        tiers=tiers,
        resamples=bootstrap.resamples,
        seed=bootstrap.seed,
    )


def _check_disjoint(images: Sequence[LabelledImage], calibration: Sequence[LabelledImage]) -> None:
    shared = sorted({image.place for image in images} & {image.place for image in calibration})
    if shared:
        raise ManifestError(f"{shared[0]}: also in the calibration set, as are {len(shared) - 1} other images")


def _extractor_of(heads: Mapping[str, FusionHead], device: str | None, precision: PrecisionChoice) -> ExtractorConfig:
    any_head = next(iter(heads.values()))
    first = any_head.config
    for name, head in heads.items():
        if (head.config.spec, head.config.backbones) != (first.spec, first.backbones):
            raise HeadError(f"{name}: heads evaluated together must share features and MAEs")
    built = build_extractor({**first.backbone_names}, first.spec, device=device, precision=precision)
    Detector(built, any_head)  # fails before anything is measured, and filed, under the fingerprint of another MAE
    return ExtractorConfig.of(built, first.backbone_names)


def sample_images(images: Sequence[LabelledImage], limit: int, seed: int) -> list[LabelledImage]:
    """Keep at most ``limit`` images of each generator and class, drawn by a seeded hash of their names.

    The draw does not depend on the images' order, and a larger limit only adds to a smaller one.
    """
    groups: dict[tuple[str, int], list[LabelledImage]] = {}
    for image in images:
        groups.setdefault((image.generator, image.label), []).append(image)
    ranked = (sorted(group, key=lambda image: seeded_digest(seed, image.key)) for group in groups.values())
    return [image for group in ranked for image in group[:limit]]
