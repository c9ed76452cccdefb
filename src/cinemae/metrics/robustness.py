"""What corruptions cost: the same images before and after, compared in the same bootstrap resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from cinemae.corruptions import TIERS, Corruption, Tier
from cinemae.metrics.bootstrap import Floats, Interval
from cinemae.metrics.comparison import Drawn, Rule, mean_of
from cinemae.metrics.evaluate import Scored
from cinemae.metrics.schema import Figure
from cinemae.metrics.selective import said
from cinemae.metrics.tables import markdown_figure, markdown_table

CLEAN = "clean"


class RobustnessRow(BaseModel):
    """One corruption, over one generator or a family's mean.

    Attributes:
        corruption: As ``jpeg:50``; ``clean`` for none; ``mean of web`` for the mean over a tier's.
        accuracy: Share of images on the right side of the stored threshold.
        accuracy_ai: The same among AI-generated images.
        accuracy_real: The same among real images.
        balanced_accuracy: Mean of the two.
        roc_auc: Area under the ROC curve.
        delta_accuracy: Accuracy minus that of the clean images, in the same resamples; None for them.
        delta_balanced_accuracy: The same of balanced accuracy.
        delta_roc_auc: The same of the area.
        flipped: Share of images that came to the other side of the stored threshold.
        flipped_ai: The same among AI-generated images.
        flipped_real: The same among real images.
        changed: Share of images whose verdict changed, ``inconclusive`` being one of three.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    corruption: str
    accuracy: Figure
    accuracy_ai: Figure
    accuracy_real: Figure
    balanced_accuracy: Figure
    roc_auc: Figure
    delta_accuracy: Figure | None = None
    delta_balanced_accuracy: Figure | None = None
    delta_roc_auc: Figure | None = None
    flipped: Figure | None = None
    flipped_ai: Figure | None = None
    flipped_real: Figure | None = None
    changed: Figure | None = None


class RobustnessTable(BaseModel):
    """What each corruption costs one head.

    Attributes:
        protocol: Alignment that the images went through before.
        threshold: The stored threshold.
        band: The abstention band.
        images: Number of images that could be measured in every variant; all figures are over them.
        resamples: Number of bootstrap resamples.
        seed: Seed of corruptions and bootstrap.
        generators: Rows by generator, the clean images first.
        means: Rows by family, where a generator of it has both classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    threshold: float
    band: Interval
    images: int
    resamples: int
    seed: int
    generators: dict[str, tuple[RobustnessRow, ...]]
    means: dict[str, tuple[RobustnessRow, ...]]

    def to_markdown(self) -> str:
        """Return the mean ROC-AUC of each family, and its change with the interval, a line a corruption."""
        lines = []
        for rows in zip(*self.means.values(), strict=True):
            cells = [rows[0].corruption]
            for row in rows:
                change = markdown_figure(row.delta_roc_auc, interval=True, signed=True)
                cells.append(markdown_figure(row.roc_auc) + ("" if row.delta_roc_auc is None else f", {change}"))
            lines.append(cells)
        return markdown_table(["corruption", *self.means], lines)

    def details_markdown(self, level: str = "####") -> str:
        """Return a table of all figures for each family."""
        return "\n".join(f"{level} {family}\n\n{_family_table(rows)}" for family, rows in self.means.items())


def _family_table(rows: Sequence[RobustnessRow]) -> str:
    head = ["corruption", "accuracy", "on ai", "on real", "balanced [95 %]", "change [95 %]", "ROC-AUC [95 %]"]
    head += ["change [95 %]", "flips [95 %]", "on ai", "on real", "other verdict"]
    lines = []
    for row in rows:
        lines.append(
            [
                row.corruption,
                *(markdown_figure(f, percent=True) for f in (row.accuracy, row.accuracy_ai, row.accuracy_real)),
                markdown_figure(row.balanced_accuracy, percent=True, interval=True),
                markdown_figure(row.delta_balanced_accuracy, percent=True, interval=True, signed=True),
                markdown_figure(row.roc_auc, interval=True),
                markdown_figure(row.delta_roc_auc, interval=True, signed=True),
                markdown_figure(row.flipped, percent=True, interval=True),
                *(markdown_figure(f, percent=True) for f in (row.flipped_ai, row.flipped_real, row.changed)),
            ]
        )
    return markdown_table(head, lines)


def robustness(
    clean: Scored,
    corrupted: Mapping[Corruption, Floats],
    threshold: float,
    band: Interval,
    *,
    protocol: str,
    families: Mapping[str, Sequence[str]],
    tiers: Sequence[Tier] = (),
    resamples: int = 1000,
    seed: int = 0,
) -> RobustnessTable:
    """Compare the same images before and after each corruption.

    The resamples of a generator depend on its images' sources only, so that clean and corrupted
    images are drawn together, and the interval of a difference is that of the paired difference.

    Args:
        clean: The images as they were.
        corrupted: P(AI-generated) of the same images, in the same order, after each corruption, shape (n,).
        threshold: The stored threshold.
        band: The abstention band.
        protocol: Alignment that all went through.
        families: Generators of each mean.
        tiers: Tiers that get a mean over those of their corruptions that were measured.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.
    """
    rule = Rule({"stored": threshold}, band)
    before = clean.draw(rule, resamples=resamples, seed=seed, brief=True)
    after: dict[str, dict[str, Drawn]] = {}
    for corruption, p in corrupted.items():
        shares = {
            "flipped": ((p >= threshold) != (clean.p >= threshold)) * 1.0,
            "changed": (_verdicts(p, rule) != _verdicts(clean.p, rule)) * 1.0,
        }
        after[str(corruption)] = clean.scored_as(p).draw(
            rule, resamples=resamples, seed=seed, shares=shares, brief=True
        )
    for tier in tiers:
        members = [after[str(corruption)] for corruption in TIERS[tier] if corruption in corrupted]
        if members:
            after[f"mean of {tier}"] = {name: mean_of([part[name] for part in members]) for name in before}
    means = {}
    for family, generators in families.items():
        if used := [name for name in before if name in generators]:
            averaged = {key: mean_of([part[name] for name in used]) for key, part in after.items()}
            means[family] = _rows(mean_of([before[name] for name in used]), averaged)
    return RobustnessTable(
        protocol=protocol,
        threshold=threshold,
        band=band,
        images=len(clean.p),
        resamples=resamples,
        seed=seed,
        generators={
            name: _rows(drawn, {key: part[name] for key, part in after.items()}) for name, drawn in before.items()
        },
        means=means,
    )


def _verdicts(p: Floats, rule: Rule) -> Floats:
    """0.0 for real, 1.0 for AI-generated, 0.5 for no verdict."""
    ai, real = said(p, rule.band)
    verdicts: Floats = np.where(ai, 1.0, np.where(real, 0.0, 0.5))
    return verdicts


def _rows(clean: Drawn, corrupted: Mapping[str, Drawn]) -> tuple[RobustnessRow, ...]:
    return (_row(CLEAN, clean, {}), *(_row(name, part, (part - clean).figures()) for name, part in corrupted.items()))


def _row(name: str, drawn: Drawn, deltas: Mapping[str, Figure]) -> RobustnessRow:
    figures = drawn.figures()
    places = {
        part: f"points.stored.{part}" for part in ("accuracy", "accuracy_ai", "accuracy_real", "balanced_accuracy")
    } | {"roc_auc": "ranking.roc_auc"}
    values = {part: figures[place] for part, place in places.items()}
    values |= {part: figures[part] for part in ("flipped", "flipped_ai", "flipped_real", "changed") if part in figures}
    for part in ("accuracy", "balanced_accuracy", "roc_auc"):
        if places[part] in deltas:
            values[f"delta_{part}"] = deltas[places[part]]
    return RobustnessRow.model_validate({"corruption": name, **values})
