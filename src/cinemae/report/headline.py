"""The first screen: what was measured, on what, and what came out, in words that are made from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cinemae.evaluation import Evaluation
from cinemae.metrics.robustness import CLEAN
from cinemae.metrics.schema import EvaluationTable, Figure, GeneratorRow, MeanRow
from cinemae.report.cells import figure_cell, number_text, pointer
from cinemae.report.charts import ROLES
from cinemae.report.schema import Fact, Finding, Tile
from cinemae.report.tables import FEW

Tables = Mapping[str, EvaluationTable]
_WHAT = {
    "raw": "the files as they are",
    "format": "both classes cropped to the same sizes, saved with the same JPEG qualities",
    "history": "both scaled down by the same random factors before that",
}
"""What an alignment protocol does, in a few words."""
_NAMED = 4  # generators that a sentence names


def lead_family(tables: Tables) -> MeanRow | None:
    """Return the mean that the first screen is about: that over the most generators, the first of equals."""
    means = [mean for mean in next(iter(tables.values())).means if mean.generators]
    return max(means, key=lambda mean: len(mean.generators), default=None)


def tiles(tables: Tables, head: str, family: str) -> list[Tile]:
    """Return the mean ROC-AUC and balanced accuracy of a family, a tile each protocol."""
    out = []
    for protocol, table in tables.items():
        number = next(n for n, mean in enumerate(table.means) if mean.family == family)
        mean, place = table.means[number], pointer("tables", head, protocol, "means", number)
        point = mean.points.get("stored")
        out.append(
            Tile(
                title=f"{protocol}: {_WHAT[protocol]}",
                cell=figure_cell(mean.ranking.roc_auc if mean.ranking else None, f"{place}/ranking/roc_auc"),
                what="mean ROC-AUC",
                second=figure_cell(
                    point.balanced_accuracy if point else None,
                    f"{place}/points/stored/balanced_accuracy",
                    percent=True,
                ),
                second_what="% balanced accuracy",
                role=ROLES[protocol],
            )
        )
    return out


def measured(evaluation: Evaluation, head: str) -> str:
    """Return what was measured, in a sentence."""
    rows = next(iter(evaluation.tables[head].values())).rows
    ai, real = sum(row.n_ai for row in rows), sum(row.n_real for row in rows)
    return (
        f"{ai} AI-generated images of {plural(len(rows), 'generator')} and the {real} real images that they are "
        f"compared with, manifest {evaluation.manifest_hash[:16]}."
    )


def findings(evaluation: Evaluation, head: str) -> list[Finding]:
    """Return what was found of one head, the worst not left out.

    Args:
        evaluation: The evaluation.
        head: The head.
    """
    tables = evaluation.tables[head]
    lead = lead_family(tables)
    protocol, table = list(tables.items())[-1]
    out: list[Finding | None] = []
    if lead is not None:
        out += [_ranking(tables, lead.family), _operating(table.mean(lead.family), table, protocol)]
    out += _failures(table, protocol)
    if lead is not None:
        mean = table.mean(lead.family)
        out += [
            _promise(mean, table, protocol),
            _calibration(mean, protocol),
            _robustness(evaluation, head, lead.family),
        ]
    return [finding for finding in out if finding is not None]


def _ranking(tables: Tables, family: str) -> Finding:
    count = len(next(iter(tables.values())).mean(family).generators)
    parts = []
    for protocol, table in tables.items():
        if ranking := table.mean(family).ranking:
            parts.append(f"{with_interval(ranking.roc_auc)} {protocol}")
    text = f"Mean ROC-AUC over the {plural(count, 'generator')} of {family}: {', '.join(parts)}; 0.5 is chance."
    name, last = list(tables)[-1], list(tables.values())[-1].mean(family).ranking
    raw = tables["raw"].mean(family).ranking if "raw" in tables and name != "raw" else None
    if raw and last:
        change = raw.roc_auc.value - last.roc_auc.value
        if change > 0:
            text += f" Alignment ({name}) takes {number_text(change)} of the raw figure away."
        else:
            text += f" The raw figure is no better than the {name}-aligned one."
    return Finding(about="Ranking", text=text)


def _operating(mean: MeanRow, table: EvaluationTable, protocol: str) -> Finding | None:
    point = mean.points.get("stored")
    if not point or not point.accuracy_ai or not point.accuracy_real:
        return None
    alarms = 1 - point.accuracy_real.value
    text = (
        f"At the stored threshold of {table.threshold:.3f} ({protocol}), it finds "
        f"{number_text(point.accuracy_ai.value, percent=True)} % of the AI-generated images and calls "
        f"{number_text(alarms, percent=True)} % of the real ones AI (means of {mean.family})."
    )
    return Finding(about="Verdicts", text=text)


def _failures(table: EvaluationTable, protocol: str) -> list[Finding | None]:
    rows = [row for row in table.rows if row.ranking and min(row.n_ai, row.n_real) >= FEW]
    small = [row.generator for row in table.rows if row not in rows]
    out: list[Finding | None] = []
    unshown = [row for row in rows if _low(row) <= 0.5]
    if unshown:
        named = listed([f"{row.generator} ({_area(row)})" for row in sorted(unshown, key=_value)])
        text = f"{protocol}, {len(unshown)} of {len(rows)} generators: {named}. The ROC-AUC's interval reaches 0.5."
        out.append(Finding(about="Not shown to beat chance", text=text, bad=True))
    worst = [row for row in sorted(rows, key=_value) if row not in unshown][:_NAMED]
    if worst:
        text = f"{protocol}: {listed([f'{row.generator} ({_area(row)})' for row in worst])}."
        out.append(Finding(about="Weakest of the others" if unshown else "Weakest generators", text=text, bad=True))
    alarms = [row for row in rows if "stored" in row.points and row.points["stored"].accuracy_real]
    if alarms:
        most = min(alarms, key=_right_on_real)
        share = number_text(1 - _right_on_real(most), percent=True)
        text = f"{share} % of the real images that {most.generator} is compared with are called AI ({protocol})."
        out.append(Finding(about="Most false alarms", text=text, bad=True))
    if small:
        text = f"Under {FEW} of a class, which is too few to say anything of one generator: {listed(small)}."
        out.append(Finding(about="Few images", text=text))
    return out


def _promise(mean: MeanRow, table: EvaluationTable, protocol: str) -> Finding | None:
    found = mean.selective
    if table.alpha is None or not found or not found.miscoverage_ai or not found.miscoverage_real:
        return None
    sides = {"AI-generated": found.miscoverage_ai, "real": found.miscoverage_real}
    shares = " and ".join(f"{with_interval(side, percent=True)} % of the {name}" for name, side in sides.items())
    broken = [name for name, side in sides.items() if (side.interval or (side.value,))[0] > table.alpha]
    text = (
        f"The head promises that at most {100 * table.alpha:g} % of each class get a verdict that excludes it, if "
        f"images are like those of its calibration. Here it is {shares} images ({protocol}, means of {mean.family})"
    )
    text += f": not kept for {' and '.join(broken)} images." if broken else "."
    return Finding(about="Guarantee", text=text, bad=bool(broken))


def _calibration(mean: MeanRow, protocol: str) -> Finding | None:
    cost = mean.calibration
    if cost is None:
        return None
    lost = cost.cllr.value - cost.min_cllr.value
    text = (
        f"Cllr {number_text(cost.cllr.value)} bits ({protocol}; 0 is perfect, 1 says nothing), of which "
        f"{number_text(lost)} are miscalibration; ECE {number_text(cost.ece.value)}."
    )
    bad = cost.cllr.value >= 1
    return Finding(
        about="Calibration", text=f"{text} As they stand, the probabilities mislead." if bad else text, bad=bad
    )


def _robustness(evaluation: Evaluation, head: str, family: str) -> Finding | None:
    table = evaluation.robustness.get(head)
    rows = table.means.get(family, ()) if table else ()
    costs = [
        (row.delta_roc_auc, row.corruption)
        for row in rows
        if row.delta_roc_auc and row.corruption != CLEAN and not row.corruption.startswith("mean of")
    ]
    if not costs or table is None:
        return None
    worst, name = min(costs, key=lambda cost: cost[0].value)
    text = (
        f"Of {plural(len(costs), 'corruption')}, {name} costs most: the mean ROC-AUC of {family} changes by "
        f"{with_interval(worst, signed=True)} ({table.protocol})."
    )
    return Finding(about="Robustness", text=text)


def facts(evaluation: Evaluation, head: str) -> list[Fact]:
    """Return what was measured, on what, with what."""
    first = next(iter(evaluation.tables[head].values()))
    rows = first.rows
    ai, real = sum(row.n_ai for row in rows), sum(row.n_real for row in rows)
    out = [
        Fact(name="images", value=f"{ai} AI-generated, {real} real; {len(evaluation.refused)} refused"),
        Fact(name="generators", value=f"{len(rows)}: {_counts(rows)}; each is in the tables below"),
        Fact(name="manifest hash", value=evaluation.manifest_hash, code=True),
    ]
    if evaluation.calibration_hash:
        out.append(Fact(name="calibration set", value=evaluation.calibration_hash, code=True))
    run = evaluation.run
    for name, tables in evaluation.tables.items():
        table = next(iter(tables.values()))
        low, high = table.band
        text = f"{name}, threshold {table.threshold:.3f}, no verdict from {low:.3f} to {high:.3f}"
        if run and name in run.heads:
            text += f", fingerprint {run.heads[name]}"
        out.append(Fact(name="head", value=text))
    out.append(Fact(name="arithmetic", value=evaluation.precision))
    out.append(Fact(name="intervals", value=f"95 %, bootstrap of {first.resamples} resamples, seed {first.seed}"))
    if run is None:
        out.append(Fact(name="command", value="not recorded: the evaluation is of an earlier version"))
        return out
    packages = ", ".join(f"{name} {version}" for name, version in run.packages.items())
    out.append(Fact(name="versions", value=f"cinemae {run.version}, Python {run.python}, {packages}; {run.platform}"))
    out.append(Fact(name="command", value=run.command, code=True))
    return out


def _counts(rows: Sequence[GeneratorRow]) -> str:
    parts = []
    for name, counts in (("AI-generated", [row.n_ai for row in rows]), ("real", [row.n_real for row in rows])):
        low, high = min(counts), max(counts)
        parts.append(f"{low} {name}" if low == high else f"{low} to {high} {name}")
    return ", ".join(parts)


def with_interval(figure: Figure, *, percent: bool = False, signed: bool = False) -> str:
    """Return a figure with its interval, in words."""
    text = number_text(figure.value, percent=percent, signed=signed)
    if figure.interval is None:
        return text
    low, high = (number_text(end, percent=percent, signed=signed) for end in figure.interval)
    return f"{text} [{low}, {high}]"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names with commas between them, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _value(row: GeneratorRow) -> float:
    return row.ranking.roc_auc.value if row.ranking else 0.0


def _low(row: GeneratorRow) -> float:
    figure = row.ranking.roc_auc if row.ranking else None
    return 0.0 if figure is None else (figure.interval or (figure.value,))[0]


def _area(row: GeneratorRow) -> str:
    return with_interval(row.ranking.roc_auc) if row.ranking else ""


def _right_on_real(row: GeneratorRow) -> float:
    figure = row.points["stored"].accuracy_real
    return figure.value if figure else 1.0
