"""Evaluation tables in Markdown: shares in per cent, areas and costs as plain numbers, intervals in brackets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cinemae.metrics.schema import EvaluationTable, Figure, GeneratorRow, MeanRow, PointFigures, PointName

Row = GeneratorRow | MeanRow
TITLES: dict[PointName, str] = {"half": "0.5", "stored": "stored", "far_1": "1 % FAR", "far_5": "5 % FAR"}


def markdown_line(cells: Sequence[str]) -> str:
    """Return one row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table whose first ``words`` columns are text and the others numbers."""
    marks = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join([markdown_line(head), markdown_line(marks), *map(markdown_line, rows)]) + "\n"


def markdown_figure(
    figure: Figure | None, *, percent: bool = False, interval: bool = False, signed: bool = False
) -> str:
    """Return a figure, as a fraction or in per cent, with its interval if asked; "-" for None."""
    if figure is None:
        return "-"
    numbers = [figure.value, *(figure.interval or ())] if interval else [figure.value]
    form = ("+" if signed else "") + (".1f" if percent else ".3f")
    text = [format(100 * number if percent else number, form) for number in numbers]
    return text[0] if len(text) == 1 else f"{text[0]} [{text[1]}, {text[2]}]"


def row_name(row: Row) -> str:
    """Return what stands at the start of a row."""
    if isinstance(row, GeneratorRow):
        return row.generator
    return f"**mean of {row.family}** ({len(row.generators)} of {len(row.generators) + len(row.missing)})"


def main_table(table: EvaluationTable) -> str:
    """Return the table that is shown first: figures at the stored threshold, ROC-AUC and AP."""
    head = ["generator", "ai", "real", "accuracy", "on ai", "on real", "balanced [95 %]", "ROC-AUC [95 %]", "AP"]
    rows = []
    for row in _all(table):
        counts = [str(row.n_ai), str(row.n_real)] if isinstance(row, GeneratorRow) else ["", ""]
        point, ranking = row.points.get("stored"), row.ranking
        rows.append(
            [
                row_name(row),
                *counts,
                *(markdown_figure(value, percent=True) for value in _split(point)),
                markdown_figure(point.balanced_accuracy if point else None, percent=True, interval=True),
                markdown_figure(ranking.roc_auc if ranking else None, interval=True),
                markdown_figure(ranking.average_precision if ranking else None),
            ]
        )
    return markdown_table(head, rows)


def detail_tables(table: EvaluationTable, level: str = "####") -> str:
    """Return operating points, detection at few false alarms, calibration and abstention."""
    whose = "evaluated images" if table.thresholds_from == "evaluated" else "calibration set"
    values = ", ".join(f"{TITLES[name]} {value:.3f}" for name, value in table.thresholds.items() if name != "half")
    low, high = table.band
    made = "" if table.alpha is None else f", made for at most {100 * table.alpha:g} % missed"
    parts = [
        f"{level} Operating points",
        f"Accuracy (on ai / on real) and balanced accuracy. Thresholds: {values}; those of 1 and 5 % false alarms "
        f"(FAR) were chosen on the {table.thresholds_real} real images of the {whose}, all generators together.",
        _operating(table),
        f"{level} Few false alarms and calibration",
        "Pd: share of AI images found at 1 and 5 % false alarms among the row's own real images. ECE over 15 bins of "
        "equal mass, NLL in nats, Cllr in bits (1 = says nothing).",
        _rows(
            table, ["Pd@1 % [95 %]", "Pd@5 % [95 %]", "ECE [95 %]", "Brier", "NLL", "Cllr [95 %]", "min Cllr"], _costs
        ),
        f"{level} Abstention",
        f"Band {low:.3f} to {high:.3f}{made}. Coverage: share of images with a verdict. Error: share of wrong verdicts "
        "where there is one. Missed: share of a class whose verdict set lacks it. Empty: share of sets of no class.",
        _rows(
            table,
            [
                *("coverage [95 %]", "inconclusive ai", "real", "error [95 %]", "on ai", "on real"),
                *("missed ai [95 %]", "missed real [95 %]", "empty", "risk-coverage area [95 %]"),
            ],
            _abstention,
        ),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _all(table: EvaluationTable) -> list[Row]:
    return [*table.rows, *table.means]


def _split(point: PointFigures | None) -> tuple[Figure | None, Figure | None, Figure | None]:
    return (point.accuracy, point.accuracy_ai, point.accuracy_real) if point else (None, None, None)


def _operating(table: EvaluationTable) -> str:
    head = ["generator"]
    for name in table.thresholds:
        head += [TITLES[name], "balanced"]
    rows = []
    for row in _all(table):
        cells = [row_name(row)]
        for name in table.thresholds:
            point = row.points.get(name)
            accuracy, ai, real = (markdown_figure(value, percent=True) for value in _split(point))
            cells.append(f"{accuracy} ({ai} / {real})" if point else "-")
            cells.append(markdown_figure(point.balanced_accuracy if point else None, percent=True))
        rows.append(cells)
    return markdown_table(head, rows)


def _rows(table: EvaluationTable, titles: Sequence[str], cells: Callable[[Row], Iterator[str]]) -> str:
    """A table of the rows that have both classes; the others are in the main table."""
    rows = [[row_name(row), *cells(row)] for row in _all(table) if row.ranking]
    return markdown_table(["generator", *titles], rows)


def _costs(row: Row) -> Iterator[str]:
    ranking, cost = row.ranking, row.calibration
    for figure in (ranking.pd_far_1, ranking.pd_far_5) if ranking else (None, None):
        yield markdown_figure(figure, percent=True, interval=True)
    yield markdown_figure(cost.ece if cost else None, interval=True)
    yield markdown_figure(cost.brier if cost else None)
    yield markdown_figure(cost.nll if cost else None)
    yield markdown_figure(cost.cllr if cost else None, interval=True)
    yield markdown_figure(cost.min_cllr if cost else None)


def _abstention(row: Row) -> Iterator[str]:
    part = row.selective
    yield markdown_figure(part.coverage if part else None, percent=True, interval=True)
    yield markdown_figure(part.inconclusive_ai if part else None, percent=True)
    yield markdown_figure(part.inconclusive_real if part else None, percent=True)
    yield markdown_figure(part.error if part else None, percent=True, interval=True)
    yield markdown_figure(part.error_ai if part else None, percent=True)
    yield markdown_figure(part.error_real if part else None, percent=True)
    yield markdown_figure(part.miscoverage_ai if part else None, percent=True, interval=True)
    yield markdown_figure(part.miscoverage_real if part else None, percent=True, interval=True)
    yield markdown_figure(part.empty if part else None, percent=True)
    yield markdown_figure(part.risk_coverage_area if part else None, interval=True)
