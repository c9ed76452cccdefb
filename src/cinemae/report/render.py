"""A report as a page that needs nothing else, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from cinemae.metrics.tables import markdown_line
from cinemae.report.draw import COLOURS, DASHES, MARKERS, draw_panel
from cinemae.report.panels import Chart, Panel, Role
from cinemae.report.schema import Cell, Column, Gallery, Report, Table

_SCALE = 1.45  # CSS pixels a point at full size: the smallest letters are then 9.5 pixels


def to_html(report: Report) -> str:
    """Return the report as one HTML file: pictures and styles inside, no scripts, nothing to be fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("cinemae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {
        chart.id: [Markup(draw_panel(panel, f"{chart.id}-{number}")) for number, panel in enumerate(chart.panels)]
        for section in report.all_sections()
        for chart in section.blocks
        if isinstance(chart, Chart)
    }
    environment.filters["tight"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment.get_template("report.html.jinja").render(
        report=report,
        drawn=drawn,
        style=Markup(files("cinemae.report").joinpath("templates", "report.css").read_text("utf-8")),
        groups=column_groups,
        width=panel_width,
        key=lambda role: Markup(_key(role)),
        colours=COLOURS,
    )


def panel_width(panel: Panel) -> int:
    """Return how wide a panel is at its full size, in CSS pixels."""
    return round(panel.size[0] * 72 * _SCALE)


def column_groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the titles above several columns, and over how many each stands."""
    groups: list[tuple[str, int]] = []
    for column in columns:
        if groups and groups[-1][0] == column.group and column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    return groups


def _key(role: Role) -> str:
    """Return the sign of a role in a legend: its colour, dash and marker."""
    colour = COLOURS[role]
    if role in ("ai", "real"):
        return f'<svg class="key" viewBox="0 0 26 10"><path d="M3 1h20v8H3z" fill="{colour}" opacity=".55"/></svg>'
    dash = DASHES.get(role)
    pattern = f' stroke-dasharray="{" ".join(f"{1.6 * part:g}" for part in dash[1])}"' if dash else ""
    marker = {
        "o": f'<circle cx="13" cy="5" r="3" fill="{colour}"/>',
        "s": f'<path d="M10 2h6v6h-6z" fill="{colour}"/>',
        "D": f'<path d="M13 1l4 4-4 4-4-4z" fill="{colour}"/>',
        "^": f'<path d="M13 1l4 7h-8z" fill="{colour}"/>',
    }[MARKERS.get(role, "o")]
    return (
        f'<svg class="key" viewBox="0 0 26 10"><path d="M1 5h24" stroke="{colour}" stroke-width="1.6"{pattern}/>'
        f"{marker}</svg>"
    )


def to_markdown(report: Report) -> str:
    """Return the report's words and tables in Markdown; its charts are in the page."""
    parts = [
        f"# {report.title}",
        report.measured,
        "\n".join(f"- **{one.about}.** {one.text}" for one in report.summary),
    ]
    if report.tiles:
        lines = [markdown_line([tile.title, _text(tile.cell), _text(tile.second) + " %"]) for tile in report.tiles]
        titles = [report.tiles_of, report.tiles[0].what, "balanced accuracy"]
        parts.append("\n".join([markdown_line(titles), markdown_line(["---", "---:", "---:"]), *lines]))
    parts.append("\n".join(f"- {fact.name}: {f'`{fact.value}`' if fact.code else fact.value}" for fact in report.facts))
    for section in report.all_sections():
        parts.append(f"## {section.title}")
        parts += [f"**{warning}**" for warning in section.warnings]
        parts += section.text
        parts += [_block(block) for block in section.blocks if not isinstance(block, Chart)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Table | Gallery) -> str:
    if isinstance(block, Gallery):
        head = ["image", "generator", "source", "probability", "NLL, bits a sub-pixel"]
        rows = [
            [one.name, one.generator, one.source, f"{one.probability:.4f}", "" if one.nll is None else f"{one.nll:.3f}"]
            for one in block.pictures
        ]
        return f"### {block.title}\n\n{_lines(head, rows, words=3)}"
    head = [block.first, *(f"{column.group}: {column.title}".removeprefix(": ") for column in block.columns)]
    rows = [
        [f"{row.name} ({row.note})" if row.note else row.name, *(_text(cell) for cell in row.cells)]
        for row in block.rows
    ]
    return f"### {block.title}\n\n{block.note}\n\n{_lines(head, rows)}"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    marks = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join([markdown_line(head), markdown_line(marks), *map(markdown_line, rows)])


def _text(cell: Cell) -> str:
    return f"{cell.text} [{cell.interval_text}]" if cell.interval_text else cell.text
