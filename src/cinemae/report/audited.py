"""The bias audit as a section: what facts of the files reach beside the detector."""

from __future__ import annotations

from collections.abc import Sequence

from cinemae.audit.facts import Group
from cinemae.audit.markdown import EVIDENCE_NAMES, warnings
from cinemae.audit.schema import EVIDENCE, Audit, Comparison, ProtocolAudit, Slice
from cinemae.metrics.schema import Figure
from cinemae.report.cells import count_cell, figure_cell, number_text, pointer
from cinemae.report.charts import forest_series, short
from cinemae.report.panels import Axis, Chart, Mark, Panel, Role
from cinemae.report.schema import Cell, Column, Row, Section, Table

_EVIDENCE_ROLES: dict[Group, Role] = {"file": "facts", "history": "third", "pixels": "fourth"}


def audit_section(audit: Audit, manifest_hash: str) -> Section:
    """Return the section.

    Args:
        audit: The audit.
        manifest_hash: Of the evaluated images; another set is said to be another.
    """
    said = [(one.protocol, text) for one in audit.protocols for text in _said(one, audit)]
    found = [f"{protocol}: {text.replace('**', '')}" for protocol, text in said if text.startswith("**")]
    calm = [f"{protocol}: {text}" for protocol, text in said if not text.startswith("**")]
    if audit.manifest_hash != manifest_hash:
        found.insert(
            0,
            f"The audit is of another set or sample than the evaluation: manifest hash {audit.manifest_hash[:16]}, "
            f"not {manifest_hash[:16]}. Its detector column is of the images that were audited.",
        )
    blocks: list[Chart | Table] = []
    detector = any(one.detector for part in audit.protocols for one in part.comparisons)
    panels = [_panel(part, audit.config.limit) for part in audit.protocols if part.comparisons]
    legend: list[tuple[Role, str]] = [(role, EVIDENCE_NAMES[name]) for name, role in _EVIDENCE_ROLES.items()]
    if detector:
        legend.insert(0, ("first", "this detector"))
    blocks.append(
        Chart(
            id="audit-facts",
            title="What can be told without looking at content",
            caption="ROC-AUC of trees that know only facts of the files, or a handful of statistics, on images that "
            f"they have not seen; 95 % intervals. Right of the line at {audit.config.limit:g}, a set can be solved so. "
            "A detector that stands left of such facts has not shown that it sees more.",
            legend=tuple(legend),
            panels=tuple(panels),
        )
    )
    blocks += [_table(audit, number, detector=detector) for number in range(len(audit.protocols))]
    blocks += _slices(audit)
    text = (
        f"{audit.images} images were read, {len(audit.refused)} refused (cinemae {audit.version}, manifest hash "
        f"{audit.manifest_hash[:16]}). A benchmark whose classes differ in format, size or compression measures these.",
        *calm,
    )
    return Section(id="audit", title="Bias audit of the set", text=text, warnings=tuple(found), blocks=tuple(blocks))


def _said(found: ProtocolAudit, audit: Audit) -> list[str]:
    return warnings(found, audit.config.limit)


def _panel(found: ProtocolAudit, limit: float) -> Panel:
    comparisons = found.comparisons[::-1]
    series = []
    shown: list[tuple[str, Role]] = [*_EVIDENCE_ROLES.items()]
    if any(one.detector for one in comparisons):
        shown.append(("detector", "first"))
    lowest = 0.4
    for number, (name, role) in enumerate(shown):
        shift = 0.17 * ((len(shown) - 1) / 2 - number)
        figures = [(place, _evidence(one, name)) for place, one in enumerate(comparisons)]
        points = [(place + shift, figure) for place, figure in figures if figure]
        series.append(forest_series(role, name, points))
        lowest = min([lowest, *series[-1].low])
    ticks = tuple(map(float, range(len(comparisons))))
    return Panel(
        title=found.protocol,
        x=Axis(title="ROC-AUC", low=max(lowest - 0.02, 0), high=1.01),
        y=Axis(
            title="", low=-0.6, high=len(ticks) - 0.4, ticks=ticks, names=tuple(short(one.name) for one in comparisons)
        ),
        series=tuple(series),
        marks=(Mark(axis="x", at=0.5), Mark(axis="x", at=limit)),
        size=(4.2, 0.75 + 0.3 * max(len(comparisons), 2)),
        keys=None,
        forest=True,
    )


def _evidence(one: Comparison, name: str) -> Figure | None:
    if name == "detector":
        return one.detector
    return next(figure for evidence, figure in one.joint.items() if evidence == name)


def _table(audit: Audit, number: int, *, detector: bool) -> Table:
    found = audit.protocols[number]
    rows = []
    for place, one in enumerate(found.comparisons):
        base = pointer("protocols", number, "comparisons", place)
        cells = [count_cell(one.n_ai, f"{base}/n_ai", "audit"), count_cell(one.n_real, f"{base}/n_real", "audit")]
        cells += [figure_cell(one.joint[name], f"{base}/joint/{name}", origin="audit") for name in EVIDENCE]
        if detector:
            cells.append(figure_cell(one.detector, f"{base}/detector", origin="audit"))
        rows.append(Row(name=one.name, note="few" if one.few else "", cells=tuple(cells)))
    if found.mean:
        base = pointer("protocols", number, "mean")
        cells = [Cell(text=""), Cell(text="")]
        cells += [figure_cell(found.mean.joint[name], f"{base}/joint/{name}", origin="audit") for name in EVIDENCE]
        if detector:
            cells.append(figure_cell(found.mean.detector, f"{base}/detector", origin="audit"))
        rows.append(Row(name=f"mean of {len(found.mean.generators)}", cells=tuple(cells), mean=True))
    titles = ["file", "history", "pixels", "all three", *(["this detector"] if detector else [])]
    return Table(
        id=f"audit-{found.protocol}",
        title=f"{found.protocol}: ROC-AUC of facts, and of the detector",
        note=f"few: fewer than {audit.config.few} images of a class. Small: 95 % intervals.",
        first="comparison",
        columns=(
            Column(title="AI", group="images"),
            Column(title="real", group="images"),
            *(
                Column(title=title, group="facts of" if title in ("file", "history", "pixels") else "")
                for title in titles
            ),
        ),
        rows=tuple(rows),
    )


def _slices(audit: Audit) -> list[Table]:
    tables = []
    for protocol in dict.fromkeys(one.protocol for one in audit.slices):
        rows = [
            _slice_row(number, one)
            for number, one in enumerate(audit.slices)
            if one.protocol == protocol and not one.few
        ]
        tables.append(
            Table(
                id=f"audit-slices-{protocol}",
                title=f"{protocol}: the detector on parts of the set",
                note=f"At a threshold of {audit.config.threshold:g}; parts of too few images are left out.",
                first="part",
                columns=(
                    Column(title="AI", group="images"),
                    Column(title="real", group="images"),
                    Column(title="all", group="accuracy, %"),
                    Column(title="on AI", group="accuracy, %"),
                    Column(title="on real", group="accuracy, %"),
                    Column(title="ROC-AUC"),
                ),
                rows=tuple(rows),
            )
        )
    return tables


def _slice_row(number: int, one: Slice) -> Row:
    base = pointer("slices", number)
    accuracy = Cell(
        text=number_text(one.accuracy, percent=True), value=one.accuracy, origin="audit", pointer=f"{base}/accuracy"
    )
    cells: Sequence[Cell] = (
        count_cell(one.n_ai, f"{base}/n_ai", "audit"),
        count_cell(one.n_real, f"{base}/n_real", "audit"),
        accuracy,
        figure_cell(one.accuracy_ai, f"{base}/accuracy_ai", percent=True, origin="audit"),
        figure_cell(one.accuracy_real, f"{base}/accuracy_real", percent=True, origin="audit"),
        figure_cell(one.area, f"{base}/area", origin="audit"),
    )
    return Row(name=f"{one.by}: {one.value}", cells=tuple(cells))
