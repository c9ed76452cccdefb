"""The page in a real Chromium: nothing is fetched, nothing sticks out, and it prints."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser

from cinemae.report import build_report, to_html
from serve.page.browser import browsing


@pytest.fixture(scope="module")
def browser():
    with browsing() as running:
        yield running


@pytest.fixture(scope="module")
def address(inputs, tmp_path_factory) -> str:
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(to_html(build_report(inputs, worst=3)), encoding="utf-8")
    return place.as_uri()


STICKS_OUT = """() => [...document.querySelectorAll('body *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.right > document.documentElement.clientWidth + 1 && !one.closest('.scroll') && !one.closest('svg g');
}).map((one) => one.outerHTML.slice(0, 80))"""
CUT_OFF = """() => [...document.querySelectorAll('.panel svg text')].filter((one) => {
    const text = one.getBoundingClientRect(), svg = one.closest('svg').getBoundingClientRect();
    return text.left < svg.left - 1 || text.right > svg.right + 1 || text.top < svg.top - 1
        || text.bottom > svg.bottom + 1;
}).map((one) => one.textContent)"""


@pytest.mark.parametrize(("width", "height"), [(1366, 800), (390, 844)])
def test_everything_fits_and_nothing_is_asked_for(browser: Browser, address, width, height):
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: faults.append(request.url) if request.url != address else None)
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(STICKS_OUT) == []
    assert page.evaluate(CUT_OFF) == []
    assert page.locator("h1").is_visible()
    assert page.locator("figure svg").count() > 20
    page.locator("nav a").first.click()
    assert "#" in page.url
    assert [fault for fault in faults if not fault.startswith("data:")] == []
    context.close()


def test_it_prints_on_a4(browser: Browser, address):
    page = browser.new_page()
    page.goto(address)
    printed = page.pdf(prefer_css_page_size=True)
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([\d. ]+)\]", printed)}
    assert {(round(box[2]), round(box[3])) for box in boxes} == {(595, 842)}
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 60
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 695, "height": 1000})  # what A4 leaves between its margins
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate("[...document.querySelectorAll('table')].every((t) => t.getBoundingClientRect().right < 696)")
    page.close()
