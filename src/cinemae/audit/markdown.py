"""An audit as Markdown: warnings first, then tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cinemae.audit.compare import POOLED
from cinemae.audit.facts import Group
from cinemae.audit.measure import FACTS
from cinemae.audit.schema import EVIDENCE, GROUPS, Audit, Comparison, Finding, ProtocolAudit, Slice
from cinemae.metrics import Figure
from cinemae.metrics.tables import markdown_figure, markdown_table

EVIDENCE_NAMES: Mapping[Group, str] = {
    "file": "facts of the files",
    "history": "traces of earlier compression",
    "pixels": "noise, spectrum and colour",
}
_CLASSES = ("real", "ai")
_NAMED = 4  # facts that a warning names
_MEANING = {fact.name: fact.meaning for fact in FACTS}


def to_markdown(audit: Audit, *, facts: int | None = None) -> str:
    """Return an audit as Markdown.

    Args:
        audit: The audit.
        facts: Print only so many facts of each protocol, the strongest ones; None prints all.
    """
    parts = [_opening(audit)]
    for found in audit.protocols:
        parts.append(f"## {found.protocol}")
        parts += warnings(found, audit.config.limit)
        parts.append(_joint_table(found))
        parts.append(_fact_table(found, facts, audit.config.limit))
    if audit.slices:
        parts.append(f"## Slices of the detector's scores\n\nThreshold {audit.config.threshold:g}.{_few_note(audit)}")
        parts += _slice_tables(audit.slices)
    if audit.refused:
        lines = [f"- {one.name} ({one.generator}, {_CLASSES[one.label]}): {one.reason}" for one in audit.refused]
        parts.append("## Refused\n\n" + "\n".join(lines))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def warnings(found: ProtocolAudit, limit: float) -> list[str]:
    """Return what can be solved under one protocol without looking at content, a paragraph for each group of facts."""
    if not found.comparisons:
        return ["There is nothing to compare."]
    out = []
    for group in GROUPS:
        mine = [finding for finding in found.findings if finding.evidence == group]
        if mine:
            out.append(_warning(group, mine, found, limit))
    if not any(finding.evidence != "pixels" for finding in found.findings):
        out.append(f"No comparison is solved by {EVIDENCE_NAMES['file']} or {EVIDENCE_NAMES['history']}.")
    return out


def _warning(group: Group, findings: Sequence[Finding], found: ProtocolAudit, limit: float) -> str:
    solved = [finding for finding in findings if finding.comparison != POOLED]
    large = [comparison for comparison in found.comparisons if comparison.name != POOLED and not comparison.few]
    what = f"{len(solved)} of {len(large)} generators" if solved else ""
    if len(solved) < len(findings):
        what += f"{' and ' if what else ''}{POOLED}"
    kind = "Note" if group == "pixels" else "Warning"
    strongest = max(findings, key=lambda finding: finding.best.value)
    text = (
        f"**{kind}: {what} can be told from real images by {EVIDENCE_NAMES[group]}, whatever they show** (lower end of "
        f"the ROC-AUC's interval above {limit:g}; at most {markdown_figure(strongest.best, interval=True)}, "
        f"{strongest.comparison})."
    )
    alone = Counter(row.name for finding in findings for row in finding.alone)
    if alone:
        named = ", ".join(f"{name} ({count})" for name, count in alone.most_common(_NAMED))
        others = " and others" if len(alone) > _NAMED else ""
        text += f" Enough alone (in so many comparisons): {named}{others}."
    compared = [finding.detector_is_better for finding in findings if finding.detector_is_better is not None]
    if compared:
        text += f" The detector is better than that in {sum(compared)} of these {len(compared)} comparisons."
    return text


def _opening(audit: Audit) -> str:
    config = audit.config
    text = (
        f"# Bias audit\n\n{audit.images} images read, {len(audit.refused)} refused (manifest hash "
        f"`{audit.manifest_hash[:16]}`). ROC-AUC, AI-generated being positive, of images that the classifier has not "
        f"seen ({config.folds} folds), with 95 % bootstrap intervals over {config.resamples} resamples; folds and "
        f"resamples keep sources whole where a class has at least {config.min_sources}. "
        f"(few): fewer than {config.few} images of a class."
    )
    for found in audit.protocols:
        if found.skipped:
            text += (
                f" Under {found.protocol}, no comparison of {', '.join(found.skipped)}: a class is absent or one image."
            )
    for protocol, count in audit.unscored.items():
        if count:
            text += f" Of the images, {count} have no {protocol} score."
    return text


def _joint_table(found: ProtocolAudit) -> str:
    scored = any(comparison.detector for comparison in found.comparisons)
    head = ["comparison", "ai", "real", *EVIDENCE, *(["detector"] if scored else [])]
    rows = []
    for comparison in found.comparisons:
        cells = [_figure(comparison.joint[evidence]) for evidence in EVIDENCE]
        counts = [str(comparison.n_ai), str(comparison.n_real)]
        rows.append([_name(comparison), *counts, *cells, *([_figure(comparison.detector)] if scored else [])])
    if found.mean:
        cells = [_figure(found.mean.joint[evidence]) for evidence in EVIDENCE]
        name = f"**mean of {len(found.mean.generators)} generators**"
        rows.append([name, "", "", *cells, *([_figure(found.mean.detector)] if scored else [])])
    return markdown_table(head, rows)


def _fact_table(found: ProtocolAudit, most: int | None, limit: float) -> str:
    """One row a fact: alone over all images, and the generators that it solves alone."""
    if not found.comparisons:
        return ""
    whole, large = found.comparisons[-1], [c for c in found.comparisons if c.name != POOLED and not c.few]
    solved = Counter(row.name for finding in found.findings if finding.comparison != POOLED for row in finding.alone)
    rows = sorted(whole.facts, key=lambda row: -row.alone.value)
    head = ["fact", "group", whole.name, "more in", f"alone above {limit:g} in", "what it is"]
    cells = []
    for row in rows[:most]:
        more = "-" if row.order is None or row.order == 0.5 else ("ai" if row.order > 0.5 else "real")
        count = f"{solved[row.name]} of {len(large)}"
        cells.append([row.name, row.group, _figure(row.alone), more, count, _MEANING[row.name]])
    rest = f"\n{len(rows) - most} weaker ones are in the files.\n" if most is not None and most < len(rows) else ""
    return markdown_table(head, cells, words=6) + rest


def _slice_tables(slices: Sequence[Slice]) -> Iterator[str]:
    for protocol, by in dict.fromkeys((one.protocol, one.by) for one in slices):
        rows = [
            [
                one.value + (" (few)" if one.few else ""),
                str(one.n_ai),
                str(one.n_real),
                f"{100 * one.accuracy:.1f}",
                markdown_figure(one.accuracy_ai, percent=True, interval=True),
                markdown_figure(one.accuracy_real, percent=True, interval=True),
                _figure(one.area),
            ]
            for one in slices
            if (one.protocol, one.by) == (protocol, by)
        ]
        head = [by, "ai", "real", "accuracy", "on ai [95 %]", "on real [95 %]", "ROC-AUC [95 %]"]
        yield f"### {protocol}, by {by}\n\n{markdown_table(head, rows)}"


def _few_note(audit: Audit) -> str:
    return " A slice without images of one class has no ROC-AUC." if any(s.area is None for s in audit.slices) else ""


def _name(comparison: Comparison) -> str:
    return comparison.name + (" (few)" if comparison.few else "")


def _figure(figure: Figure | None) -> str:
    return markdown_figure(figure, interval=True)
