"""A report from an evaluation, its scores, an audit and the images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import cinemae
from cinemae.datasets import LabelledImage
from cinemae.report.audited import audit_section
from cinemae.report.charts import calibration_chart, generator_forest, histogram_chart, roc_charts
from cinemae.report.errors import ReportError
from cinemae.report.headline import facts, findings, lead_family, measured, tiles
from cinemae.report.inputs import Inputs
from cinemae.report.panels import Chart
from cinemae.report.robust import robustness_blocks
from cinemae.report.schema import Fact, Gallery, Report, Section, Table
from cinemae.report.tables import beside_table, families_table, protocol_tables
from cinemae.report.worst import Progress, Studio, galleries, most_wrong

Blocks = list[Chart | Table | Gallery]


def build_report(
    inputs: Inputs,
    *,
    title: str = "How well the detector tells AI-generated images",
    worst: int = 12,
    worst_protocol: str | None = None,
    images: Sequence[LabelledImage] | None = None,
    device: str | None = None,
    command: str = "",
    progress: Progress = lambda items, total: items,
) -> Report:
    """Put a report together.

    Args:
        inputs: What ``cinemae evaluate`` and ``cinemae audit`` wrote.
        title: The report's title.
        worst: How many of the most wrong images of each class; 0 for none.
        worst_protocol: The protocol whose scores say what is most wrong; None takes the first one.
        images: The validation split of the evaluated set, to draw those images; None lists their names.
        device: Where the MAEs run that draw them.
        command: The command that makes the report.
        progress: Wraps the iteration over the images that are drawn.

    Raises:
        ReportError: If the images, or the head, are not those of the evaluation, or the protocol is not in it.
        HeadError: If the head can't be loaded.
        CheckpointError: If an MAE can't be loaded.
    """
    evaluation = inputs.evaluation
    heads = [head for head, tables in evaluation.tables.items() if tables]
    sections: list[Section] = []
    for head in heads:
        sections += _head_sections(inputs, head, several=len(heads) > 1)
    if inputs.audit is not None:
        sections.append(audit_section(inputs.audit, evaluation.manifest_hash))
    if worst:
        for head in heads:
            sections.append(
                _worst_section(inputs, head, worst, worst_protocol, images, device, progress, several=len(heads) > 1)
            )
    if evaluation.refused:
        sections.append(Section(id="refused", title="Refused images", text=evaluation.refused))
    first = evaluation.tables[heads[0]]
    lead = lead_family(first)
    known = facts(evaluation, heads[0])
    if command:
        known.append(Fact(name="this report", value=command, code=True))
    summary = [
        one.model_copy(update={"about": f"{head}: {one.about}"}) if len(heads) > 1 else one
        for head in heads
        for one in findings(evaluation, head)
    ]
    overview: Blocks = [families_table(evaluation.tables), generator_forest(first, _prefix(heads[0]))]
    return Report(
        version=cinemae.__version__,
        title=title,
        measured=measured(evaluation, heads[0]),
        summary=tuple(summary),
        tiles=tuple(tiles(first, heads[0], lead.family) if lead else ()),
        tiles_of=f"{heads[0]}, mean of {lead.family} ({len(lead.generators)})" if lead else "",
        facts=tuple(known),
        overview=Section(id="overview", title="Overview", blocks=tuple(overview)),
        sections=tuple(sections),
    )


def _prefix(head: str) -> str:
    """Return a name for the page that no other head has, whatever letters the head's own name has."""
    return f"h{hashlib.sha256(head.encode()).hexdigest()[:6]}"


def _head_sections(inputs: Inputs, head: str, *, several: bool) -> list[Section]:
    tables, scores, prefix = inputs.evaluation.tables[head], inputs.scored(head), _prefix(head)
    of = f"{head}: " if several else ""
    beside: Blocks = [beside_table(tables, head, prefix)]
    if several:
        beside.append(generator_forest(tables, f"{prefix}-own"))
    each: Blocks = []
    for protocol, table in tables.items():
        each += protocol_tables(table, head, protocol, f"{prefix}-{protocol}")
    sections = [
        Section(id=f"{prefix}-generators", title=f"{of}Generators", blocks=tuple(beside)),
        Section(id=f"{prefix}-ranking", title=f"{of}Ranking", blocks=tuple(roc_charts(tables, scores, prefix))),
        Section(
            id=f"{prefix}-scores",
            title=f"{of}Scores and calibration",
            blocks=(histogram_chart(tables, scores, prefix), calibration_chart(tables, scores, prefix)),
        ),
        Section(id=f"{prefix}-figures", title=f"{of}All figures", blocks=tuple(each)),
    ]
    robustness = inputs.evaluation.robustness.get(head)
    if robustness is not None:
        blocks = robustness_blocks(robustness, head, f"{prefix}-robust")
        sections.insert(3, Section(id=f"{prefix}-robust", title=f"{of}Robustness", blocks=tuple(blocks)))
    return sections


def _worst_section(
    inputs: Inputs,
    head: str,
    count: int,
    protocol: str | None,
    images: Sequence[LabelledImage] | None,
    device: str | None,
    progress: Progress,
    *,
    several: bool,
) -> Section:
    tables = inputs.evaluation.tables[head]
    protocol = protocol or next(iter(tables))
    if protocol not in tables:
        raise ReportError(f"{head} was not evaluated under {protocol!r}, only under {', '.join(tables)}")
    table = tables[protocol]
    real, ai = most_wrong(inputs.rows[head, protocol], table.threshold, count)
    studio = None
    if images is not None and (real or ai):
        studio = Studio.of(inputs.evaluation, head, images, protocol, device=device)
    prefix = f"{_prefix(head)}-worst"
    text = f"Scores are those under {protocol} alignment; images on the right side of the threshold are not shown."
    if protocol == "raw":
        text = "Scores are those of the files as they are; images on the right side of the threshold are not shown."
    return Section(
        id=prefix,
        title=f"{head}: most wrong images" if several else "Most wrong images",
        text=(text,),
        blocks=tuple(galleries(real, ai, studio, prefix, progress)),
    )
