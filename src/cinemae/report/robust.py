"""Robustness as charts and a table: what each corruption costs, severity by severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cinemae.corruptions.registry import KINDS
from cinemae.metrics.robustness import CLEAN, RobustnessRow, RobustnessTable
from cinemae.metrics.schema import Figure
from cinemae.report.charts import FAMILY_ROLES, forest_series
from cinemae.report.panels import Axis, Chart, Mark, Panel, Series
from cinemae.report.schema import Table
from cinemae.report.tables import robustness_rows

UNITS: Mapping[str, str] = {
    "jpeg": "JPEG quality",
    "double-jpeg": "quality of the second JPEG",
    "webp": "WebP quality",
    "avif": "AVIF quality",
    "scale": "scaled by",
    "rescale": "scaled down to, and up again",
    "blur": "blur, standard deviation in pixels",
    "noise": "noise, standard deviation in grey levels",
    "sharpen": "unsharp mask, %",
    "crop": "share of each side that stays",
    "rotate": "rotated by, degrees",
    "saturation": "saturation, factor",
    "hue": "hue turned by, degrees",
    "gamma": "gamma",
    "text": "height of overlaid text, % of the image",
    "screenshot": "screenshot, JPEG quality",
    "social": "uploads to social media",
}
"""What a severity is, by the corruption's name."""

_SEVERITY_FIGURES = (("area", "ROC-AUC", "roc_auc", False), ("accuracy", "Accuracy, %", "accuracy", True))


def robustness_blocks(table: RobustnessTable, head: str, prefix: str) -> list[Chart | Table]:
    """Return the curves of corruptions of several severities, all corruptions together, and the table."""
    families = list(table.means)[: len(FAMILY_ROLES)]
    blocks: list[Chart | Table] = []
    kinds = _curves(table, families)
    legend = tuple(zip(FAMILY_ROLES, families, strict=False))
    caption = f"{table.images} images after {table.protocol} alignment, the same before and after. Intervals 95 %."
    for name, title, field, percent in _SEVERITY_FIGURES if kinds else ():
        panels = [_kind_panel(table, kind, kinds[kind], families, title, field, percent=percent) for kind in kinds]
        blocks.append(
            Chart(
                id=f"{prefix}-severity-{name}",
                title=f"{title.partition(',')[0]} over the severity",
                caption=f"{caption} Left: no corruption; milder ones first. Line at 0.5: chance.",
                legend=legend,
                panels=tuple(panels),
            )
        )
    blocks.append(
        Chart(
            id=f"{prefix}-cost",
            title="What each corruption costs",
            caption=f"Change of the mean against the clean images, paired. {caption}",
            legend=legend,
            panels=(
                _cost_panel(table, families, "ROC-AUC", "delta_roc_auc", percent=False),
                _cost_panel(
                    table, families, "balanced accuracy, points of 100", "delta_balanced_accuracy", percent=True
                ),
            ),
        )
    )
    blocks += [robustness_rows(table, head, family, f"{prefix}-{number}") for number, family in enumerate(table.means)]
    return blocks


def _curves(table: RobustnessTable, families: Sequence[str]) -> dict[str, list[str]]:
    """Return the corruptions that were measured at several severities, mild ones first."""
    kinds: dict[str, list[str]] = {}
    for row in next(iter(table.means.values()), ()):
        name, colon, _ = row.corruption.partition(":")
        if colon:
            kinds.setdefault(name, []).append(row.corruption)
    return {name: sorted(texts, key=_mildness) for name, texts in kinds.items() if len(texts) > 1}


def _mildness(text: str) -> tuple[int, float]:
    name, _, number = text.partition(":")
    order = KINDS[name].severities if name in KINDS else ()
    severity = float(number)
    if severity in order:
        return order.index(severity), 0.0
    falling = len(order) > 1 and order[0] > order[-1]
    return len(order), -severity if falling else severity


def _kind_panel(
    table: RobustnessTable,
    kind: str,
    texts: Sequence[str],
    families: Sequence[str],
    title: str,
    field: str,
    *,
    percent: bool,
) -> Panel:
    places = [CLEAN, *texts]
    series, lowest, highest = [], 0.5, 0.6
    for number, (role, family) in enumerate(zip(FAMILY_ROLES, families, strict=False)):
        rows = {row.corruption: row for row in table.means[family]}
        figures: list[Figure] = [getattr(rows[place], field) for place in places]
        ends = [figure.interval or (figure.value, figure.value) for figure in figures]
        shift = 0.08 * (number - (len(families) - 1) / 2)
        series.append(
            Series(
                role=role,
                name=family,
                x=tuple(place + shift for place in range(len(places))),
                y=tuple(figure.value for figure in figures),
                low=tuple(end[0] for end in ends),
                high=tuple(end[1] for end in ends),
                style="line-points",
            )
        )
        lowest, highest = min([lowest, *series[-1].low]), max([highest, *series[-1].high])
    return Panel(
        title=kind,
        x=Axis(
            title=UNITS.get(kind, kind),
            low=-0.4,
            high=len(places) - 0.6,
            ticks=tuple(map(float, range(len(places)))),
            names=("none", *(text.partition(":")[2] for text in texts)),
        ),
        y=Axis(title=title, low=max(lowest - 0.03, 0), high=min(highest + 0.03, 1.01), percent=percent),
        series=tuple(series),
        marks=(Mark(axis="y", at=0.5),),
        size=(3.3, 2.5),
        keys=None,
    )


def _cost_panel(table: RobustnessTable, families: Sequence[str], axis: str, field: str, *, percent: bool) -> Panel:
    some = [row.corruption for row in table.means[families[0]] if row.corruption != CLEAN] if families else []
    names = some[::-1]
    series, ends = [], [0.0]
    shift = 0.2 if len(families) > 1 else 0.0
    for number, (role, family) in enumerate(zip(FAMILY_ROLES, families, strict=False)):
        rows = {row.corruption: row for row in table.means[family]}
        points = [(place, _figure(rows[name], field)) for place, name in enumerate(names)]
        moved = [(place - shift * (number - (len(families) - 1) / 2), figure) for place, figure in points if figure]
        series.append(forest_series(role, family, moved))
        ends += [*series[-1].low, *series[-1].high]
    return Panel(
        title=f"Change in {axis.partition(',')[0]}",
        x=Axis(title=f"change in {axis}", low=min(ends) - 0.01, high=max(ends) + 0.01, percent=percent),
        y=Axis(
            title="", low=-0.6, high=len(names) - 0.4, ticks=tuple(map(float, range(len(names)))), names=tuple(names)
        ),
        series=tuple(series),
        marks=(Mark(axis="x", at=0.0),),
        size=(4.2, 0.75 + 0.26 * max(len(names), 2)),
        keys=None,
        forest=True,
    )


def _figure(row: RobustnessRow, field: str) -> Figure | None:
    figure: Figure | None = getattr(row, field)
    return figure
