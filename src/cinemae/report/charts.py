"""The charts of one head: what is drawn, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cinemae.metrics.bootstrap import Floats
from cinemae.metrics.evaluate import Scored
from cinemae.metrics.schema import EvaluationTable, Figure, GeneratorRow, MeanRow
from cinemae.report.curves import BAND_RESAMPLES, Curve, RocOf, histogram, mean_roc, reliability
from cinemae.report.panels import Axis, Chart, Mark, Panel, Role, Series

ROLES: Mapping[str, Role] = {"raw": "raw", "format": "format", "history": "history"}
FAMILY_ROLES: tuple[Role, ...] = ("first", "second", "third", "fourth")
DET_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
DET_ENDS = (0.01, 0.9)
LONGEST = 26  # letters of a name beside an axis
Tables = Mapping[str, EvaluationTable]
Scores = Mapping[str, Scored]
Pick = Callable[[GeneratorRow], Figure | None]
_GRID = np.concatenate([[0.0], np.geomspace(0.004, 0.1, 25), np.linspace(0.12, 1, 45)])


def protocols_legend(tables: Tables) -> tuple[tuple[Role, str], ...]:
    """Return the legend of the protocols of an evaluation."""
    return tuple((ROLES[name], name) for name in tables)


def short(name: str) -> str:
    """Return a name that fits beside an axis."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def area_text(row: GeneratorRow | MeanRow) -> str:
    """Return a row's ROC-AUC as it is written into a panel."""
    return f"{row.ranking.roc_auc.value:.3f}" if row.ranking else ""


def generator_forest(tables: Tables, prefix: str) -> Chart:
    """Compare the protocols in ROC-AUC and balanced accuracy, a line a generator, the worst at the bottom."""
    last = list(tables.values())[-1]
    rows = sorted((row for row in last.rows if row.ranking), key=_area)
    names = [row.generator for row in rows]
    panels = [
        _forest(
            "ROC-AUC", "ROC-AUC", tables, names, lambda row: row.ranking.roc_auc if row.ranking else None, chance=0.5
        ),
        _forest(
            "Balanced accuracy at the stored threshold",
            "balanced accuracy, %",
            tables,
            names,
            lambda row: row.points["stored"].balanced_accuracy if "stored" in row.points else None,
            chance=0.5,
            percent=True,
        ),
    ]
    return Chart(
        id=f"{prefix}-forest",
        title="Each generator against its own real images",
        caption="Dots are the sample, lines 95 % bootstrap intervals. Ordered by the ROC-AUC under "
        f"{list(tables)[-1]}. Where a line crosses 0.5 (50 %), nothing has been shown.",
        legend=protocols_legend(tables),
        panels=tuple(panels),
    )


def _area(row: GeneratorRow) -> float:
    return row.ranking.roc_auc.value if row.ranking else 0.0


def _forest(
    title: str, axis: str, tables: Tables, names: Sequence[str], pick: Pick, *, chance: float, percent: bool = False
) -> Panel:
    series = []
    shift = 0.22 if len(tables) > 1 else 0.0
    lowest = 0.4
    for number, (protocol, table) in enumerate(tables.items()):
        found = [(place, pick(table.row(name))) for place, name in enumerate(names) if _has(table, name)]
        points = [(place - shift * (number - (len(tables) - 1) / 2), figure) for place, figure in found if figure]
        series.append(forest_series(ROLES[protocol], protocol, points))
        lowest = min([lowest, *series[-1].low])
    ticks = tuple(float(tick) for tick in range(len(names)))
    return Panel(
        title=title,
        x=Axis(title=axis, low=max(lowest - 0.02, 0), high=1.01, percent=percent),
        y=Axis(title="", low=-0.6, high=len(names) - 0.4, ticks=ticks, names=tuple(map(short, names))),
        series=tuple(series),
        marks=(Mark(axis="x", at=chance),),
        size=(4.2, 0.75 + 0.255 * len(names)),
        keys=None,
        forest=True,
    )


def forest_series(role: Role, name: str, points: Sequence[tuple[float, Figure]]) -> Series:
    """Return points with their intervals along x, at the given heights."""
    ends = [figure.interval or (figure.value, figure.value) for _, figure in points]
    return Series(
        role=role,
        name=name,
        x=tuple(figure.value for _, figure in points),
        y=tuple(place for place, _ in points),
        low=tuple(end[0] for end in ends),
        high=tuple(end[1] for end in ends),
        style="points",
    )


def _has(table: EvaluationTable, name: str) -> bool:
    return any(row.generator == name for row in table.rows)


def roc_charts(tables: Tables, scores: Scores, prefix: str) -> list[Chart]:
    """ROC and DET curves: the families' means with bands, then each generator."""
    families = [mean.family for mean in next(iter(tables.values())).means if mean.generators]
    means = {
        (family, protocol): mean_roc(
            scores[protocol],
            table.mean(family).generators,
            _GRID,
            resamples=min(BAND_RESAMPLES, table.resamples),
            seed=table.seed,
        )
        for family in families
        for protocol, table in tables.items()
    }
    roc, det = [], []
    for family in families:
        curves = {protocol: means[family, protocol] for protocol in tables}
        labels = {protocol: area_text(table.mean(family)) for protocol, table in tables.items()}
        title = f"mean of {family} ({len(next(iter(tables.values())).mean(family).generators)})"
        roc.append(_roc_panel(title, curves, labels))
        det.append(_det_panel(title, curves, {}))
    legend = protocols_legend(tables)
    names = [row.generator for row in next(iter(tables.values())).rows if row.ranking]
    return [
        Chart(
            id=f"{prefix}-roc",
            title="ROC curves of the families",
            caption="Mean of the generators' curves at equal false alarms, so that the area (in the corner) is the "
            "mean of theirs; shaded: 95 % band, point by point. Dotted: chance.",
            legend=legend,
            panels=tuple(roc),
        ),
        Chart(
            id=f"{prefix}-det",
            title="DET curves of the families",
            caption="The same curves: AI-generated images missed over false alarms, on normal-deviate axes. Lower left "
            "is better; scores that are normally distributed give a straight line.",
            legend=legend,
            panels=tuple(det),
        ),
        Chart(
            id=f"{prefix}-roc-each",
            title="ROC curve of each generator",
            caption="In the corner: the area. With few images a curve is a staircase and says little.",
            legend=legend,
            panels=tuple(_each(name, tables, scores) for name in names),
        ),
    ]


def _each(name: str, tables: Tables, scores: Scores) -> Panel:
    curves, labels = {}, {}
    row = None
    for protocol, table in tables.items():
        if _has(table, name) and (row := table.row(name)).ranking:
            scored = scores[protocol]
            mine = scored.generators == name
            roc = RocOf(scored.p[mine & scored.truth], scored.p[mine & ~scored.truth])
            alarms, found = roc.vertices()
            curves[protocol] = Curve(alarms, found, np.empty(0), np.empty(0))
            labels[protocol] = area_text(row)
    counts = f"{row.n_ai} AI, {row.n_real} real" if row else ""
    return _roc_panel(short(name), curves, labels, counts).model_copy(update={"size": (2.35, 2.2)})


def _roc_panel(title: str, curves: Mapping[str, Curve], labels: Mapping[str, str], counts: str = "") -> Panel:
    return Panel(
        title=f"{title}\n{counts}" if counts else title,
        x=Axis(title="false alarms, % of real", low=-0.01, high=1.01, ticks=(0, 0.25, 0.5, 0.75, 1), percent=True),
        y=Axis(title="found, % of AI", low=-0.01, high=1.01, ticks=(0, 0.25, 0.5, 0.75, 1), percent=True),
        series=tuple(_line(protocol, curve, labels.get(protocol, "")) for protocol, curve in curves.items()),
        marks=(Mark(axis="diagonal"),),
        size=(3.3, 3.05),
    )


def _det_panel(title: str, curves: Mapping[str, Curve], labels: Mapping[str, str]) -> Panel:
    low, high = DET_ENDS
    series = []
    for protocol, curve in curves.items():
        inside = (curve.x >= low) & (curve.x <= high)
        flipped = Curve(curve.x[inside], 1 - curve.y[inside], *_flipped(curve, inside))
        series.append(_line(protocol, flipped, labels.get(protocol, "")))
    axis = {"low": low, "high": high, "scale": "probit", "ticks": DET_TICKS, "percent": True}
    return Panel(
        title=title,
        x=Axis(title="false alarms, % of real", **axis),
        y=Axis(title="missed, % of AI", **axis),
        series=tuple(series),
        size=(3.3, 3.05),
    )


def _flipped(curve: Curve, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    if not curve.low.size:
        return curve.low, curve.high
    return 1 - curve.high[inside], 1 - curve.low[inside]


def _line(protocol: str, curve: Curve, label: str) -> Series:
    return Series(
        role=ROLES[protocol],
        name=protocol,
        x=_rounded(curve.x),
        y=_rounded(curve.y),
        low=_rounded(curve.low),
        high=_rounded(curve.high),
        label=label,
    )


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in values.tolist())


def calibration_chart(tables: Tables, scores: Scores, prefix: str) -> Chart:
    """Draw the reliability diagram of each protocol, all generators together."""
    panels = []
    for protocol in tables:
        scored = scores[protocol]
        curve = reliability(scored.p, scored.truth.tolist())
        line = _line(protocol, curve, "").model_copy(update={"style": "line-points"})
        panels.append(
            Panel(
                title=protocol,
                x=Axis(title="probability that was given, %", low=0, high=1, percent=True),
                y=Axis(title="AI-generated in truth, %", low=0, high=1, percent=True),
                series=(line,),
                marks=(Mark(axis="diagonal"),),
                size=(3.3, 3.05),
                keys=None,
            )
        )
    return Chart(
        id=f"{prefix}-reliability",
        title="Reliability",
        caption="All images of all generators, in 15 bins of equally many: on the dotted line, the probabilities mean "
        "what they say for classes as frequent as here; below it they are too high. Lines: Wilson's 95 % intervals, as "
        "if images were independent.",
        panels=tuple(panels),
    )


def histogram_chart(tables: Tables, scores: Scores, prefix: str) -> Chart:
    """Draw how the probabilities of both classes are spread, with threshold and band."""
    panels = []
    for protocol, table in tables.items():
        scored = scores[protocol]
        sides = (("ai", scored.truth, "AI-generated"), ("real", ~scored.truth, "real"))
        series = []
        for role, side, name in sides:
            if side.any():
                x, share = histogram(scored.p[side])
                label = f"({int(side.sum())})"
                series.append(Series(role=role, name=name, x=_rounded(x), y=_rounded(share), style="bars", label=label))
        low, high = table.band
        marks = [Mark(axis="x", at=low, to=high)] if high > low else []
        marks.append(Mark(axis="x", at=table.threshold))
        top = max([0.1, *(max(one.y) for one in series)])
        panels.append(
            Panel(
                title=f"{protocol}, threshold {table.threshold:.3f}",
                x=Axis(title="probability of being AI-generated, %", low=0, high=1, percent=True),
                y=Axis(title="% of the class", low=0, high=top * 1.35, percent=True),
                series=tuple(series),
                marks=tuple(marks),
                size=(3.3, 2.6),
                keys="upper right",
            )
        )
    return Chart(
        id=f"{prefix}-histograms",
        title="Scores of both classes",
        caption="All images of all generators. Line: stored threshold; shaded: the abstention band, in which there is "
        "no verdict. What is right of the threshold counts as AI.",
        legend=(("ai", "AI-generated"), ("real", "real")),
        panels=tuple(panels),
    )
