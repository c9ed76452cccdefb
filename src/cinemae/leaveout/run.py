"""Leave one family out: honest figures of a head that is trained on every generator that is to be had.

For each family of generators the head is fitted without it, and without every source that the real images come from
that it is compared with; then it is tested on those images. Fit, calibration, threshold and verdicts know none of them.
Features are cached, so a family costs a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinemae.datasets import LabelledImage, ManifestError, manifest_hash
from cinemae.evaluation import sample_images
from cinemae.features.collect import Collected, Variant, collect
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.variants import Measured, Meter, Progress
from cinemae.fusion.config import TrainConfig
from cinemae.fusion.division import group_of
from cinemae.fusion.head import FusionHead
from cinemae.fusion.jobs import training_jobs
from cinemae.fusion.recipe import fit_part, prepare_extractor
from cinemae.leaveout.schema import FamilyRow, Fold, KindRow, LeftOut, LeftOutTable
from cinemae.metrics import Scored
from cinemae.metrics.bootstrap import MIN_SOURCES, bootstrap_counts, bootstrap_groups, percentile_interval
from cinemae.metrics.comparison import Drawn, Rule, mean_of
from cinemae.metrics.evaluate import nested
from cinemae.metrics.schema import Figure
from cinemae.scores import ImageScore
from cinemae.seeding import rng_for


@dataclass(frozen=True)
class _Set:
    """The training images, measured, and what each row is left out with."""

    measured: Collected
    groups: NDArray[np.str_]
    labels: NDArray[np.int64]

    def without(self, family: str, sources: set[str]) -> Collected:
        """Return the rows of other families and other sources."""
        real = self.labels == 0
        out = np.where(real, np.isin(self.groups, sorted(sources)), self.groups == family)
        kept = np.flatnonzero(~out)
        return replace(
            self.measured,
            features=self.measured.features[kept],
            jobs=[self.measured.jobs[number] for number in kept.tolist()],
        )


def leave_out(
    config: TrainConfig,
    training: Sequence[LabelledImage],
    tested: Sequence[LabelledImage],
    variants: Mapping[str, Variant],
    *,
    cache: Path,
    limit: int | None = None,
    parts: Sequence[str] = (),
    resamples: int = 1000,
    jobs: int | None = None,
    progress: Progress = lambda items, total: items,
    record: Callable[[ImageScore], object] | None = None,
) -> LeftOut:
    """Fit a head without each family in turn and test it on that family.

    Args:
        config: The training; its ``families`` are left out one after the other, those of them that ``tested`` has
            both classes of.
        training: All images to fit on, tested ones among them.
        tested: Images to test on; a real one carries the name of the generator that it is compared with. Generators
            in no family, or without both classes, are left out.
        variants: What is done to the tested images, by name.
        cache: Folder of the feature cache.
        limit: Test at most this many images of each generator and class.
        parts: Parts of the head that are fitted alone, too.
        resamples: Bootstrap resamples.
        jobs: Worker processes.
        progress: Wraps the iterations over images.
        record: Called with each score; its ``head`` is the part's name.

    Raises:
        ManifestError: If no family has tested images of both classes.
        AlphaError: If a fold has too few images to calibrate on.
    """
    extractor = prepare_extractor(config)
    known = collect(training_jobs(list(training), config), extractor, cache, workers=jobs, progress=progress)
    groups = np.array([group_of(job.image, config.families) for job in known.jobs])
    rows = _Set(known, groups, known.labels)
    usable = comparable(tested, config.families)
    if not usable:
        raise ManifestError("no family has tested images of both classes")
    families = {
        name: frozenset(members)
        for name, members in config.families.items()
        if any(image.generator in members for image in usable)
    }
    chosen = usable if limit is None else sample_images(usable, limit, config.seed)
    measured = Meter(extractor, cache, jobs, progress).measure(chosen, list(variants.values()), sized=usable)
    numbers = measured.known(list(variants.values()))
    tables: list[LeftOutTable] = []
    folds: dict[str, dict[str, Fold]] = {}
    fused: dict[str, Drawn] = {}
    for part in ("fused", *parts):
        heads = _heads(rows, families, measured, numbers, extractor, config, part)
        folds[part] = {family: fold for family, (_, fold, _) in heads.items()}
        for name, variant in variants.items():
            table, mean = _table(part, name, variant, heads, measured, resamples, config.seed, record)
            if part == "fused":
                fused[name] = mean
            else:
                apart = (mean - fused[name]).figures().get("ranking.roc_auc")
                table = table.model_copy(update={"less_than_fused": apart})
            tables.append(table)
    return LeftOut(
        training_hash=manifest_hash(training),
        tested_hash=manifest_hash(chosen),
        precision=extractor.precision,
        refused=tuple(dict.fromkeys([*known.refused, *measured.refused])),
        folds=folds,
        tables=tuple(tables),
    )


def comparable(images: Iterable[LabelledImage], families: Mapping[str, Sequence[str]]) -> list[LabelledImage]:
    """Return the images of generators that are in a family and have both classes."""
    members = {generator for family in families.values() for generator in family}
    images = [image for image in images if image.generator in members]
    labels: dict[str, set[int]] = {}
    for image in images:
        labels.setdefault(image.generator, set()).add(image.label)
    return [image for image in images if len(labels[image.generator]) == 2]


_Heads = dict[str, tuple[FusionHead, Fold, NDArray[np.intp]]]


def _heads(
    rows: _Set,
    families: Mapping[str, frozenset[str]],
    measured: Measured,
    numbers: NDArray[np.intp],
    extractor: ExtractorConfig,
    config: TrainConfig,
    part: str,
) -> _Heads:
    """Fit a head without each family; return it with the numbers of the images that it is tested on."""
    found: _Heads = {}
    for family, generators in families.items():
        mine = np.array([n for n in numbers.tolist() if measured.images[n].generator in generators], dtype=np.intp)
        sources = {measured.images[n].source for n in mine.tolist() if measured.images[n].label == 0}
        kept = rows.without(family, sources)
        head = fit_part(kept, extractor, config, part).head
        labels = kept.labels
        fold = Fold(
            trained_ai=int((labels == 1).sum()),
            trained_real=int((labels == 0).sum()),
            left_out=tuple(sorted(sources)),
            threshold=head.config.threshold,
            band=head.band,
        )
        found[family] = head, fold, mine
    return found


def _table(
    part: str,
    name: str,
    variant: Variant,
    heads: _Heads,
    measured: Measured,
    resamples: int,
    seed: int,
    record: Callable[[ImageScore], object] | None,
) -> tuple[LeftOutTable, Drawn]:
    drawn: dict[str, Drawn] = {}
    rows: list[FamilyRow] = []
    alarms: dict[str, list[tuple[str, float]]] = {}
    for family, (head, fold, numbers) in heads.items():
        p = head.probabilities(measured.features(variant, numbers))
        images = [measured.images[number] for number in numbers.tolist()]
        scored = Scored(p, [i.label for i in images], [family] * len(images), [i.source for i in images])
        rule = Rule({"half": 0.5, "stored": fold.threshold}, fold.band, head.decision().empty)
        drawn |= scored.draw(rule, resamples=resamples, seed=seed)
        ai = int(scored.truth.sum())
        figures = nested(drawn[family].figures())
        rows.append(FamilyRow.model_validate({"family": family, "n_ai": ai, "n_real": len(p) - ai, **figures}))
        for image, probability in zip(images, p.tolist(), strict=True):
            if image.label == 0:
                alarm = float(probability >= fold.threshold)
                alarms.setdefault(image.kind or "unknown", []).append((image.source, alarm))
            if record is not None:
                record(_score(image, part, variant, probability))
    mean = mean_of(list(drawn.values()))
    table = LeftOutTable(
        part=part,
        variant=name,
        rows=tuple(rows),
        mean=FamilyRow.model_validate(
            {
                "family": f"mean of {len(rows)}",
                "n_ai": sum(row.n_ai for row in rows),
                "n_real": sum(row.n_real for row in rows),
                **nested(mean.figures()),
            }
        ),
        kinds=tuple(_kind(kind, found, resamples, seed) for kind, found in sorted(alarms.items())),
    )
    return table, mean


def _kind(kind: str, alarms: Sequence[tuple[str, float]], resamples: int, seed: int) -> KindRow:
    """Count false alarms; whole sources are resampled where there are enough of them."""
    sources = np.array([source for source, _ in alarms])
    values = np.array([alarm for _, alarm in alarms])
    counts = bootstrap_counts(rng_for(seed, f"kind/{kind}"), bootstrap_groups(sources, MIN_SOURCES), resamples)
    drawn = counts @ values / np.maximum(counts.sum(axis=1), 1)
    share = Figure(value=float(values.mean()), interval=percentile_interval(drawn))
    return KindRow(kind=kind, n=len(alarms), sources=len(set(sources.tolist())), false_alarms=share)


def _score(image: LabelledImage, part: str, variant: Variant, probability: float) -> ImageScore:
    protocol, corruption = variant.protocol, variant.corruption
    if protocol == "augment":
        raise ValueError("tested images are aligned or as they are, never augmented")
    return ImageScore(
        name=image.key,
        generator=image.generator,
        label="ai" if image.label else "real",
        source=image.source,
        split=image.split,
        head=part,
        protocol=protocol,
        corruption="" if corruption is None else str(corruption),
        probability=probability,
    )
