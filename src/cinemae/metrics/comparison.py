"""All figures of one comparison, AI-generated against real images, on the sample and on its resamples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cinemae.metrics.bootstrap import Floats, Groups, Interval, Rngs, percentile_interval, resampled_counts
from cinemae.metrics.calibration import BINS, equal_mass_bins, losses, min_cllr
from cinemae.metrics.ranking import Ranks
from cinemae.metrics.schema import Figure
from cinemae.metrics.selective import RiskCoverage, missed, said

Columns = dict[str, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Rule:
    """How probabilities become verdicts.

    Attributes:
        thresholds: Operating points by name; ``stored`` is the head's own. At or above one counts as AI.
        band: Abstention band; strictly inside there is no verdict, at its ends and beyond real and AI.
        empty: Whether strictly inside neither class is in the verdict's set, rather than both.
    """

    thresholds: Mapping[str, float]
    band: Interval
    empty: bool = False


@dataclass(frozen=True)
class Drawn:
    """Figures by dotted name, as in :mod:`cinemae.metrics.schema`.

    Attributes:
        sample: Each figure of the sample; not a number where it is not defined.
        draws: Each figure of the R resamples, (R,). A figure that is left out has no interval.
    """

    sample: dict[str, float]
    draws: dict[str, Floats] = field(default_factory=dict)

    def figures(self) -> dict[str, Figure]:
        """Return the figures that are defined, with their 95 % intervals."""
        return {
            name: Figure(value=value, interval=percentile_interval(self.draws.get(name, np.empty(0))))
            for name, value in self.sample.items()
            if not np.isnan(value)
        }

    def __sub__(self, other: Drawn) -> Drawn:
        """Return the differences of the figures that both have, resample by resample: of the same images only."""
        return Drawn(
            {name: value - other.sample[name] for name, value in self.sample.items() if name in other.sample},
            {name: values - other.draws[name] for name, values in self.draws.items() if name in other.draws},
        )


def mean_of(parts: list[Drawn]) -> Drawn:
    """Return the unweighted mean of comparisons, each resampled on its own."""
    first = parts[0]
    return Drawn(
        {name: float(np.mean([part.sample[name] for part in parts])) for name in first.sample},
        {name: np.mean([part.draws[name] for part in parts], axis=0) for name in first.draws},
    )


class Comparison:
    """The probabilities of one generator's images and of the real images that it is compared with."""

    def __init__(
        self, ai: Floats, real: Floats, rule: Rule, *, shares: Columns | None = None, brief: bool = False
    ) -> None:
        """Prepare the figures.

        Args:
            ai: P(AI-generated) of the AI-generated images, shape (n,), n > 0.
            real: That of the real images, shape (m,), m > 0.
            rule: Thresholds and band.
            shares: More figures by name that are the share of images with a property: 0 or 1 for
                each AI-generated (n,) and real image (m,).
            brief: Leave out calibration and abstention.
        """
        self.order = np.argsort(ai, kind="stable"), np.argsort(real, kind="stable")
        self.ai, self.real = ai[self.order[0]], real[self.order[1]]
        self._ranks = Ranks.of(self.ai, self.real)
        self._points, self._shares, self._brief = tuple(rule.thresholds), tuple(shares or ()), brief
        columns: Columns = {
            f"points.{name}": ((self.ai >= value).astype(float), (self.real < value).astype(float))
            for name, value in rule.thresholds.items()
        }
        for name, (of_ai, of_real) in (shares or {}).items():
            columns[name] = of_ai[self.order[0]], of_real[self.order[1]]
        if not brief:
            columns |= self._calibration_columns() | self._band_columns(rule)
            self._curve = RiskCoverage(self.ai, self.real, rule.thresholds["stored"])
        self._index = {name: number for number, name in enumerate(columns)}
        self._matrices = tuple(np.stack([pair[side] for pair in columns.values()], axis=1) for side in (0, 1))

    def _calibration_columns(self) -> Columns:
        of_ai, of_real = losses(self.ai, 1), losses(self.real, 0)
        columns: Columns = {name: (of_ai[name], of_real[name]) for name in of_ai}
        p = np.concatenate([self.ai, self.real])
        excess = np.concatenate([1 - self.ai, -self.real])  # label minus probability
        number = equal_mass_bins(p)
        for bin_ in range(BINS):
            inside = np.where(number == bin_, excess, 0.0)
            columns[f"bin{bin_}"] = inside[: len(self.ai)], inside[len(self.ai) :]
        return columns

    def _band_columns(self, rule: Rule) -> Columns:
        (found, lost), (alarms, passed) = said(self.ai, rule.band), said(self.real, rule.band)
        columns = {
            "decided": (found | lost, alarms | passed),
            "wrong": (lost, alarms),
            "missed": (missed(self.ai, rule.band, rule.empty)[0], missed(self.real, rule.band, rule.empty)[1]),
        }
        return {name: (ai.astype(float), real.astype(float)) for name, (ai, real) in columns.items()}

    def statistics(self, ai_counts: Floats, real_counts: Floats) -> dict[str, Floats]:
        """Compute every figure on counts.

        Args:
            ai_counts: Counts of the AI-generated images in the order of their scores, (R, n).
            real_counts: Counts of the real images in the order of their scores, (R, m).

        Returns:
            By dotted name, each of shape (R,).
        """
        n, m = ai_counts.sum(axis=1), real_counts.sum(axis=1)
        ai, real = ai_counts @ self._matrices[0], real_counts @ self._matrices[1]

        def sums(name: str) -> tuple[Floats, Floats]:
            return ai[:, self._index[name]], real[:, self._index[name]]

        out: dict[str, Floats] = {}
        for point in self._points:
            found, passed = sums(f"points.{point}")
            out[f"points.{point}.accuracy"] = (found + passed) / (n + m)
            out[f"points.{point}.accuracy_ai"] = found / n
            out[f"points.{point}.accuracy_real"] = passed / m
            out[f"points.{point}.balanced_accuracy"] = (found / n + passed / m) / 2
        for name, values in self._ranks.statistics(ai_counts, real_counts).items():
            out[f"ranking.{name}"] = values
        for name in self._shares:
            of_ai, of_real = sums(name)
            out |= {name: (of_ai + of_real) / (n + m), f"{name}_ai": of_ai / n, f"{name}_real": of_real / m}
        if self._brief:
            return out
        bins = [np.abs(np.add(*sums(f"bin{number}"))) for number in range(BINS)]
        out["calibration.ece"] = np.sum(bins, axis=0) / (n + m)
        for name in ("brier", "nll"):
            out[f"calibration.{name}"] = np.add(*sums(name)) / (n + m)
        cost = sums("cllr")
        out["calibration.cllr"] = (cost[0] / n + cost[1] / m) / 2
        kept, wrong, lacking = sums("decided"), sums("wrong"), sums("missed")
        out["selective.coverage"] = (kept[0] + kept[1]) / (n + m)
        out["selective.inconclusive_ai"], out["selective.inconclusive_real"] = 1 - kept[0] / n, 1 - kept[1] / m
        out["selective.miscoverage_ai"], out["selective.miscoverage_real"] = lacking[0] / n, lacking[1] / m
        out["selective.empty"] = (lacking[0] + lacking[1] - wrong[0] - wrong[1]) / (n + m)
        out["selective.error"] = _ratio(wrong[0] + wrong[1], kept[0] + kept[1])
        out["selective.error_ai"], out["selective.error_real"] = _ratio(wrong[0], kept[0]), _ratio(wrong[1], kept[1])
        out["selective.risk_coverage_area"] = self._curve.area(ai_counts, real_counts)
        return out

    def draw(self, groups: tuple[Groups, Groups], rngs: Rngs, resamples: int) -> Drawn:
        """Compute every figure on the sample and on its resamples.

        Args:
            groups: What is drawn together, in the order in which the scores were given.
            rngs: Generators of the two classes' draws.
            resamples: Number of resamples; 0 for none.
        """
        ones = np.ones((1, len(self.ai))), np.ones((1, len(self.real)))
        sample = {name: float(values[0]) for name, values in self.statistics(*ones).items()}
        if not self._brief:
            sample["calibration.min_cllr"] = min_cllr(self.ai, self.real)
        ordered = groups[0][self.order[0]], groups[1][self.order[1]]
        parts = [self.statistics(*counts) for counts in resampled_counts(ordered, rngs, resamples)]
        names = parts[0] if parts else ()
        draws = {name: np.concatenate([part[name] for part in parts]) for name in names}
        if "calibration.ece" in draws:
            draws["calibration.ece"] = _centred(draws["calibration.ece"], sample["calibration.ece"])
        return Drawn(sample, draws)


def _centred(draws: Floats, value: float) -> Floats:
    """Move draws so that their mean is the sample's value, none below 0.

    A sum of absolute values can but grow when noise is added: without this the interval of an ECE
    would lie above the ECE.
    """
    out: Floats = np.maximum(draws - draws.mean() + value, 0)
    return out


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Part over whole, not a number where the whole is nothing."""
    out: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return out
