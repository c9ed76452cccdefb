"""Paired differences: two methods on the same images, resampled together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.compare.schema import Difference
from cinemae.metrics import Scored
from cinemae.metrics.comparison import Rule, mean_of


@dataclass(frozen=True)
class Scores:
    """One method's probabilities under one protocol.

    Attributes:
        numbers: Numbers in the test set of the images that were scored, rising, (n,).
        p: P(AI-generated), (n,).
        threshold: The method's stored threshold.
    """

    numbers: NDArray[np.intp]
    p: NDArray[np.float64]
    threshold: float


@dataclass(frozen=True)
class Pairing:
    """What all differences of a comparison share.

    Attributes:
        labels: Of the test set, 1 = AI-generated, (images,).
        generators: Of the test set.
        sources: Of the test set.
        families: Generators of each mean, by its name; None for one mean over all.
        resamples: Bootstrap resamples.
        seed: Seed of the bootstrap.
    """

    labels: NDArray[np.int64]
    generators: Sequence[str]
    sources: Sequence[str]
    families: Mapping[str, Sequence[str]] | None
    resamples: int
    seed: int

    def scored(self, numbers: NDArray[np.intp], p: NDArray[np.float64]) -> Scored:
        """Return probabilities of some of the test set's images, ready to be evaluated."""
        generators, sources = ([names[number] for number in numbers] for names in (self.generators, self.sources))
        return Scored(p, self.labels[numbers], generators, sources)

    def differences(self, scores: Scores, reference: Scores) -> tuple[Difference, ...]:
        """Return a method's means minus the reference's, family by family.

        Images that only one of them has scored are left out. Every resample draws the same images
        for both, so that what makes a set of images hard or easy does not widen the interval.
        """
        numbers, mine, others = np.intersect1d(
            scores.numbers, reference.numbers, assume_unique=True, return_indices=True
        )
        if not numbers.size:
            return ()
        drawn = []
        for one, rows in ((scores, mine), (reference, others)):
            rule = Rule({"stored": one.threshold}, (one.threshold, one.threshold))
            scored = self.scored(numbers, one.p[rows])
            drawn.append(scored.draw(rule, resamples=self.resamples, seed=self.seed, brief=True))
        apart = {name: drawn[0][name] - drawn[1][name] for name in drawn[0]}
        shared = self.scored(numbers, scores.p[mine])
        counts = {name: int((shared.generators == name).sum()) for name in apart}
        families = self.families if self.families is not None else {"all": shared.names()}
        found = []
        for family, members in families.items():
            used = [name for name in apart if name in members]
            figures = mean_of([apart[name] for name in used]).figures() if used else {}
            found.append(
                Difference(
                    family=family,
                    generators=tuple(used),
                    images=sum(counts[name] for name in used),
                    roc_auc=figures.get("ranking.roc_auc"),
                    balanced_accuracy=figures.get("points.stored.balanced_accuracy"),
                )
            )
        return tuple(found)
