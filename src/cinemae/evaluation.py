"""Evaluation of heads on a labelled set, generator by generator, under the alignment protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from cinemae.data import (
    EvaluationTable,
    LabelledImage,
    Protocol,
    evaluate_scores,
    fit_sizes,
    manifest_hash,
    short_sides,
)
from cinemae.data.metrics import markdown_line, markdown_number
from cinemae.data.seeding import seeded_digest
from cinemae.detector import Detector
from cinemae.features.collect import Collected, ExtractorConfig, Job, Variant, collect
from cinemae.fusion.head import FusionHead, HeadError
from cinemae.loading import build_extractor
from cinemae.mae.select import PrecisionChoice
from cinemae.verdict import Precision

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


class Evaluation(BaseModel):
    """What one evaluation found.

    Attributes:
        manifest_hash: Of the evaluated images.
        precision: Type of the MAEs' arithmetic.
        refused: Images that could not be read, with the reason.
        tables: By head, then by protocol.
    """

    model_config = ConfigDict(frozen=True)

    manifest_hash: str
    precision: Precision
    refused: tuple[str, ...]
    tables: dict[str, dict[str, EvaluationTable]]

    def to_markdown(self) -> str:
        """Return the summary and all tables in Markdown, a heading each."""
        parts = [f"### Mean ROC-AUC [95 %]\n\n{self.summary()}"]
        for head, by_protocol in self.tables.items():
            for protocol, table in by_protocol.items():
                parts.append(f"### {head}, {protocol}, threshold {table.threshold:.3f}\n\n{table.to_markdown()}")
        return "\n\n".join(parts)

    def summary(self) -> str:
        """Return a Markdown table of the families' mean ROC-AUC, a line for each head and protocol."""
        lines: list[str] = []
        for head, by_protocol in self.tables.items():
            for protocol, table in by_protocol.items():
                if not lines:
                    names = [mean.family for mean in table.means]
                    lines = [markdown_line(["head", "protocol", *names]), markdown_line(["---"] * (2 + len(names)))]
                cells = [markdown_number(mean.roc_auc, mean.roc_auc_interval) for mean in table.means]
                lines.append(markdown_line([head, protocol, *cells]))
        return "\n".join(lines) + "\n"


def evaluate_heads(
    heads: Mapping[str, FusionHead],
    images: Sequence[LabelledImage],
    protocols: Sequence[Protocol],
    *,
    cache: Path,
    families: Mapping[str, Sequence[str]],
    precision: PrecisionChoice = "auto",
    device: str | None = None,
    seed: int = 0,
    resamples: int = 1000,
    jobs: int | None = None,
    progress: Progress = lambda items, total: items,
) -> Evaluation:
    """Score a set with heads that share one feature specification; features are measured once.

    Args:
        heads: Heads by name.
        images: Labelled images; each generator is compared with its own real images.
        protocols: Alignment protocols.
        cache: Folder of the feature cache.
        families: Generators to average over, by name of the mean.
        precision: Arithmetic of the MAEs.
        device: Where they run.
        seed: Seed of alignment and bootstrap.
        resamples: Bootstrap resamples.
        jobs: Worker processes.
        progress: Wraps the iteration over images.

    Raises:
        HeadError: If the heads differ in features or MAEs, or an MAE is no longer the one they were
            trained on.
    """
    any_head = next(iter(heads.values()))
    first = any_head.config
    for name, head in heads.items():
        if (head.config.spec, head.config.backbones) != (first.spec, first.backbones):
            raise HeadError(f"{name}: heads evaluated together must share features and MAEs")
    built = build_extractor({**first.backbone_names}, first.spec, device=device, precision=precision)
    Detector(built, any_head)  # fails before anything is measured, and filed, under the fingerprint of another MAE
    extractor = ExtractorConfig.of(built, first.backbone_names)
    equalisers = fit_sizes(*short_sides(images)) if set(protocols) - {"raw"} else {}
    tables: dict[str, dict[str, EvaluationTable]] = {name: {} for name in heads}
    refused: dict[str, None] = {}
    for protocol in protocols:
        variant = Variant(protocol=protocol, seed=seed)
        work = [Job(i, variant, None if protocol == "raw" else equalisers.get(i.generator)) for i in images]
        measured = collect(work, extractor, cache, workers=jobs, progress=progress)
        refused |= dict.fromkeys(measured.refused)
        for name, head in heads.items():
            tables[name][protocol] = _table(head, measured, families, seed, resamples)
    return Evaluation(
        manifest_hash=manifest_hash(images), precision=extractor.precision, refused=tuple(refused), tables=tables
    )


def _table(
    head: FusionHead, measured: Collected, families: Mapping[str, Sequence[str]], seed: int, resamples: int
) -> EvaluationTable:
    images = [job.image for job in measured.jobs]
    return evaluate_scores(
        head.probabilities(measured.features),
        measured.labels,
        [image.generator for image in images],
        [image.source for image in images],
        head.config.threshold,
        resamples=resamples,
        seed=seed,
        families=families,
    )


def sample_images(images: Sequence[LabelledImage], limit: int, seed: int) -> list[LabelledImage]:
    """Keep at most ``limit`` images of each generator and class, drawn by a seeded hash of their names.

    The draw does not depend on the images' order, and a larger limit only adds to a smaller one.
    """
    groups: dict[tuple[str, int], list[LabelledImage]] = {}
    for image in images:
        groups.setdefault((image.generator, image.label), []).append(image)
    ranked = (sorted(group, key=lambda image: seeded_digest(seed, image.key)) for group in groups.values())
    return [image for group in ranked for image in group[:limit]]
