"""Leave-one-family-out results in Markdown."""

from __future__ import annotations

from cinemae.leaveout.schema import FamilyRow, LeftOut, LeftOutTable
from cinemae.metrics.tables import markdown_figure, markdown_table

HEAD = ["", "ai", "real", "ROC-AUC [95 %]", "balanced [95 %]", "found", "false alarms", "verdicts", "wrong of these"]


def to_markdown(found: LeftOut) -> str:
    """Return the means of all tables, false alarms by kind of real image, then a table a part and treatment."""
    means = [[table.part, *_cells(table.mean, table.variant)] for table in found.tables]
    parts = ["### Means over families\n\n" + markdown_table(["part", "images", *HEAD[1:]], means, 2)]
    if apart := [table for table in found.tables if table.less_than_fused is not None]:
        rows = [
            [table.part, table.variant, markdown_figure(table.less_than_fused, interval=True, signed=True)]
            for table in apart
        ]
        head = ["part alone", "images", "mean ROC-AUC against all parts, paired [95 %]"]
        parts.append("### Parts\n\n" + markdown_table(head, rows, 2))
    parts.append("### False alarms by kind of real image\n\n" + _kinds(found))
    for table in found.tables:
        rows = [_cells(row, row.family) for row in (*table.rows, table.mean)]
        parts.append(f"### {table.part}, {table.variant}\n\n" + markdown_table(HEAD, rows))
    return "\n".join(parts)


def _cells(row: FamilyRow, name: str) -> list[str]:
    point, abstained = row.points.get("stored"), row.selective
    alarms = point.accuracy_real.value if point and point.accuracy_real else None
    return [
        name,
        str(row.n_ai),
        str(row.n_real),
        markdown_figure(row.ranking.roc_auc if row.ranking else None, interval=True),
        markdown_figure(point.balanced_accuracy if point else None, percent=True, interval=True),
        markdown_figure(point.accuracy_ai if point else None, percent=True),
        "-" if alarms is None else f"{100 * (1 - alarms):.1f}",
        markdown_figure(abstained.coverage if abstained else None, percent=True),
        markdown_figure(abstained.error if abstained else None, percent=True),
    ]


def _kinds(found: LeftOut) -> str:
    tables: list[LeftOutTable] = [table for table in found.tables if table.part == "fused"]
    rows = [
        [
            kind.kind,
            table.variant,
            str(kind.n),
            str(kind.sources),
            markdown_figure(kind.false_alarms, percent=True, interval=True),
        ]
        for table in tables
        for kind in table.kinds
    ]
    return markdown_table(["kind", "images", "n", "sources", "called AI at the threshold [95 %]"], rows, 2)
