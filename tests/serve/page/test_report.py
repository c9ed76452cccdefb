"""The report: complete, true to the JSON, and harmless whatever a file is called."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

from playwright.sync_api import expect

from cinemae import Detector
from cinemae.maps import patch_map
from cinemae.verdict import Verdict
from pictures import encode, photo
from serve.page.browser import Open, Outline, png_of, said

HOSTILE = "<img src=x onerror=alert(1)>'\"&amp;</title></style><script>alert(2)</script>.png"


def test_a_hostile_file_name_stays_text_in_the_page_and_in_the_report(visit: Open, tmp_path: Path) -> None:
    tab = visit()
    tab.refusals = True
    cards = tab.score((HOSTILE, png_of(5)), (HOSTILE, b"no image"), how="drop").all()
    assert all(card.get_by_role("heading", level=3).inner_text() == HOSTILE for card in cards)
    sent = HOSTILE.replace('"', "%22")  # so a browser writes it in a form
    expect(cards[1].locator(".problem")).to_contain_text(sent)
    tab.details(cards[0])
    report = tab.save(cards[0].get_by_role("button", name="Download report"), tmp_path)
    assert re.fullmatch(r"[\w.-]+\.cinemae\.html", report.name)
    outline = Outline(report.read_text())
    assert not {"script", "iframe", "object", "link"} & {tag for tag, _ in outline.tags}
    assert not [name for _, given in outline.tags for name in given if name.startswith("on")]
    assert all(str(given["src"]).startswith("data:image/") for tag, given in outline.tags if tag == "img")
    tab.page.goto(report.as_uri())
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert tab.page.title() == f"cinemae: {HOSTILE}"
    tab.faults = [fault for fault in tab.faults if fault != f"request: {report.as_uri()}"]


def test_the_report_says_what_the_json_says_and_needs_nothing_else(
    visit: Open, detector: Detector, tmp_path: Path
) -> None:
    tab, data = visit(), encode(photo(), "JPEG", quality=90)
    (card,) = tab.score(("cat.jpg", data), kind="image/jpeg").all()
    tab.details(card)
    numbers = json.loads(tab.save(card.get_by_role("button", name="Download JSON"), tmp_path).read_text())
    report = tab.save(card.get_by_role("button", name="Download report"), tmp_path)
    assert (files("cinemae.serve") / "page" / "page.css").read_text() in report.read_text()
    scored = detector.score(data, name="cat.jpg")
    told = Verdict.model_validate(numbers["verdict"])
    assert told.model_copy(update={"seconds": 0.0}) == scored.verdict.model_copy(update={"seconds": 0.0})
    assert numbers["map"] == json.loads(patch_map(scored).model_dump_json())

    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.goto(report.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    tab.faults = [fault for fault in tab.faults if fault != f"request: {report.as_uri()}"]
    assert json.loads(tab.page.locator("pre").text_content() or "") == numbers
    expect(tab.page.locator(".verdict")).to_have_text(said(told))
    facts = dict(zip(tab.page.locator("dt").all_inner_texts(), tab.page.locator("dd").all_inner_texts(), strict=True))
    assert facts["Probability"] == f"{numbers['verdict']['probability']:.4f}"
    assert facts["SHA-256"] == numbers["verdict"]["sha256"]
    expect(tab.page.locator("#limits")).to_contain_text("It is a hint, not proof.")
    sizes = tab.page.locator("img").evaluate_all("all => all.map((img) => [img.naturalWidth, img.naturalHeight])")
    assert sizes == [[160, 120], [160, 120]]  # the picture, and the picture with its map
