"""Pictures come in, verdicts come out; what is refused, busy or locked says so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Route, expect

from cinemae import Detector
from pictures import encode, photo
from serve.page.browser import Open, Visit, png_of, said, serving
from toys import pink, upsampled


def test_files_come_in_by_picker_drop_and_paste(visit: Open, detector: Detector) -> None:
    tab, given = visit(), []
    for number, how in enumerate(("pick", "drop", "paste")):
        files = [(f"{how}-real.png", png_of(number)), (f"{how}-made.png", png_of(number, upsampled))]
        tab.score(*files, how=how)
        given += files
    for card, (name, data) in zip(tab.cards.all(), given, strict=True):
        expect(card.get_by_role("heading")).to_have_text(name)
        expect(card.locator(".verdict")).to_have_text(said(detector.detect_one(data)))
        expect(card.locator(".thumbnail canvas")).to_be_visible()


def test_a_single_picture_opens_with_its_facts_and_its_meaning(visit: Open, detector: Detector) -> None:
    data = encode(photo(), "JPEG", quality=90)
    (card,) = visit().score(("cat.jpg", data)).all()
    verdict = detector.detect_one(data)
    facts = dict(zip(card.locator("dt").all_inner_texts(), card.locator("dd").all_inner_texts(), strict=True))
    assert verdict.probability is not None
    assert verdict.alpha is not None
    assert verdict.bits_per_dim is not None
    assert float(facts["Probability"]) == pytest.approx(verdict.probability, abs=5e-5)
    assert "Threshold" not in facts  # it decides nothing
    assert facts["Error rate"] == f"{100 * verdict.alpha:g} %"
    assert float(facts["p-value, AI"]) == pytest.approx(verdict.p_ai, abs=5e-5)
    assert float(facts["p-value, real"]) == pytest.approx(verdict.p_real, abs=5e-5)
    assert float(facts["Bits/dim"]) == pytest.approx(verdict.bits_per_dim, abs=5e-5)
    assert facts["Format"] == "JPEG"
    assert re.fullmatch("160 . 120 pixels", facts["Size"])
    assert facts["Frames"] == "1"
    assert facts["File"].startswith(f"{len(data):,} bytes")
    assert facts["SHA-256"] == verdict.sha256
    assert facts["Model"] == verdict.model
    assert facts["Precision"] == verdict.precision
    meaning = card.locator(".explanation")
    expect(meaning).to_contain_text("By the model's calibration,")
    expect(meaning).to_contain_text(f"so at most {100 * verdict.alpha:g} % of AI pictures like those of calibration")
    mark = card.locator(".explanation .scale-mark").evaluate("mark => parseFloat(mark.style.insetInlineStart)")
    assert mark == pytest.approx(100 * verdict.probability, abs=0.01)


def test_a_bad_file_gets_its_reason_and_the_others_go_on(visit: Open, detector: Detector) -> None:
    tab = visit()
    tab.refusals = True
    cards = tab.score(("good.png", png_of(3)), ("text.jpg", b"no image at all"), ("cut.png", png_of(4)[:2000])).all()
    expect(cards[0].locator(".verdict")).to_have_text(said(detector.detect_one(png_of(3))))
    expect(cards[1].locator(".problem")).to_have_text(re.compile(r"^text\.jpg: not an image of an allowed format"))
    expect(cards[2].locator(".problem")).to_have_text(re.compile(r"^cut\.png: .*ends too early"))
    assert all(card.locator(".verdict").inner_text() == "Not scored" for card in cards[1:])
    expect(tab.page.locator("#tally")).to_contain_text("2 not scored")
    expect(tab.page.locator("#live")).to_contain_text("text.jpg: not scored.")


def test_many_files_are_sent_one_by_one_and_keep_their_order(visit: Open, detector: Detector, tmp_path: Path) -> None:
    tab = visit()
    running, most, bodies = 0, 0, 0

    def begins(request: object) -> None:
        nonlocal running, most, bodies
        if "/v1/detect" in request.url:  # type: ignore[attr-defined]
            running, bodies = running + 1, bodies + 1
            most = max(most, running)

    def ends(request: object) -> None:
        nonlocal running
        running -= "/v1/detect" in request.url  # type: ignore[attr-defined]

    tab.page.on("request", begins)
    tab.page.on("requestfinished", ends)
    given = [(f"{n:02d}.png", png_of(n, upsampled if n % 2 else pink)) for n in range(12)]
    cards = tab.score(*given)
    assert bodies == 12
    assert 2 <= most <= 3
    lines = cards.locator(".verdict").all_text_contents()
    assert lines == [said(detector.detect_one(data)) for _, data in given]
    assert cards.get_by_role("heading").all_inner_texts() == [name for name, _ in given]
    assert cards.locator(".card-body:visible").count() == 0  # a list, not twelve open pictures
    saved = json.loads(tab.save(tab.page.get_by_role("button", name="Download all"), tmp_path).read_text())
    assert [each["verdict"]["path"] for each in saved] == [name for name, _ in given]
    cards.nth(4).get_by_role("button", name="Remove 04.png").click()
    expect(cards).to_have_count(11)
    expect(tab.page.get_by_role("heading", name="05.png")).to_be_focused()
    tab.page.get_by_role("button", name="Clear all").click()
    expect(tab.page.locator("#results")).to_be_hidden()
    expect(tab.page.locator("#pick")).to_be_focused()


def test_a_busy_server_is_asked_again_after_the_time_it_names(visit: Open) -> None:
    tab, asked = visit(), []
    tab.refusals = True

    def answer(route: Route) -> None:
        asked.append(tab.page.evaluate("performance.now()"))
        if len(asked) > 2:
            route.continue_()
        else:
            route.fulfill(status=(503, 429)[len(asked) - 1], headers={"Retry-After": "1"}, body="{}")

    tab.page.route("**/v1/detect*", answer)
    tab.give(("busy.png", png_of(1)))
    expect(tab.cards.locator(".state")).to_contain_text("The server is busy: waiting, next try in")
    expect(tab.cards).to_have_attribute("data-state", "done")
    assert len(asked) == 3
    assert min(np.diff(asked)) >= 1000


def test_what_failed_by_chance_can_be_tried_again_and_what_is_removed_is_stopped(visit: Open) -> None:
    tab = visit()
    tab.refusals = True
    tab.page.route("**/v1/detect*", lambda route: route.abort(), times=1)
    (card,) = tab.score(("once.png", png_of(1))).all()
    expect(card.locator(".problem")).to_contain_text("No answer.")
    cut = {"status": 200, "content_type": "application/json", "body": '{"results": ['}
    tab.page.route("**/v1/detect*", lambda route: route.fulfill(**cut), times=1)
    card.get_by_role("button", name="Try again").click()
    expect(card.locator(".problem")).to_have_text("The answer broke off before its end.")
    card.get_by_role("button", name="Try again").click()
    expect(card).to_have_attribute("data-state", "done")
    tab.page.route("**/v1/detect*", lambda route: None)  # never answers
    tab.give(("never.png", png_of(2)))
    expect(tab.cards.nth(1)).to_have_attribute("data-state", "scoring")
    with tab.page.expect_event("requestfailed") as failed:
        tab.page.get_by_role("button", name="Remove never.png").click()
    assert failed.value.failure == "net::ERR_ABORTED"
    expect(tab.cards).to_have_count(1)


def test_a_file_over_the_servers_limit_is_not_sent(browser: Browser, server: str) -> None:
    tab = Visit(browser, server)

    def smaller(route: Route) -> None:
        answer = route.fetch()
        model = answer.json()
        model["limits"]["body_bytes"] = 9_024
        route.fulfill(response=answer, json=model)

    tab.page.route("**/v1/model", smaller)
    sent: list[str] = []
    tab.page.on("request", lambda request: sent.append(request.url))
    data = png_of(1)
    assert len(data) > 8000
    (card,) = tab.open().score(("large.png", data)).all()
    expect(card.locator(".problem")).to_contain_text("this server takes at most 8 kB")
    assert not [url for url in sent if "/v1/detect" in url]
    tab.close()


def test_a_key_is_asked_for_and_kept_in_memory_only(
    browser: Browser, head_folder: Path, tmp_path: Path, detector: Detector
) -> None:
    from cinemae.serve.keys import make_key

    secret, _ = make_key("tester", tmp_path / "keys.json", None)
    options = ("--model", head_folder, "--device", "cpu", "--jobs", 1, "--keys", tmp_path / "keys.json")
    with serving(tmp_path / "log", *options) as address:
        tab = Visit(browser, address)
        tab.refusals = True
        tab.open()
        field = tab.page.get_by_label("API key")
        expect(field).to_be_focused()
        tab.give(("locked.png", png_of(1)))
        expect(tab.cards.locator(".state")).to_have_text("Waiting for a key")
        field.fill("wrong")
        tab.page.keyboard.press("Enter")
        expect(tab.page.locator("#key-why")).to_contain_text("This key was not accepted.")
        field.fill(secret)
        tab.page.keyboard.press("Enter")
        expect(tab.cards.locator(".verdict")).to_have_text(said(detector.detect_one(png_of(1))))
        expect(tab.page.locator("#key")).to_be_hidden()
        expect(tab.page.locator("#model")).to_contain_text(detector.fingerprint)
        kept = tab.page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
        assert secret not in kept
        tab.page.reload()
        expect(field).to_be_visible()
        tab.close()
