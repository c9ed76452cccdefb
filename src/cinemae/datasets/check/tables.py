"""A check as Markdown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from cinemae.datasets.check.schema import REASONS, CheckReport, Group
from cinemae.metrics.tables import markdown_table

_CLASSES = ("real", "ai")


def to_markdown(report: CheckReport, *, most: int | None = None) -> str:
    """Return a check as Markdown.

    Args:
        report: The check.
        most: Name at most so many of each kind of finding; None names all.
    """
    parts = [f"# Check\n\n{report.images} images, read as {report.layout} (manifest hash `{report.hash[:16]}`).\n"]
    parts.append(_counts(report))
    for title, lines in _findings(report):
        if lines:
            shown = lines[:most]
            more = [f"- and {len(lines) - len(shown)} more"] if len(shown) < len(lines) else []
            parts.append("\n".join([f"## {title}: {len(lines)}", "", *shown, *more]) + "\n")
    parts.append(_excluded(report))
    return "\n".join(parts)


def _counts(report: CheckReport) -> str:
    classes: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    formats: dict[tuple[str, str], Counter[tuple[int, str]]] = defaultdict(Counter)
    for count in report.counts:
        place = (count.generator, str(count.split))
        classes[place][count.label] += count.images
        formats[place][count.label, count.format or "unreadable"] += count.images
    rows = []
    for key, found in classes.items():  # in the order of the counts, which are sorted
        kinds = [
            " ".join(f"{kind} {number}" for (of, kind), number in formats[key].items() if of == label)
            for label in (0, 1)
        ]
        rows.append([*key, *(kind or "-" for kind in kinds), str(found[0]), str(found[1])])
    return markdown_table(["generator", "split", "formats of real", "formats of ai", "real", "ai"], rows, words=4)


def _findings(report: CheckReport) -> Iterator[tuple[str, list[str]]]:
    left_out = "- {0.name}: {0.reason}".format
    yield "Images without a class", list(map(left_out, report.unlabelled))
    yield "Known to be broken", list(map(left_out, report.broken))
    yield "Not looked at", list(map(left_out, report.skipped))
    refused = [found for found in report.excluded if found.reason == "broken"]
    yield "Images that can't be decoded", [f"- {found.name}: {found.detail}" for found in refused]
    yield "Groups of the same bytes", list(_groups(report.duplicates))
    yield "Groups of pictures that are alike", list(_groups(report.alike))
    yield (
        "Sources in both splits",
        [f"- {leak.source}: {leak.train} images in train, {leak.val} in val" for leak in report.leaks],
    )


def _groups(groups: Sequence[Group]) -> Iterator[str]:
    """Lines of groups; first those across labels, then those across splits."""
    for group in sorted(groups, key=lambda group: (not group.across_labels, not group.across_splits)):
        marks = ["**both labels**"] * group.across_labels + ["**train and val**"] * group.across_splits
        names = ", ".join(
            f"{image.name} ({image.generator}, {image.split}, {_CLASSES[image.label]})" for image in group.images[:4]
        )
        more = f" and {len(group.images) - 4} more" if len(group.images) > 4 else ""
        yield f"- {_joined(marks)}{names}{more}"


def _joined(marks: Iterable[str]) -> str:
    text = ", ".join(marks)
    return f"{text}: " if text else ""


def _excluded(report: CheckReport) -> str:
    if not report.excluded:
        return "Nothing else would be excluded.\n" if report.broken else "Nothing would be excluded.\n"
    counts = Counter(found.reason for found in report.excluded)
    rows = [[meaning, str(counts[reason])] for reason, meaning in REASONS.items() if counts[reason]]
    left = report.images - len(report.excluded)
    return (
        f"## Would be excluded: {len(report.excluded)}\n\n{markdown_table(['why', 'images'], rows)}\n"
        f"{left} images are left (manifest hash `{report.clean_hash[:16]}`).\n"
    )
