"""The panel with what a file says: a signed, a stated, a contradictory and a bare picture, by keyboard and by name."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, expect

import statements as st
from pictures import encode, photo
from serve.page.browser import Open, Outline

HOSTILE = "<img src=x onerror=alert(1)> \u202egnp.exe \x1b[31m"


def pictures() -> dict[str, bytes]:
    """The four kinds, by name."""
    both = st.exif({0x010F: "Canon", 0x0110: "EOS R5"}, {0x829A: (1, 200), 0x9286: st.comment(st.A1111)})
    return {
        "signed.jpg": st.sign(encode(photo(), "JPEG", quality=90), "image/jpeg", st.created()),
        "stated.png": st.with_chunks(st.text("parameters", st.A1111.replace("a lighthouse", HOSTILE))),
        "both.jpg": st.jpeg_with(st.jpeg_exif(both)),
        "bare.png": encode(photo(), "PNG"),
    }


def panel(card: Locator) -> Locator:
    return card.get_by_role("region", name="What the file says of itself")


def test_the_four_kinds_of_pictures(visit: Open, tmp_path: Path) -> None:
    tab = visit()
    signed, stated, both, bare = tab.score(*pictures().items()).all()
    for card in (signed, stated, both, bare):
        tab.details(card)
    expect(signed.locator(".conclusion")).to_contain_text("Together: ")
    expect(panel(signed)).to_contain_text("Content Credentials (C2PA)")
    expect(panel(signed)).to_contain_text("Signed, signer not trusted")
    expect(panel(signed)).to_contain_text("Signed by Test Signers")
    expect(panel(stated)).to_contain_text("Stated, not signed")
    expect(both.locator(".conclusion")).to_contain_text("Together: Contradiction.")
    expect(panel(both).locator(".contradiction")).to_contain_text("Canon EOS R5")
    expect(bare.locator(".conclusion")).to_have_count(0)
    expect(panel(bare)).to_contain_text("That means nothing")


def test_a_prompt_stays_text_in_the_page_and_in_the_report(visit: Open, tmp_path: Path) -> None:
    tab = visit()
    (card,) = tab.score(("stated.png", pictures()["stated.png"])).all()
    tab.details(card)
    panel(card).locator("summary").press("Enter")  # by keyboard
    shown = panel(card).locator("dd", has_text="<img src=x")
    expect(shown).to_be_visible()
    assert "\\u202egnp.exe \\x1b[31m" in shown.inner_text()
    report = tab.save(card.get_by_role("button", name="Download report"), tmp_path)
    outline = Outline(report.read_text())
    assert not [name for _, given in outline.tags for name in given if name.startswith("on")]
    assert all(str(given["src"]).startswith("data:image/") for tag, given in outline.tags if tag == "img")
    tab.page.goto(report.as_uri())
    expect(tab.page.get_by_role("region", name="What the file says of itself")).to_contain_text("AUTOMATIC1111")
    tab.faults = [fault for fault in tab.faults if fault != f"request: {report.as_uri()}"]


def test_the_page_says_what_is_read(visit: Open) -> None:
    expect(visit().page.locator("#privacy")).to_contain_text("only that they are there")
