"""What an audit found, as it is written to ``audit.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cinemae.alignment import Protocol
from cinemae.audit.facts import Group
from cinemae.audit.measure import Refusal
from cinemae.metrics import Figure
from cinemae.metrics.bootstrap import MIN_SOURCES

GROUPS: tuple[Group, ...] = ("file", "history", "pixels")
Evidence = Literal["file", "history", "pixels", "together"]
EVIDENCE: tuple[Evidence, ...] = (*GROUPS, "together")


class AuditConfig(BaseModel):
    """Settings of an audit.

    Attributes:
        limit: A comparison can be solved without looking when an interval's lower end lies above this.
        few: A class with fewer images than this is too small for a figure of its own, and is marked.
        folds: Folds of the cross-validation.
        resamples: Bootstrap resamples of the intervals.
        min_sources: From this number of sources on, folds and resamples keep a class's sources whole.
        threshold: A detector's score at or above it counts as AI-generated.
        seed: Seed of alignment, folds and bootstrap.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: float = Field(default=0.6, ge=0.5, lt=1)
    few: int = Field(default=40, ge=1)
    folds: int = Field(default=5, ge=2)
    resamples: int = Field(default=1000, ge=1)
    min_sources: int = Field(default=MIN_SOURCES, ge=2)
    threshold: float = 0.5
    seed: int = 0


class FactRow(BaseModel):
    """One fact or statistic alone.

    Attributes:
        name: Its name.
        group: What it belongs to under this protocol.
        alone: How well a small tree of this fact tells the labels of unseen images.
        order: ROC-AUC of the number itself, above 0.5 if AI-generated images have more of it; None for words.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    group: Group
    alone: Figure
    order: float | None = None


class Comparison(BaseModel):
    """AI-generated images against real ones.

    Attributes:
        name: The generator, or ``all images pooled``.
        n_ai: Number of AI-generated images.
        n_real: Number of real images.
        sources_ai: Number of their sources.
        sources_real: Number of the real images' sources.
        few: Whether a class is too small for a figure of its own.
        joint: Of the facts of each group together, and of all of them.
        facts: Of each fact alone.
        detector: Of the detector, over the images that it scored.
        scored: How many those are.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    n_ai: int
    n_real: int
    sources_ai: int
    sources_real: int
    few: bool
    joint: dict[Evidence, Figure]
    facts: tuple[FactRow, ...]
    detector: Figure | None = None
    scored: int = 0

    def fact(self, name: str) -> FactRow:
        """Return the row of one fact.

        Raises:
            KeyError: If there is none.
        """
        for row in self.facts:
            if row.name == name:
                return row
        raise KeyError(name)


class Mean(BaseModel):
    """Unweighted mean over the generators that are not too small.

    Attributes:
        generators: Those.
        joint: Mean areas by evidence; intervals as if the generators were resampled independently.
        detector: The detector's mean, if every one of them was scored in both classes.
    """

    model_config = ConfigDict(frozen=True)

    generators: tuple[str, ...]
    joint: dict[Evidence, Figure]
    detector: Figure | None = None


class Finding(BaseModel):
    """A comparison that is solved without looking at what the pictures show.

    Attributes:
        comparison: The generator, or ``all images pooled``.
        evidence: The group of facts.
        best: The larger one of the areas of the group together and of its best fact alone.
        alone: Its facts that do it alone, the best first.
        detector_is_better: Whether the detector's area is larger; None without one.
    """

    model_config = ConfigDict(frozen=True)

    comparison: str
    evidence: Group
    best: Figure
    alone: tuple[FactRow, ...]
    detector_is_better: bool | None = None


class ProtocolAudit(BaseModel):
    """What was found under one protocol.

    Attributes:
        protocol: Its name.
        comparisons: One a generator, then all images pooled if there are several.
        mean: Over the generators; None if all are too small.
        findings: What can be solved without looking.
        skipped: Generators that have one class only, or whose classes are too small for two folds.
    """

    model_config = ConfigDict(frozen=True)

    protocol: Protocol
    comparisons: tuple[Comparison, ...]
    mean: Mean | None
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()

    def comparison(self, name: str) -> Comparison:
        """Return the comparison of a generator, or the pooled one.

        Raises:
            KeyError: If there is none.
        """
        for comparison in self.comparisons:
            if comparison.name == name:
                return comparison
        raise KeyError(name)


class Slice(BaseModel):
    """A detector's figures on a part of the images.

    Attributes:
        protocol: Protocol of the scores.
        by: What the set is divided by, for example ``format``; always a fact of the file itself.
        value: The part.
        n_ai: AI-generated images that were scored.
        n_real: Real images that were scored.
        few: Whether a class is too small for its figures; an absent one is not.
        area: ROC-AUC within the part; None with one class only.
        accuracy: Share of images on the right side of the threshold.
        accuracy_ai: The same among AI-generated images; None if there are none.
        accuracy_real: The same among real images.
    """

    model_config = ConfigDict(frozen=True)

    protocol: Protocol
    by: str
    value: str
    n_ai: int
    n_real: int
    few: bool
    area: Figure | None
    accuracy: float
    accuracy_ai: Figure | None = None
    accuracy_real: Figure | None = None


class Audit(BaseModel):
    """What one audit found.

    Attributes:
        version: Of cinemae.
        manifest_hash: Of the images that were asked for.
        config: Settings.
        images: Number of images that could be read.
        refused: Those that could not.
        protocols: What was found under each protocol.
        slices: The detector's figures on parts of the set.
        unscored: By protocol of the scores, images of the set that have none.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    manifest_hash: str
    config: AuditConfig
    images: int
    refused: tuple[Refusal, ...]
    protocols: tuple[ProtocolAudit, ...]
    slices: tuple[Slice, ...] = ()
    unscored: dict[Protocol, int] = Field(default_factory=dict)

    def protocol(self, name: Protocol) -> ProtocolAudit:
        """Return what was found under one protocol.

        Raises:
            KeyError: If it was not asked for.
        """
        for found in self.protocols:
            if found.protocol == name:
                return found
        raise KeyError(name)
