"""One protocol's comparisons: every generator against its own real images, and all images pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.alignment import Protocol
from cinemae.audit.areas import Areas, Resampling, draw_areas, mean_area
from cinemae.audit.facts import Fact, Group, Value
from cinemae.audit.measure import FACTS
from cinemae.audit.schema import (
    EVIDENCE,
    GROUPS,
    AuditConfig,
    Comparison,
    Evidence,
    FactRow,
    Finding,
    Mean,
    ProtocolAudit,
)
from cinemae.audit.separate import (
    Folds,
    Labels,
    encode,
    fact_scores,
    fold_groups,
    joint_scores,
    make_folds,
    value_order,
)
from cinemae.datasets import LabelledImage
from cinemae.metrics import Figure
from cinemae.metrics.bootstrap import Floats

POOLED = "all images pooled"
_DETECTOR = "detector"
_TEXTURE = "bytes_per_pixel"


@dataclass(frozen=True)
class _Set:
    """Images as arrays: (n,) each, the facts (n, columns)."""

    labels: Labels
    generators: NDArray[np.str_]
    sources: NDArray[np.str_]
    columns: Mapping[str, Floats]
    detector: Floats

    def part(self, rows: NDArray[np.bool_]) -> _Set:
        columns = {name: matrix[rows] for name, matrix in self.columns.items()}
        return _Set(self.labels[rows], self.generators[rows], self.sources[rows], columns, self.detector[rows])


@dataclass(frozen=True)
class _Drawn:
    """The areas of one comparison: of facts and classifiers, and of the detector where it has both classes."""

    facts: Areas
    detector: Areas | None
    scored: int


def group_of(fact: Fact, protocol: Protocol) -> Group:
    """Return what a fact belongs to under a protocol.

    Aligned files are all written by us with the same settings, so that their size says how hard the
    pixels are to compress, and nothing of where a file comes from.
    """
    return "pixels" if protocol != "raw" and fact.name == _TEXTURE else fact.group


def audit_protocol(
    protocol: Protocol,
    images: Sequence[LabelledImage],
    values: Sequence[Mapping[str, Value]],
    scores: Sequence[float] | None,
    config: AuditConfig,
    facts: Sequence[Fact] = FACTS,
) -> ProtocolAudit:
    """Audit all comparisons of one protocol.

    Args:
        protocol: Its name.
        images: The images.
        values: Facts and statistics of each.
        scores: A detector's score of each, not a number where there is none; None without a detector.
        config: Settings.
        facts: Which facts and statistics to look at.
    """
    everything = _Set(
        np.array([image.label == 1 for image in images], dtype=np.bool_),
        np.array([image.generator for image in images], dtype=str),
        np.array([image.source for image in images], dtype=str),
        encode(values, facts),
        np.full(len(images), np.nan) if scores is None else np.array(scores, dtype=np.float64),
    )
    names = list(dict.fromkeys(image.generator for image in images))
    parts = {name: everything.part(everything.generators == name) for name in names}
    if len(names) > 1:
        parts[POOLED] = everything
    comparisons: list[Comparison] = []
    drawn: dict[str, _Drawn] = {}
    for name, part in parts.items():
        groups = fold_groups(part.labels, part.sources, config.min_sources)
        folds = make_folds(part.labels, groups, config.folds, config.seed)
        if folds:
            drawn[name] = _draw(name, part, folds, protocol, config, facts)
            comparisons.append(_comparison(name, part, drawn[name], protocol, config, facts))
    large = [comparison.name for comparison in comparisons if not comparison.few and comparison.name != POOLED]
    return ProtocolAudit(
        protocol=protocol,
        comparisons=tuple(comparisons),
        mean=_mean(large, drawn),
        findings=tuple(finding for comparison in comparisons for finding in _findings(comparison, config)),
        skipped=tuple(name for name in parts if name not in drawn),
    )


def _draw(
    name: str, part: _Set, folds: Folds, protocol: Protocol, config: AuditConfig, facts: Sequence[Fact]
) -> _Drawn:
    resampling = Resampling(config.resamples, config.min_sources, config.seed)
    scores = {fact.name: fact_scores(part.columns[fact.name], part.labels, folds) for fact in facts}
    for evidence in EVIDENCE:
        columns = [part.columns[fact.name] for fact in facts if evidence in (group_of(fact, protocol), "together")]
        scores[evidence] = joint_scores(columns, part.labels, folds)
    areas = draw_areas(scores, part.labels, part.sources, name, resampling)
    rated = part.part(~np.isnan(part.detector))
    detector = None
    if 0 < rated.labels.sum() < len(rated.labels):
        detector = draw_areas({_DETECTOR: rated.detector}, rated.labels, rated.sources, name, resampling)
    return _Drawn(areas, detector, len(rated.labels))


def _comparison(
    name: str, part: _Set, drawn: _Drawn, protocol: Protocol, config: AuditConfig, facts: Sequence[Fact]
) -> Comparison:
    ai, real = part.labels, ~part.labels
    rows = [
        FactRow(
            name=fact.name,
            group=group_of(fact, protocol),
            alone=drawn.facts.figure(fact.name),
            order=None if fact.words else _order(part.columns[fact.name], part.labels),
        )
        for fact in facts
    ]
    return Comparison(
        name=name,
        n_ai=int(ai.sum()),
        n_real=int(real.sum()),
        sources_ai=len(np.unique(part.sources[ai])),
        sources_real=len(np.unique(part.sources[real])),
        few=min(int(ai.sum()), int(real.sum())) < config.few,
        joint={evidence: drawn.facts.figure(evidence) for evidence in EVIDENCE},
        facts=tuple(rows),
        detector=drawn.detector.figure(_DETECTOR) if drawn.detector else None,
        scored=drawn.scored,
    )


def _order(column: Floats, labels: Labels) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, value_order(column)))


def _mean(names: Sequence[str], drawn: Mapping[str, _Drawn]) -> Mean | None:
    """Average the generators; the detector only over all of them, or its mean would be another one."""
    if not names:
        return None
    facts = [drawn[name].facts for name in names]
    joint: dict[Evidence, Figure] = {evidence: mean_area(facts, evidence) for evidence in EVIDENCE}
    detector = [part for part in (drawn[name].detector for name in names) if part is not None]
    of_detector = mean_area(detector, _DETECTOR) if len(detector) == len(names) else None
    return Mean(generators=tuple(names), joint=joint, detector=of_detector)


def _findings(comparison: Comparison, config: AuditConfig) -> list[Finding]:
    """List the groups of facts that solve a comparison, together or one of them alone."""
    found = []
    for group in () if comparison.few else GROUPS:
        area = comparison.joint[group]
        alone = [row for row in comparison.facts if row.group == group and _above(row.alone, config.limit)]
        if alone or _above(area, config.limit):
            alone.sort(key=lambda row: -row.alone.value)
            best = max([area, *(row.alone for row in alone)], key=lambda figure: figure.value)
            detector = comparison.detector
            found.append(
                Finding(
                    comparison=comparison.name,
                    evidence=group,
                    best=best,
                    alone=tuple(alone),
                    detector_is_better=None if detector is None else detector.value > best.value,
                )
            )
    return found


def _above(figure: Figure, limit: float) -> bool:
    return figure.interval is not None and figure.interval[0] > limit
