"""What can be told from the page's files without a browser."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from cinemae.maps.colours import MAGMA
from serve.page.browser import Outline

PAGE = files("cinemae.serve") / "page"


def test_the_pages_figures_are_those_of_the_results() -> None:
    results = (Path(__file__).parents[3] / "docs" / "results.md").read_text()
    row = re.search(r"\| fused \| format \|([^\n]*)", results)
    assert row is not None
    cells = [cell.split("[")[0].strip() for cell in row[1].split("|")]
    auc, found, alarms = (float(cells[number]) for number in (2, 4, 5))
    text = (PAGE / "index.html").read_text()
    said = {name: float(value) for name, value in re.findall(r'data-figure="(\w+)">([\d.]+)<', text)}
    assert said["found"] == pytest.approx(found, abs=0.5)
    assert said["alarms"] == pytest.approx(alarms, abs=0.51)
    assert said["auc"] == pytest.approx(auc, abs=0.0051)


def test_the_legends_colours_are_those_of_the_maps() -> None:
    bar = re.search(
        r"\.legend-bar \{.*?linear-gradient\(to right, ([^)]*)\)", (PAGE / "page.css").read_text(), re.DOTALL
    )
    assert bar is not None
    stops = [tuple(bytes.fromhex(stop.strip().lstrip("#"))) for stop in bar[1].split(",")]
    assert stops == [tuple(map(int, colour)) for colour in MAGMA]


def test_no_file_of_the_page_needs_what_its_policy_forbids() -> None:
    outline = Outline((PAGE / "index.html").read_text())
    assert not [given for _, given in outline.tags if "style" in given or any(name.startswith("on") for name in given)]
    assert all("src" in given for tag, given in outline.tags if tag == "script")
    for path in PAGE.iterdir():
        text = path.read_text()
        addresses = set(re.findall(r"https?://[^\s'\"`]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses, path.name
        assert "@import" not in text, path.name
        if path.name.endswith(".js"):
            assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\b|DOMParser", text), path.name
