"""Panels as SVG: the same bytes each time, names of their own, and whatever a generator is called."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from cinemae.report.draw import COLOURS, draw_panel, position
from cinemae.report.panels import Axis, Mark, Panel, Series

AXIS = Axis(title="share, %", low=0, high=1, percent=True)


def panel(**settings):
    line = Series(role="raw", name="raw", x=(0, 0.5, 1), y=(0, 0.8, 1), low=(0, 0.7, 1), high=(0, 0.9, 1), label="0.8")
    values = {"title": "a panel", "x": AXIS, "y": AXIS, "series": (line,), "marks": (Mark(axis="diagonal"),)}
    return Panel.model_validate(values | settings)


def test_the_same_numbers_give_the_same_bytes():
    first = draw_panel(panel(), "one")
    assert first == draw_panel(panel(), "one")
    assert not re.search(r"20\d\d-\d\d-\d\d", first)
    assert "metadata" not in first


def test_names_are_unique_in_a_page():
    ids = [re.findall(r'\bid="([^"]+)"', draw_panel(panel(), name)) for name in ("one", "two")]
    assert not set(ids[0]) & set(ids[1])
    drawn = draw_panel(panel(), "one")
    wanted = {*re.findall(r"url\(#([^)]+)\)", drawn), *re.findall(r'href="#([^"]+)"', drawn)}
    assert wanted
    assert wanted <= set(ids[0])


def test_text_stays_text_and_is_escaped():
    drawn = draw_panel(panel(title='<script>alert("1")</script> $\\frac{1}{2}$ 図'), "odd")
    assert "<script" not in drawn
    root = ElementTree.fromstring(drawn)
    texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    assert '<script>alert("1")</script> $\\frac{1}{2}$ 図' in texts
    assert "raw 0.8" in texts
    assert root.get("viewBox")
    assert root.get("width") is None


def test_a_shown_number_is_where_it_should_be():
    points = Series(role="first", name="points", x=(0.25, 0.75), y=(0.5, 0.5), style="points")
    drawn = draw_panel(panel(series=(points,), marks=()), "place")
    xs = sorted(float(x) for x in re.findall(rf'<use [^>]*x="([\d.]+)"[^>]*fill: {COLOURS["first"]}', drawn))
    ticks = sorted({float(x) for x in re.findall(r'<use [^>]*x="([\d.]+)" y="[\d.]+" style="fill: #8a8a8a', drawn)})
    assert len(xs) == 2
    left, right = ticks[0], ticks[-1]
    assert (xs[1] - xs[0]) / (right - left) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("style", ["line", "step", "points", "bars", "line-points"])
def test_every_style_and_an_empty_series_can_be_drawn(style):
    for x in ((), (0.2, 0.4)):
        series = Series(role="ai", name="s", x=x, y=x, style=style)
        assert draw_panel(panel(series=(series,)), "style").startswith("<svg")


def test_normal_deviates():
    axis = Axis(title="", low=0.01, high=0.9, scale="probit")
    assert position(0.5, axis) == pytest.approx(0)
    assert position(0.975, axis) == pytest.approx(1.95996, abs=1e-4)
    assert position(0.0, axis) < position(0.01, axis)
