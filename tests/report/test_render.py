"""The page: its numbers are the evaluation's, it needs nothing else, and no name can break it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from cinemae.audit import AuditConfig
from cinemae.audit.schema import Audit, Comparison, FactRow, Mean, ProtocolAudit, Slice
from cinemae.metrics import Figure
from cinemae.report import Report, build_report, to_html, to_markdown
from cinemae.report.cells import pointer
from cinemae.report.inputs import Inputs
from cinemae.report.panels import Chart
from cinemae.report.schema import Cell, Table
from cinemae.report.tables import FEW


class Cells(HTMLParser):
    """Every element that carries a number, with its text; and all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.numbers: list[tuple[dict[str, str | None], list[str]]] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if "data-value" in given:
            self.numbers.append((given, []))
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data):
        if self._open:
            self.numbers[-1][1].append(data)


def figure(value: float) -> Figure:
    return Figure(value=value, interval=(value - 0.05, value + 0.04))


@pytest.fixture(scope="module")
def audit() -> Audit:
    joint = {"file": figure(0.91), "history": figure(0.7), "pixels": figure(0.65), "together": figure(0.92)}
    fact = FactRow(name="width", group="file", alone=figure(0.9), order=0.9)
    one = Comparison(
        name="good", n_ai=60, n_real=60, sources_ai=6, sources_real=6, few=False, joint=joint, facts=(fact,),
        detector=figure(0.8), scored=120,
    )  # fmt: skip
    part = Slice(
        protocol="raw", by="format", value="JPEG", n_ai=9, n_real=8, few=False, area=figure(0.75), accuracy=0.71,
        accuracy_ai=figure(0.6), accuracy_real=None,
    )  # fmt: skip
    mean = Mean(generators=("good",), joint=joint, detector=figure(0.8))
    found = ProtocolAudit(protocol="raw", comparisons=(one,), mean=mean, findings=())
    return Audit(
        version="1", manifest_hash="cd" * 32, config=AuditConfig(), images=120, refused=(), protocols=(found,),
        slices=(part,),
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(inputs, audit) -> Report:
    return build_report(Inputs(inputs.evaluation, inputs.rows, audit), worst=3, command="cinemae report DIR")


@pytest.fixture(scope="module")
def page(report) -> str:
    return to_html(report)


@pytest.fixture(scope="module")
def parsed(page) -> Cells:
    return Cells(page)


def resolve(document, place: str):
    """Follow a JSON pointer, by the RFC."""
    for part in place.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def test_every_number_of_the_page_is_the_evaluation_s_and_the_report_s(parsed, report, inputs, audit):
    origins = {
        "evaluation": json.loads(inputs.evaluation.model_dump_json()),
        "audit": json.loads(audit.model_dump_json()),
    }
    told = json.loads(report.model_dump_json())
    cells: dict[tuple[str, str], list] = {}
    for cell in cells_of(told):
        cells.setdefault((cell["origin"], cell["pointer"]), []).append(cell)
    pointed = [(given, texts) for given, texts in parsed.numbers if "data-pointer" in given]
    assert len(pointed) > 500
    for given, texts in pointed:
        value, place = float(given["data-value"]), given["data-pointer"]
        assert resolve(origins[given["data-origin"]], place) == value
        same = cells[given["data-origin"], place]
        assert {cell["value"] for cell in same} == {value}
        if "data-low" in given:
            ends = [float(given["data-low"]), float(given["data-high"])]
            assert ends in [cell["interval"] for cell in same]
            assert ends == resolve(origins[given["data-origin"]], place.removesuffix("/value"))["interval"]
        shown = float(texts[0].strip().replace("\N{MINUS SIGN}", "-"))
        percent = abs(shown - 100 * value) <= 0.0501
        assert percent or shown == pytest.approx(value, abs=0.000501)
    assert {given["data-origin"] for given, _ in pointed} == {"evaluation", "audit"}


def cells_of(node):
    """Every cell of a report's JSON."""
    if isinstance(node, dict):
        if {"text", "pointer", "value"} <= node.keys() and node["pointer"]:
            yield node
        for value in node.values():
            yield from cells_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from cells_of(value)


def test_all_figures_of_every_generator_are_there(parsed, inputs):
    shown = {given["data-pointer"] for given, _ in parsed.numbers if "data-pointer" in given}
    for head, tables in inputs.evaluation.tables.items():
        for protocol, table in tables.items():
            for number, row in enumerate(table.rows):
                base = pointer("tables", head, protocol, "rows", number)
                wanted = {f"{base}/n_ai", f"{base}/n_real"}
                for part in ("ranking", "calibration", "selective"):
                    figures = getattr(row, part)
                    names = [name for name in type(figures).model_fields if getattr(figures, name) is not None]
                    wanted |= {f"{base}/{part}/{name}/value" for name in names}
                for point, figures in row.points.items():
                    wanted |= {f"{base}/points/{point}/{name}/value" for name in type(figures).model_fields}
                assert wanted <= shown


def test_the_page_needs_nothing_and_runs_nothing(page, parsed):
    assert not [tag for tag, _ in parsed.tags if tag in ("script", "link", "iframe", "object", "base", "form")]
    for _, given in parsed.tags:
        assert not [name for name in given if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (given.get(name) or "#").startswith(("#", "data:image/"))
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in page


def test_names_are_text(page):
    assert "<b>odd" not in page
    assert "&lt;b&gt;odd&lt;/b&gt; $x$ 図" in page


def test_ids_are_unique_and_links_lead_to_them(parsed):
    ids = [given["id"] for _, given in parsed.tags if given.get("id")]
    assert len(ids) == len(set(ids))
    links = {given["href"][1:] for tag, given in parsed.tags if tag == "a"}
    assert links
    assert links <= set(ids)


def test_the_same_report_is_the_same_page(report, page):
    assert to_html(report) == page
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_heads_stand_side_by_side_and_have_chapters_of_their_own(report):
    (table,) = (block for block in report.overview.blocks if isinstance(block, Table))
    assert [(row.name, row.note) for row in table.rows] == [
        (head, protocol) for head in ("shipped", "other/head~1") for protocol in ("raw", "format", "history")
    ]
    titles = [section.title for section in report.sections]
    assert "shipped: Ranking" in titles
    assert "other/head~1: Robustness" in titles


def test_curves_show_the_area_of_the_table(report, inputs):
    charts = {block.id: block for part in report.sections for block in part.blocks if isinstance(block, Chart)}
    roc = next(chart for name, chart in charts.items() if name.endswith("-roc"))
    tables = inputs.evaluation.tables["shipped"]
    assert [panel.title for panel in roc.panels] == ["mean of all (3)", "mean of large (2)"]
    for series in roc.panels[0].series:
        assert series.label == f"{tables[series.name].mean('all').ranking.roc_auc.value:.3f}"
    severity = next(chart for name, chart in charts.items() if name.endswith("-severity-area"))
    rows = inputs.evaluation.robustness["shipped"].means["all"]
    assert severity.panels[0].series[0].y == tuple(row.roc_auc.value for row in rows[:8])
    assert severity.panels[0].x.names == ("none", "95", "85", "75", "65", "50", "40", "30")


def test_an_audit_of_another_set_is_said_to_be_one(report, audit, inputs):
    (section,) = (section for section in report.sections if section.id == "audit")
    assert section.warnings[0].startswith("The audit is of another set or sample than the evaluation")
    mine = audit.model_copy(update={"manifest_hash": inputs.evaluation.manifest_hash})
    again = build_report(Inputs(inputs.evaluation, inputs.rows, mine), worst=0)
    (section,) = (section for section in again.sections if section.id == "audit")
    assert not [text for text in section.warnings if "another set" in text]


def test_few_images_are_marked(report):
    tables = [block for part in report.sections for block in part.blocks if isinstance(block, Table)]
    notes = {row.name: row.note for table in tables if table.id.endswith("raw-main") for row in table.rows}
    assert FEW == 40
    assert (notes["good"], notes["<b>odd</b> $x$ 図"]) == ("", "few")


def test_markdown_has_the_same_numbers(report):
    text = to_markdown(report)
    assert text.startswith(f"# {report.title}")
    for part in report.all_sections():
        for block in part.blocks:
            if isinstance(block, Table):
                cells: list[Cell] = [cell for row in block.rows for cell in row.cells]
                assert all(cell.text in text for cell in cells)
                assert f"### {block.title}" in text
    assert "- refused" not in text
    assert "broken.png: is empty" in text


def test_without_a_threshold_s_wrong_side_nobody_is_wrong(report):
    (gallery,) = (
        block
        for part in report.sections
        if part.title == "shipped: most wrong images"
        for block in part.blocks
        if block.id.endswith("-real")
    )
    found = [picture.probability for picture in gallery.pictures]
    assert len(found) == 3
    assert found == sorted(found, reverse=True)
    assert min(found) >= 0.5
