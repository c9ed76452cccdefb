"""Probabilities and labels in, a table out: per generator and on average, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cinemae.metrics.bootstrap import MIN_SOURCES, Floats, Interval, bootstrap_groups
from cinemae.metrics.comparison import Columns, Comparison, Drawn, Rule, mean_of
from cinemae.metrics.ranking import FALSE_ALARM_RATES, far_threshold
from cinemae.metrics.schema import EvaluationTable, Figure, GeneratorRow, MeanRow
from cinemae.seeding import rng_for


class Scored:
    """The probabilities of a set of images, and what must be known of each to compare and to resample them.

    Attributes:
        p: P(AI-generated), shape (n,).
        truth: Which images are AI-generated, shape (n,).
        generators: The comparison each image belongs to, shape (n,).
        sources: Where each image comes from, shape (n,).
    """

    def __init__(self, p: ArrayLike, labels: ArrayLike, generators: Sequence[str], sources: Sequence[str]) -> None:
        """Check and keep them.

        Raises:
            ValueError: If lengths differ, nothing is given, a score is not a probability, or a label
                is neither 0 nor 1.
        """
        values, truth = np.asarray(p, dtype=np.float64), np.asarray(labels)
        lengths = {values.size, truth.size, len(generators), len(sources)}
        if values.ndim != 1 or truth.ndim != 1 or len(lengths) != 1 or not values.size:
            raise ValueError(
                f"scores {values.shape}, labels {truth.shape}, {len(generators)} generators and "
                f"{len(sources)} sources must be of one length, at least 1"
            )
        self.p = _probabilities(values)
        if not np.isin(truth, (0, 1)).all():
            raise ValueError(f"labels must be 0 or 1, got {np.unique(truth).tolist()}")
        self.truth = truth.astype(bool)
        self.generators = np.asarray(generators, dtype=str)
        self.sources = np.asarray(sources, dtype=str)

    def scored_as(self, p: ArrayLike) -> Scored:
        """Return the same images with other probabilities, shape (n,)."""
        return Scored(p, self.truth, self.generators.tolist(), self.sources.tolist())

    def names(self) -> list[str]:
        """Return the generators in order of first appearance."""
        return list(dict.fromkeys(self.generators.tolist()))

    def real(self) -> Floats:
        """Return the probabilities of the real images of all generators."""
        real: Floats = self.p[~self.truth]
        return real

    def draw(
        self,
        rule: Rule,
        *,
        resamples: int,
        seed: int,
        min_sources: int = MIN_SOURCES,
        shares: Mapping[str, Floats] | None = None,
        brief: bool = False,
    ) -> dict[str, Drawn]:
        """Compute the figures of each generator that has both classes, on the sample and its resamples.

        The resamples depend on seed, generator and the images' sources only: not on the probabilities,
        nor on other generators.

        Args:
            rule: Thresholds and band.
            resamples: Number of bootstrap resamples; 0 for none.
            seed: Seed of the bootstrap.
            min_sources: From this number of sources on, a class is resampled by source.
            shares: More figures: 0 or 1 for each image, shape (n,).
            brief: Leave out calibration and abstention.
        """
        out: dict[str, Drawn] = {}
        for name in self.names():
            ai, real = ((self.generators == name) & side for side in (self.truth, ~self.truth))
            if ai.any() and real.any():
                more: Columns = {key: (values[ai], values[real]) for key, values in (shares or {}).items()}
                rngs = rng_for(seed, f"{name}/ai"), rng_for(seed, f"{name}/real")
                groups = tuple(bootstrap_groups(self.sources[rows], min_sources) for rows in (ai, real))
                compared = Comparison(self.p[ai], self.p[real], rule, shares=more, brief=brief)
                out[name] = compared.draw((groups[0], groups[1]), rngs, resamples)
        return out


def evaluate_scores(
    scored: Scored,
    threshold: float,
    *,
    band: Interval | None = None,
    alpha: float | None = None,
    empty: bool = False,
    calibration: ArrayLike | None = None,
    families: Mapping[str, Sequence[str]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    min_sources: int = MIN_SOURCES,
) -> EvaluationTable:
    """Evaluate probabilities per generator and on average.

    Args:
        scored: The images.
        threshold: The stored threshold; a probability at or above it counts as AI-generated.
        band: Abstention band; None for none.
        alpha: Error rate that the band was made for, for the record.
        empty: Whether verdict sets are empty inside the band, rather than of both classes.
        calibration: Probabilities of other real images, which choose the thresholds of 1 and 5 % false
            alarms; None to choose them on the evaluated real images.
        families: Generators of each mean row, by the row's name; None for one mean over all.
        resamples: Number of bootstrap resamples; 0 leaves the intervals out.
        seed: Seed of the bootstrap; a generator's intervals do not depend on the other generators.
        min_sources: From this number of sources on, a class is resampled by source.

    Raises:
        ValueError: If the calibration set is empty or holds what is not a probability.
    """
    real = scored.real() if calibration is None else _probabilities(np.asarray(calibration, dtype=np.float64))
    if calibration is not None and not real.size:
        raise ValueError("the calibration set holds no real images")
    thresholds = {"half": 0.5, "stored": threshold}
    if real.size:
        thresholds |= {name: far_threshold(real, rate) for name, rate in FALSE_ALARM_RATES.items()}
    rule = Rule(thresholds, band or (threshold, threshold), empty)
    drawn = scored.draw(rule, resamples=resamples, seed=seed, min_sources=min_sources)
    families = families if families is not None else {"all": scored.names()}
    return EvaluationTable.model_validate(
        {
            "threshold": threshold,
            "band": rule.band,
            "alpha": alpha,
            "empty": empty,
            "thresholds": thresholds,
            "thresholds_from": "evaluated" if calibration is None else "calibration",
            "thresholds_real": real.size,
            "resamples": resamples,
            "seed": seed,
            "rows": [_row(name, scored, rule, drawn.get(name)) for name in scored.names()],
            "means": [mean_row(family, members, drawn) for family, members in families.items()],
        }
    )


def mean_row(family: str, members: Sequence[str], drawn: Mapping[str, Drawn]) -> MeanRow:
    """Return the mean over those of a family's generators that have both classes."""
    used = [name for name in drawn if name in members]
    figures = nested(mean_of([drawn[name] for name in used]).figures()) if used else {}
    missing = tuple(name for name in members if name not in used)
    return MeanRow.model_validate({"family": family, "generators": used, "missing": missing, **figures})


def _row(name: str, scored: Scored, rule: Rule, drawn: Drawn | None) -> GeneratorRow:
    mine = scored.generators == name
    ai, real = mine & scored.truth, mine & ~scored.truth
    counts = {
        "generator": name,
        "n_ai": int(ai.sum()),
        "n_real": int(real.sum()),
        "sources_ai": len(np.unique(scored.sources[ai])),
        "sources_real": len(np.unique(scored.sources[real])),
    }
    if drawn is not None:
        return GeneratorRow.model_validate(counts | nested(drawn.figures()))
    right = {point: (scored.p[mine] >= value) == ai.any() for point, value in rule.thresholds.items()}
    accuracy = {point: Figure(value=float(values.mean())) for point, values in right.items()}
    side = "accuracy_ai" if ai.any() else "accuracy_real"
    points = {point: {"accuracy": figure, side: figure} for point, figure in accuracy.items()}
    return GeneratorRow.model_validate({**counts, "points": points})


def nested(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Turn dotted names into nested dictionaries."""
    out: dict[str, Any] = {}
    for name, figure in figures.items():
        *path, last = name.split(".")
        place = out
        for part in path:
            place = place.setdefault(part, {})
        place[last] = figure
    return out


def _probabilities(values: Floats) -> Floats:
    bad = ~((values >= 0) & (values <= 1))  # not a number fails both
    if bad.any():
        raise ValueError(f"{np.count_nonzero(bad)} of {values.size} scores are not probabilities")
    return values
