"""A comparison in Markdown: a table of means, of differences and of generators for each protocol."""

from __future__ import annotations

from collections.abc import Iterator

from cinemae.compare.schema import Comparison, Difference, MethodResult
from cinemae.metrics import EvaluationTable, GeneratorRow, MeanRow
from cinemae.metrics.tables import markdown_figure, markdown_table


def comparison_markdown(comparison: Comparison) -> str:
    """Return the whole comparison."""
    parts = [f"# {comparison.name}", _images(comparison)]
    for protocol in next(iter(comparison.methods.values())).tables:
        parts += [f"## {protocol}", means_table(comparison, protocol)]
        if len(comparison.methods) > 1:
            parts += [
                f"### Difference from {comparison.reference} [95 %], {protocol}",
                differences_table(comparison, protocol),
            ]
        parts += [
            f"### Accuracy in % at the stored threshold, on ai / on real, {protocol}",
            generators_table(comparison, protocol),
        ]
    if comparison.failed:
        parts += ["## Failed", markdown_table(["method", "why"], list(comparison.failed.items()), words=2)]
    if comparison.published is not None:
        parts += ["## Published", comparison.published]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def means_table(comparison: Comparison, protocol: str) -> str:
    """Return mean ROC-AUC and balanced accuracy of each family, a line a method."""
    families = [mean.family for mean in _first_table(comparison, protocol).means]
    head = ["method", "held-out"]
    head += [f"{family}: ROC-AUC [95 %]" for family in families]
    head += [f"{family}: balanced [95 %]" for family in families]
    rows = []
    for name, method in comparison.methods.items():
        means = [method.tables[protocol].mean(family) for family in families]
        held_out = "-" if method.held_out_auc is None else f"{method.held_out_auc:.3f}"
        rows.append([name, held_out, *map(_area, means), *map(_balanced, means)])
    return markdown_table(head, rows)


def differences_table(comparison: Comparison, protocol: str) -> str:
    """Return each method's means minus the reference's, a line a method."""
    others = {name: method for name, method in comparison.methods.items() if name != comparison.reference}
    families = [mean.family for mean in _first_table(comparison, protocol).means]
    head = ["method", *(f"{family}: ROC-AUC" for family in families), *(f"{family}: balanced" for family in families)]
    rows = [[name, *_difference_cells(method, protocol, families)] for name, method in others.items()]
    return markdown_table(head, rows)


def generators_table(comparison: Comparison, protocol: str) -> str:
    """Return accuracy on AI-generated and on real images of each generator, a line a method."""
    names = [row.generator for row in _first_table(comparison, protocol).rows]
    rows = []
    for name, method in comparison.methods.items():
        found = {row.generator: row for row in method.tables[protocol].rows}
        rows.append([name, *(_split(found[generator]) if generator in found else "-" for generator in names)])
    return markdown_table(["method", *names], rows)


def _images(comparison: Comparison) -> str:
    lines = [
        f"- {name}: {record.ai} AI-generated, {record.real} real images, manifest `{record.manifest_hash[:16]}`"
        for name, record in comparison.sets.items()
        if record.ai or record.real
    ]
    interval = f"95 % intervals of {comparison.resamples} resamples" if comparison.resamples else "no intervals"
    lines.append(f"- seed {comparison.seed}; {interval}; differences are paired: the same images in each resample")
    refused = {name: len(method.refused) for name, method in comparison.methods.items() if method.refused}
    lines += [f"- {name}: {count} images could not be measured" for name, count in refused.items()]
    return "\n".join(lines)


def _first_table(comparison: Comparison, protocol: str) -> EvaluationTable:
    return comparison.methods[comparison.reference].tables[protocol]


def _area(mean: MeanRow) -> str:
    return markdown_figure(mean.ranking.roc_auc if mean.ranking else None, interval=True)


def _balanced(mean: MeanRow) -> str:
    point = mean.points.get("stored")
    return markdown_figure(point.balanced_accuracy if point else None, percent=True, interval=True)


def _split(row: GeneratorRow) -> str:
    point = row.points["stored"]
    return " / ".join(markdown_figure(figure, percent=True) for figure in (point.accuracy_ai, point.accuracy_real))


def _difference_cells(method: MethodResult, protocol: str, families: list[str]) -> Iterator[str]:
    found: dict[str, Difference] = {each.family: each for each in method.differences[protocol]}
    for family in families:
        figure = found[family].roc_auc if family in found else None
        yield markdown_figure(figure, interval=True, signed=True)
    for family in families:
        figure = found[family].balanced_accuracy if family in found else None
        yield markdown_figure(figure, percent=True, interval=True, signed=True)
