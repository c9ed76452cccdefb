"""How well scores separate the classes: per generator, with bootstrap intervals.

Point estimates are scikit-learn's. The intervals are 95 % percentile intervals of a bootstrap that
resamples each class on its own: whole sources when the class has at least ``min_sources`` of them
(images of one source are not independent), otherwise single images. Resampled copies are never
made; a resample is a vector of counts, and the statistics are computed on the counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from cinemae.data.bootstrap import (
    Floats,
    Interval,
    bootstrap_groups,
    bootstrap_statistics,
    percentile_interval,
)
from cinemae.data.seeding import rng_for

MIN_SOURCES = 5
_FIGURES = ("accuracy", "accuracy_ai", "accuracy_real", "balanced_accuracy", "roc_auc", "average_precision")


class GeneratorRow(BaseModel):
    """The figures of one generator. A figure that needs a class which is absent is None.

    Attributes:
        generator: Its name.
        n_ai: Number of AI-generated images.
        n_real: Number of real images.
        sources_ai: Number of distinct sources of the AI-generated images.
        sources_real: Number of distinct sources of the real images.
        accuracy: Share of all images on the right side of the threshold.
        accuracy_ai: The same among AI-generated images (sensitivity).
        accuracy_real: The same among real images (specificity).
        balanced_accuracy: Mean of the two.
        balanced_accuracy_interval: Its 95 % bootstrap interval.
        roc_auc: Area under the ROC curve, AI-generated being positive.
        roc_auc_interval: Its 95 % bootstrap interval.
        average_precision: Average precision, AI-generated being positive. Depends on the classes' shares.
    """

    model_config = ConfigDict(frozen=True)

    generator: str
    n_ai: int
    n_real: int
    sources_ai: int
    sources_real: int
    accuracy: float
    accuracy_ai: float | None = None
    accuracy_real: float | None = None
    balanced_accuracy: float | None = None
    balanced_accuracy_interval: Interval | None = None
    roc_auc: float | None = None
    roc_auc_interval: Interval | None = None
    average_precision: float | None = None


class MeanRow(BaseModel):
    """Unweighted mean over the generators of one family.

    Attributes:
        family: The family's name.
        generators: Those the mean is over.
        missing: Those of the family that have no row, or one class only.
        accuracy: Mean accuracy; the other figures likewise, None when no generator counts.
        roc_auc_interval: 95 % interval of the mean, the generators being resampled independently.
    """

    model_config = ConfigDict(frozen=True)

    family: str
    generators: tuple[str, ...]
    missing: tuple[str, ...] = ()
    accuracy: float | None = None
    accuracy_ai: float | None = None
    accuracy_real: float | None = None
    balanced_accuracy: float | None = None
    balanced_accuracy_interval: Interval | None = None
    roc_auc: float | None = None
    roc_auc_interval: Interval | None = None
    average_precision: float | None = None


class EvaluationTable(BaseModel):
    """Rows per generator and means per family, with what they were computed with.

    Attributes:
        threshold: A score at or above it counts as AI-generated.
        resamples: Number of bootstrap resamples; 0 = no intervals.
        seed: Seed of the bootstrap.
        rows: One row a generator, in order of first appearance.
        means: One row a family.
    """

    model_config = ConfigDict(frozen=True)

    threshold: float
    resamples: int
    seed: int
    rows: tuple[GeneratorRow, ...]
    means: tuple[MeanRow, ...]

    def row(self, generator: str) -> GeneratorRow:
        """Return the row of one generator.

        Raises:
            KeyError: If there is none.
        """
        for row in self.rows:
            if row.generator == generator:
                return row
        raise KeyError(generator)

    def to_markdown(self) -> str:
        """Return the table in Markdown, shares in per cent, areas as fractions, intervals in brackets."""
        head = [
            "generator",
            "ai",
            "real",
            "accuracy",
            "on ai",
            "on real",
            "balanced [95 %]",
            "ROC-AUC [95 %]",
            "AP",
        ]
        lines = [markdown_line(head), markdown_line(["---"] + ["---:"] * (len(head) - 1))]
        for row in self.rows:
            lines.append(markdown_line([row.generator, str(row.n_ai), str(row.n_real), *_cells(row)]))
        for mean in self.means:
            total = len(mean.generators) + len(mean.missing)
            name = f"**mean of {mean.family}** ({len(mean.generators)} of {total})"
            lines.append(markdown_line([name, "", "", *_cells(mean)]))
        return "\n".join(lines) + "\n"


def evaluate_scores(
    scores: ArrayLike,
    labels: ArrayLike,
    generators: Sequence[str],
    sources: Sequence[str],
    threshold: float,
    *,
    families: Mapping[str, Sequence[str]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    min_sources: int = MIN_SOURCES,
) -> EvaluationTable:
    """Evaluate scores per generator and on average.

    Args:
        scores: Shape (n,), finite; higher = more likely AI-generated.
        labels: Shape (n,), 1 = AI-generated, 0 = real.
        generators: The comparison each image belongs to, n names.
        sources: Where each image comes from, n names.
        threshold: A score at or above it counts as AI-generated.
        families: Generators of each mean row, by the row's name; None for one mean over all.
        resamples: Number of bootstrap resamples; 0 leaves the intervals out.
        seed: Seed of the bootstrap; a generator's intervals do not depend on the other generators.
        min_sources: From this number of sources on, a class is resampled by source.

    Returns:
        The table.

    Raises:
        ValueError: If lengths differ, nothing is given, a score is not finite, or a label is
            neither 0 nor 1.
    """
    values, truth = _checked(scores, labels, generators, sources)
    names, origin = np.asarray(generators, dtype=str), np.asarray(sources, dtype=str)
    rows: list[GeneratorRow] = []
    draws: dict[str, Floats] = {}
    for name in dict.fromkeys(generators):
        mine = names == name
        ai, real = mine & truth, mine & ~truth
        row = _point_estimates(name, values, truth, origin, ai, real, threshold)
        if row.roc_auc is not None:
            rngs = rng_for(seed, f"{name}/ai"), rng_for(seed, f"{name}/real")
            groups = bootstrap_groups(origin[ai], min_sources), bootstrap_groups(origin[real], min_sources)
            drawn = bootstrap_statistics(values[ai], values[real], threshold, groups, rngs, resamples)
            draws[name] = drawn
            row = row.model_copy(update=_intervals(drawn))
        rows.append(row)
    families = families if families is not None else {"all": list(dict.fromkeys(generators))}
    means = tuple(_mean_row(family, members, rows, draws) for family, members in families.items())
    return EvaluationTable(threshold=threshold, resamples=resamples, seed=seed, rows=tuple(rows), means=means)


def _checked(
    scores: ArrayLike, labels: ArrayLike, generators: Sequence[str], sources: Sequence[str]
) -> tuple[Floats, NDArray[np.bool_]]:
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    lengths = {values.size, truth.size, len(generators), len(sources)}
    if values.ndim != 1 or truth.ndim != 1 or len(lengths) != 1 or not values.size:
        raise ValueError(
            f"scores {values.shape}, labels {truth.shape}, {len(generators)} generators and "
            f"{len(sources)} sources must be of one length, at least 1"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(values))} of {values.size} scores are not finite")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1, got {np.unique(truth).tolist()}")
    return values, truth.astype(bool)


def _point_estimates(
    name: str,
    scores: Floats,
    truth: NDArray[np.bool_],
    origin: NDArray[np.str_],
    ai: NDArray[np.bool_],
    real: NDArray[np.bool_],
    threshold: float,
) -> GeneratorRow:
    from sklearn.metrics import (
        accuracy_score,
        average_precision_score,
        balanced_accuracy_score,
        roc_auc_score,
    )

    mine = ai | real
    said = scores >= threshold
    figures: dict[str, object] = {"accuracy": float(accuracy_score(truth[mine], said[mine]))}
    for column, part in (("accuracy_ai", ai), ("accuracy_real", real)):
        if part.any():
            figures[column] = float(accuracy_score(truth[part], said[part]))
    if ai.any() and real.any():
        figures["balanced_accuracy"] = float(balanced_accuracy_score(truth[mine], said[mine]))
        figures["roc_auc"] = float(roc_auc_score(truth[mine], scores[mine]))
        figures["average_precision"] = float(average_precision_score(truth[mine], scores[mine]))
    counts = {
        "n_ai": int(ai.sum()),
        "n_real": int(real.sum()),
        "sources_ai": len(np.unique(origin[ai])),
        "sources_real": len(np.unique(origin[real])),
    }
    return GeneratorRow.model_validate({"generator": name, **counts, **figures})


def _mean_row(
    family: str, members: Sequence[str], rows: Sequence[GeneratorRow], draws: Mapping[str, Floats]
) -> MeanRow:
    used = [row for row in rows if row.generator in members and row.generator in draws]
    figures: dict[str, object] = {}
    if used:
        for column in _FIGURES:
            figures[column] = float(np.mean([getattr(row, column) for row in used]))
        figures |= _intervals(np.mean([draws[row.generator] for row in used], axis=0))
    names = tuple(row.generator for row in used)
    missing = tuple(name for name in members if name not in names)
    return MeanRow.model_validate({"family": family, "generators": names, "missing": missing, **figures})


def _intervals(drawn: Floats) -> dict[str, Interval | None]:
    return {
        "roc_auc_interval": percentile_interval(drawn[:, 0]),
        "balanced_accuracy_interval": percentile_interval(drawn[:, 1]),
    }


def markdown_line(cells: Sequence[str]) -> str:
    """Return one row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cells(row: GeneratorRow | MeanRow) -> list[str]:
    accuracies = [markdown_number(value, percent=True) for value in (row.accuracy, row.accuracy_ai, row.accuracy_real)]
    balanced = markdown_number(row.balanced_accuracy, row.balanced_accuracy_interval, percent=True)
    return [
        *accuracies,
        balanced,
        markdown_number(row.roc_auc, row.roc_auc_interval),
        markdown_number(row.average_precision),
    ]


def markdown_number(value: float | None, interval: Interval | None = None, *, percent: bool = False) -> str:
    """Return a figure with its interval, as a fraction or in per cent; "-" for None."""
    if value is None:
        return "-"
    text = [f"{100 * number:.1f}" if percent else f"{number:.3f}" for number in (value, *(interval or ()))]
    return text[0] if interval is None else f"{text[0]} [{text[1]}, {text[2]}]"
