"""Areas under the ROC curve of many scores at once, all bootstrapped with the same resamples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.audit.separate import Labels
from cinemae.metrics import Figure
from cinemae.metrics.bootstrap import (
    Floats,
    bootstrap_groups,
    percentile_interval,
    resampled_counts,
)
from cinemae.seeding import rng_for


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn; the same for the same name of a set, whatever the scores.

    Attributes:
        resamples: Number of resamples R.
        min_sources: From this number of sources on, a class is resampled by source, else by image.
        seed: Seed of the draws.
    """

    resamples: int
    min_sources: int
    seed: int

    def counts(self, labels: Labels, sources: NDArray[np.str_], key: str) -> Iterator[tuple[Floats, Floats]]:
        """Yield counts of both classes of the set called ``key``, as :mod:`cinemae.metrics` draws them."""
        groups = tuple(bootstrap_groups(sources[part], self.min_sources) for part in (labels, ~labels))
        rngs = rng_for(self.seed, f"{key}/ai"), rng_for(self.seed, f"{key}/real")
        return resampled_counts((groups[0], groups[1]), rngs, self.resamples)


@dataclass(frozen=True)
class Areas:
    """The areas of several scores over one set.

    Attributes:
        own: Each one's area.
        drawn: Those of its resamples, (R,).
    """

    own: dict[str, float]
    drawn: dict[str, Floats]

    def figure(self, name: str) -> Figure:
        """Return one score's area with its 95 % interval."""
        return Figure(value=self.own[name], interval=percentile_interval(self.drawn[name]))


def draw_areas(
    scores: Mapping[str, Floats], labels: Labels, sources: NDArray[np.str_], key: str, resampling: Resampling
) -> Areas:
    """Compute the areas of several scores, and bootstrap them.

    Args:
        scores: Shape (n,) each, by name; higher = more likely AI-generated.
        labels: True = AI-generated, (n,); both classes must occur.
        sources: Source of each image, (n,).
        key: What the set is called.
        resampling: How intervals are drawn.
    """
    ones = np.ones((1, int(labels.sum()))), np.ones((1, int((~labels).sum())))
    # A fact that is the same everywhere says nothing in any resample.
    varied = {name: values for name, values in scores.items() if np.ptp(values)}
    own = dict.fromkeys(scores, 0.5)
    drawn = dict.fromkeys(scores, np.full(resampling.resamples, 0.5))
    own |= {name: float(_area(values[labels], values[~labels], *ones)[0]) for name, values in varied.items()}
    parts: dict[str, list[Floats]] = {name: [] for name in varied}
    for counts in resampling.counts(labels, sources, key):
        for name, values in varied.items():
            parts[name].append(_area(values[labels], values[~labels], *counts))
    return Areas(own, drawn | {name: np.concatenate(part) for name, part in parts.items()})


def mean_area(areas: Sequence[Areas], name: str) -> Figure:
    """Return the mean of one score's area over several sets, each resampled on its own."""
    return Figure(
        value=float(np.mean([part.own[name] for part in areas])),
        interval=percentile_interval(np.mean([part.drawn[name] for part in areas], axis=0)),
    )


def share(hits: Labels, sources: NDArray[np.str_], key: str, resampling: Resampling) -> Figure:
    """Return the share of hits among images of one class, (n,) with n > 0, and its 95 % interval."""
    groups = bootstrap_groups(sources, resampling.min_sources), np.zeros(1, dtype=np.intp)  # the other class is idle
    rngs = rng_for(resampling.seed, key), rng_for(resampling.seed, f"{key}/idle")
    drawn = [counts @ hits / counts.sum(axis=1) for counts, _ in resampled_counts(groups, rngs, resampling.resamples)]
    return Figure(value=float(hits.mean()), interval=percentile_interval(np.concatenate(drawn)))


def _area(ai: Floats, real: Floats, ai_counts: Floats, real_counts: Floats) -> Floats:
    """Return the share of (AI, real) pairs in the right order, ties counting one half, of each resample, (R,).

    With the real images sorted, the number of those below an AI-generated one is a difference of
    cumulative counts.
    """
    order = np.argsort(real, kind="stable")
    below = np.zeros((len(real_counts), len(real) + 1))
    np.cumsum(real_counts[:, order], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(real[order], ai, side=side) for side in ("left", "right"))
    won = np.einsum("rn,rn->r", ai_counts, below[:, first] + below[:, last]) / 2
    areas: Floats = won / (ai_counts.sum(axis=1) * real_counts.sum(axis=1))
    return areas
