"""The page for everyone: by keyboard, in both themes, on a phone, read aloud."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from serve.page.browser import Open, png_of
from toys import pink, upsampled

CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const light = (colour) => {
        const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = [...rgba(colour)].map((c) => linear(c / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (rgba(colour)[3] === 255) return colour;
        }
        return 'white';
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const words = texts.currentNode.textContent.trim();
        if (!words || !element.checkVisibility() || element.closest('button:disabled, noscript')) continue;
        const style = getComputedStyle(element);
        const [a, b] = [light(style.color), light(behind(element))].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize);
        const enough = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
        found.push({ words, ratio: (a + 0.05) / (b + 0.05), enough });
    }
    return found;
}"""

UNNAMED = """() => [...document.querySelectorAll(
    'a, button, input, img, canvas, [role=img], [role=grid], [role=gridcell], fieldset, progress')]
    .filter((element) => element.checkVisibility() && !element.closest('[aria-hidden=true]'))
    .filter((element) => element.getAttribute('alt') !== '') // decoration
    .filter((element) => ![
        element.getAttribute('aria-label') ?? '', element.getAttribute('alt') ?? '', element.textContent.trim(),
        ...[...(element.labels ?? [])].map((label) => label.textContent.trim()),
    ].some(Boolean)).map((element) => element.outerHTML)"""


def test_all_can_be_done_by_keyboard(visit: Open, tmp_path: Path) -> None:
    tab = visit()
    press = tab.page.keyboard.press
    focused = tab.page.locator(":focus")

    def tab_to(role: str, name: str) -> None:
        for _ in range(20):
            press("Tab")
            if tab.page.get_by_role(role, name=name).and_(focused).count():  # type: ignore[arg-type]
                return
        pytest.fail(f"Tab never came to the {role} {name}")

    press("Tab")
    expect(focused).to_have_text("Skip to the pictures")
    press("Enter")
    expect(focused).to_have_id("main")
    for number in (1, 2):
        path = tmp_path / f"{number}.png"
        path.write_bytes(png_of(number))
    tab.page.keyboard.press("Tab")  # the link in the introduction
    with tab.page.expect_file_chooser() as chooser:
        press("Tab")
        expect(focused).to_have_id("pick")
        press("Enter")
    chooser.value.set_files([tmp_path / "1.png", tmp_path / "2.png"])
    expect(tab.cards.locator(".verdict")).to_have_count(2)
    tab_to("button", "Details of 1.png")
    outline = focused.evaluate(
        "button => getComputedStyle(button).outlineStyle + getComputedStyle(button).outlineWidth"
    )
    assert outline == "solid3px"
    press("Enter")
    expect(tab.cards.first.locator("canvas.picture")).to_be_visible()
    tab_to("radio", "Map")
    press("ArrowRight")
    expect(tab.cards.first.locator(".tint")).to_be_hidden()
    press("ArrowLeft")
    press("Tab")
    expect(focused).to_have_attribute("role", "gridcell")
    tab_to("slider", "Map's opacity")
    press("ArrowLeft")
    expect(tab.cards.first.locator(".tint")).to_have_css("opacity", "0.7")
    tab_to("button", "Download report")
    with tab.page.expect_download():
        press("Enter")
    for _ in range(20):
        press("Shift+Tab")
        if focused.get_attribute("aria-label") == "Remove 1.png":
            break
    press("Enter")
    expect(tab.cards).to_have_count(1)
    expect(focused).to_have_text("2.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_and_everything_has_a_name(visit: Open, scheme: str) -> None:
    tab = visit(color_scheme=scheme)
    tab.refusals = True
    given = [(f"{n}.png", png_of(n, upsampled if n % 2 else pink)) for n in range(4)]
    cards = tab.score(*given, ("bad.png", b"no image"))
    tab.details(cards.first)
    tab.page.evaluate("document.getElementById('key').hidden = false")
    paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 3 * 60) == (scheme == "dark")
    texts = tab.page.evaluate(CONTRAST)
    assert len(texts) > 60
    assert [text for text in texts if text["ratio"] < text["enough"]] == []
    assert tab.page.evaluate(UNNAMED) == []
    ids = tab.page.locator("[id]").evaluate_all("all => all.map((element) => element.id)")
    assert len(set(ids)) == len(ids)
    levels = [
        int(tag[1]) for tag in tab.page.locator("h1, h2, h3, h4").evaluate_all("all => all.map((h) => h.tagName)")
    ]
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1


def test_the_theme_can_be_chosen_and_is_remembered(visit: Open) -> None:
    tab = visit(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = tab.page.evaluate(background)
    tab.page.locator("#theme").get_by_text("Light").click()
    light = tab.page.evaluate(background)
    assert light != dark
    tab.page.reload()
    expect(tab.page.get_by_role("radio", name="Light")).to_be_checked()
    assert tab.page.evaluate(background) == light


def test_a_phone_needs_no_sideways_scrolling(visit: Open) -> None:
    tab = visit(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    tab.refusals = True
    name = "a_very_long_name_without_any_place_to_break_it_" * 4 + ".png"
    cards = tab.score((name, png_of(1, lambda seed: pink(seed, 600))), ("bad.png", b"no image"))
    card = tab.details(cards.first)
    for mode in ("Reconstruction", "Map"):
        card.get_by_text(mode, exact=True).tap()
        assert tab.page.evaluate("document.documentElement.scrollWidth") == 360
    card.locator("[data-at='3 4']").tap()
    expect(card.locator(".readout")).to_contain_text("Row 4, column 5:")
    boxes = [button.bounding_box() for button in tab.page.locator("button:visible, .segments label").all()]
    assert all(box and min(box["width"], box["height"]) >= 24 for box in boxes)


def test_motion_is_left_out_on_request(visit: Open) -> None:
    tab = visit(reduced_motion="reduce")
    tab.page.route("**/v1/detect*", lambda route: None)
    tab.give(("slow.png", png_of(1)))
    expect(tab.cards.locator(".state.scoring .icon")).to_have_css("animation-name", "none")
