"""The tables of a report, each number with the place in the evaluation that it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cinemae.metrics.robustness import RobustnessTable
from cinemae.metrics.schema import EvaluationTable, Figure, GeneratorRow, MeanRow, PointName
from cinemae.report.cells import MISSING, count_cell, figure_cell, pointer
from cinemae.report.schema import Cell, Column, Row, Table

FEW = 40
"""A class with fewer images than this is marked."""


@dataclass(frozen=True)
class Spec:
    """A column of figures.

    Attributes:
        title: What stands above it.
        place: Where the figure is in a row, with dots.
        percent: Whether it is a share that is shown in per cent.
        signed: Whether a plus is written.
        group: What stands above several columns.
    """

    title: str
    place: str
    percent: bool = False
    signed: bool = False
    group: str = ""


_POINTS: Mapping[PointName, str] = {"half": "0.5", "stored": "stored", "far_1": "1 % false alarms", "far_5": "5 %"}
MAIN = (
    Spec("all", "points.stored.accuracy", percent=True, group="accuracy, %"),
    Spec("on AI", "points.stored.accuracy_ai", percent=True, group="accuracy, %"),
    Spec("on real", "points.stored.accuracy_real", percent=True, group="accuracy, %"),
    Spec("balanced", "points.stored.balanced_accuracy", percent=True, group="accuracy, %"),
    Spec("ROC-AUC", "ranking.roc_auc"),
    Spec("AP", "ranking.average_precision"),
)
COSTS = (
    Spec("at 1 %", "ranking.pd_far_1", percent=True, group="AI found, %, at false alarms of"),
    Spec("at 5 %", "ranking.pd_far_5", percent=True, group="AI found, %, at false alarms of"),
    Spec("ECE", "calibration.ece", group="calibration"),
    Spec("Brier", "calibration.brier", group="calibration"),
    Spec("NLL", "calibration.nll", group="calibration"),
    Spec("Cllr", "calibration.cllr", group="calibration"),
    Spec("min Cllr", "calibration.min_cllr", group="calibration"),
)
ABSTENTION = (
    Spec("coverage, %", "selective.coverage", percent=True),
    Spec("of AI", "selective.inconclusive_ai", percent=True, group="no verdict, %"),
    Spec("of real", "selective.inconclusive_real", percent=True, group="no verdict, %"),
    Spec("all", "selective.error", percent=True, group="wrong verdicts, %"),
    Spec("on AI", "selective.error_ai", percent=True, group="wrong verdicts, %"),
    Spec("on real", "selective.error_real", percent=True, group="wrong verdicts, %"),
    Spec("of AI", "selective.miscoverage_ai", percent=True, group="class not in the set, %"),
    Spec("of real", "selective.miscoverage_real", percent=True, group="class not in the set, %"),
    Spec("empty sets, %", "selective.empty", percent=True),
    Spec("risk-coverage area", "selective.risk_coverage_area"),
)
BESIDE = (
    Spec("ROC-AUC", "ranking.roc_auc"),
    Spec("balanced, %", "points.stored.balanced_accuracy", percent=True),
)
ROBUSTNESS = (
    Spec("all", "accuracy", percent=True, group="accuracy, %"),
    Spec("on AI", "accuracy_ai", percent=True, group="accuracy, %"),
    Spec("on real", "accuracy_real", percent=True, group="accuracy, %"),
    Spec("balanced", "balanced_accuracy", percent=True, group="accuracy, %"),
    Spec("change", "delta_balanced_accuracy", percent=True, signed=True, group="accuracy, %"),
    Spec("ROC-AUC", "roc_auc", group="ranking"),
    Spec("change", "delta_roc_auc", signed=True, group="ranking"),
    Spec("all", "flipped", percent=True, group="verdicts that flip, %"),
    Spec("on AI", "flipped_ai", percent=True, group="verdicts that flip, %"),
    Spec("on real", "flipped_real", percent=True, group="verdicts that flip, %"),
)


def find(row: Any, place: str) -> Figure | None:
    """Return the figure at a dotted place of a row, None where there is none."""
    for part in place.split("."):
        row = row.get(part) if isinstance(row, Mapping) else getattr(row, part, None)
    return row if isinstance(row, Figure) else None


def cells_of(row: Any, place: str, specs: Sequence[Spec], *, interval: bool = True) -> list[Cell]:
    """Return the cells of a row.

    Args:
        row: The row.
        place: JSON pointer to it.
        specs: The columns.
        interval: Show intervals.
    """
    return [
        figure_cell(
            find(row, spec.place),
            place + pointer(*spec.place.split(".")),
            percent=spec.percent,
            signed=spec.signed,
            interval=interval,
        )
        for spec in specs
    ]


def columns_of(specs: Sequence[Spec]) -> tuple[Column, ...]:
    """Return the columns' titles."""
    return tuple(Column(title=spec.title, group=spec.group) for spec in specs)


def few_note(row: GeneratorRow | MeanRow) -> str:
    """Return a word of caution for a generator of few images."""
    if isinstance(row, MeanRow):
        return f"{len(row.generators)} of {len(row.generators) + len(row.missing)}"
    return "few" if min(row.n_ai, row.n_real) < FEW else ""


def _rows(
    table: EvaluationTable, head: str, protocol: str, specs: Sequence[Spec], *, counts: bool = False, all_rows: bool
) -> list[Row]:
    rows = []
    base = pointer("tables", head, protocol)
    parts: Mapping[str, Sequence[GeneratorRow | MeanRow]] = {"rows": table.rows, "means": table.means}
    for part, found in parts.items():
        for number, row in enumerate(found):
            if not all_rows and not row.ranking:
                continue
            place = base + pointer(part, number)
            cells = cells_of(row, place, specs)
            if counts:
                cells = [*_counts(row, place), *cells]
            rows.append(_row(row, cells))
    return rows


def _counts(row: GeneratorRow | MeanRow, place: str) -> list[Cell]:
    if isinstance(row, MeanRow):
        return [Cell(text=""), Cell(text="")]
    return [count_cell(row.n_ai, f"{place}/n_ai"), count_cell(row.n_real, f"{place}/n_real")]


def _row(row: GeneratorRow | MeanRow, cells: Sequence[Cell]) -> Row:
    if isinstance(row, MeanRow):
        return Row(name=f"mean of {row.family}", note=few_note(row), cells=tuple(cells), mean=True)
    return Row(name=row.generator, note=few_note(row), cells=tuple(cells))


def protocol_tables(table: EvaluationTable, head: str, protocol: str, prefix: str) -> list[Table]:
    """Return the tables of one head under one protocol: main figures, operating points, costs, abstention."""
    whose = "evaluated images" if table.thresholds_from == "evaluated" else "calibration set"
    low, high = table.band
    columns = (Column(title="AI", group="images"), Column(title="real", group="images"))
    points = [
        Spec(title, f"points.{name}.{field}", percent=True, group=_threshold_title(table, name))
        for name in table.thresholds
        for title, field in (
            ("all", "accuracy"), ("AI", "accuracy_ai"), ("real", "accuracy_real"), ("balanced", "balanced_accuracy"),
        )
    ]  # fmt: skip
    bare = [
        row.model_copy(update={"cells": tuple(_without_interval(cell) for cell in row.cells)})
        for row in _rows(table, head, protocol, points, all_rows=True)
    ]
    return [
        Table(
            id=f"{prefix}-main",
            title=f"{protocol}: at the stored threshold of {table.threshold:.3f}",
            note="Small: 95 % bootstrap intervals. few: fewer than 40 images of a class.",
            columns=(*columns, *columns_of(MAIN)),
            rows=tuple(_rows(table, head, protocol, MAIN, counts=True, all_rows=True)),
        ),
        Table(
            id=f"{prefix}-points",
            title=f"{protocol}: accuracy in % at four thresholds",
            note=f"The thresholds of 1 and 5 % false alarms were chosen on the {table.thresholds_real} real images of "
            f"the {whose}, all generators together.",
            columns=columns_of(points),
            rows=tuple(bare),
        ),
        Table(
            id=f"{prefix}-costs",
            title=f"{protocol}: few false alarms, and calibration",
            note="False alarms among the row's own real images; with fewer than 100 of them, 1 % is none. NLL in nats, "
            "Cllr in bits: 0 is perfect, 1 says nothing; what Cllr is above min Cllr is miscalibration.",
            columns=columns_of(COSTS),
            rows=tuple(_rows(table, head, protocol, COSTS, all_rows=False)),
        ),
        Table(
            id=f"{prefix}-abstention",
            title=f"{protocol}: abstention",
            note=f"No verdict between {low:.3f} and {high:.3f}{_promise(table)}. Coverage: share of images with a "
            "verdict; wrong verdicts: share among those.",
            columns=columns_of(ABSTENTION),
            rows=tuple(_rows(table, head, protocol, ABSTENTION, all_rows=False)),
        ),
    ]


def _promise(table: EvaluationTable) -> str:
    if table.alpha is None:
        return ""
    return (
        f", which was made so that at most {100 * table.alpha:g} % of each class get a set of verdicts without it, if "
        "they are like the calibration's images"
    )


def _threshold_title(table: EvaluationTable, name: PointName) -> str:
    return f"{_POINTS[name]}" if name == "half" else f"{_POINTS[name]} ({table.thresholds[name]:.3f})"


def _without_interval(cell: Cell) -> Cell:
    return cell.model_copy(update={"interval": None, "interval_text": ""})


def beside_table(tables: Mapping[str, EvaluationTable], head: str, prefix: str) -> Table:
    """Compare the protocols, each generator on one line."""
    first = next(iter(tables.values()))
    rows = []
    parts: Mapping[str, Sequence[GeneratorRow | MeanRow]] = {"rows": first.rows, "means": first.means}
    for part, found in parts.items():
        for row in found:
            cells = []
            for protocol, table in tables.items():
                others: Sequence[GeneratorRow | MeanRow] = getattr(table, part)
                number = next((n for n, other in enumerate(others) if _name(other) == _name(row)), None)
                if number is None:
                    cells += [Cell(text=MISSING)] * len(BESIDE)
                else:
                    cells += cells_of(others[number], pointer("tables", head, protocol, part, number), BESIDE)
            rows.append(_row(row, cells))
    return Table(
        id=f"{prefix}-beside",
        title="Raw and aligned, side by side",
        note="Balanced accuracy at the stored threshold. Small: 95 % bootstrap intervals.",
        columns=tuple(Column(title=spec.title, group=protocol) for protocol in tables for spec in BESIDE),
        rows=tuple(rows),
    )


def _name(row: GeneratorRow | MeanRow) -> str:
    return row.family if isinstance(row, MeanRow) else row.generator


def families_table(tables: Mapping[str, Mapping[str, EvaluationTable]]) -> Table:
    """Compare heads and protocols in the families' mean ROC-AUC."""
    rows, families = [], list[str]()
    for head, by_protocol in tables.items():
        for protocol, table in by_protocol.items():
            families = families or [mean.family for mean in table.means]
            cells = [
                figure_cell(
                    mean.ranking.roc_auc if mean.ranking else None,
                    pointer("tables", head, protocol, "means", number, "ranking", "roc_auc"),
                )
                for number, mean in enumerate(table.means)
            ]
            rows.append(Row(name=head, note=protocol, cells=tuple(cells)))
    return Table(
        id="heads",
        title="Mean ROC-AUC of the families",
        note="Small: 95 % bootstrap intervals.",
        first="head, protocol",
        columns=tuple(Column(title=family) for family in families),
        rows=tuple(rows),
    )


def robustness_rows(table: RobustnessTable, head: str, family: str, prefix: str) -> Table:
    """Return what each corruption does to the mean of one family."""
    rows = [
        Row(
            name=row.corruption,
            cells=tuple(cells_of(row, pointer("robustness", head, "means", family, number), ROBUSTNESS)),
            mean=row.corruption.startswith("mean of"),
        )
        for number, row in enumerate(table.means[family])
    ]
    return Table(
        id=f"{prefix}-corruptions",
        title=f"Corruptions, mean of {family}",
        note="Changes are against the same images as they were. A verdict flips when it comes to the other side of the "
        "stored threshold.",
        first="corruption",
        columns=columns_of(ROBUSTNESS),
        rows=tuple(rows),
    )
