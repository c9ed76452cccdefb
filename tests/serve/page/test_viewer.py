"""The picture and its map: in the right place, with the right numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from cinemae import Detector
from cinemae.maps import patch_map
from pictures import animation, encode, oriented_exif, photo, tiff
from serve.page.browser import Open, png_of
from toys import pink, upsampled


def test_the_map_lies_on_the_right_place_of_a_turned_picture(visit: Open, detector: Detector) -> None:
    upright = np.full((120, 200, 3), 90, np.uint8) + pink(7, 200)[:120] // 8
    upright[:40, :40] = (220, 30, 30)  # the corner tells which side is up
    files = []
    for orientation, turns in ((1, 0), (3, 2), (6, 1), (8, 3)):
        stored = np.ascontiguousarray(np.rot90(upright, turns))
        files.append((f"{orientation}.jpg", encode(stored, "JPEG", quality=95, exif=oriented_exif(orientation))))
    tab = visit()
    cards = tab.score(*files, kind="image/jpeg").all()
    for card, (_, data) in zip(cards, files, strict=True):
        canvas = tab.details(card).locator("canvas.picture")
        read = "c => [c.width, c.height, ...c.getContext('2d').getImageData(20, 20, 1, 1).data]"
        width, height, red, green, *_ = canvas.evaluate(read)
        assert (width, height) == (200, 120)
        assert red > 180 > 80 > green
        frame, tint, grid = (card.locator(what).bounding_box() for what in ("canvas.picture", ".tint", ".patches"))
        assert frame is not None
        zoom = frame["width"] / 200
        left, top, right, bottom = patch_map(detector.score(data)).box
        wanted = {
            "x": frame["x"] + left * zoom, "y": frame["y"] + top * zoom,
            "width": (right - left) * zoom, "height": (bottom - top) * zoom,
        }  # fmt: skip
        assert tint == pytest.approx(wanted, abs=0.6)
        assert grid == pytest.approx(wanted, abs=0.6)


def test_patches_are_read_out_under_mouse_and_keys(visit: Open, detector: Detector) -> None:
    tab, data = visit(), png_of(8, upsampled)
    card = tab.details(tab.score(("map.png", data)))
    numbers, readout = patch_map(detector.score(data)), card.locator(".readout")

    def words(row: int, column: int) -> str:
        gap = numbers.gap[row][column]
        beside = "more" if gap >= 0 else "less"
        bits = f"{numbers.bits[row][column]:.2f} bits/dim, {abs(gap):.2f} {beside} than expected"
        return f"Row {row + 1}, column {column + 1}: {bits}"

    card.locator(".patches").evaluate("grid => grid.scrollIntoView({ behavior: 'instant' })")
    box = card.locator(".patches").bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + 2.5 / 14 * box["width"], box["y"] + 4.5 / 14 * box["height"])
    expect(readout).to_have_text(words(4, 2))
    tab.page.mouse.move(5, 5)
    expect(readout).to_contain_text("arrow keys")
    card.locator("[role=gridcell][tabindex='0']").focus()
    expect(readout).to_have_text(words(7, 7))
    for key, place in (
        ("ArrowRight", (7, 8)),
        ("ArrowUp", (6, 8)),
        ("Home", (6, 0)),
        ("Control+End", (13, 13)),
        ("ArrowDown", (13, 13)),
    ):
        tab.page.keyboard.press(key)
        expect(readout).to_have_text(words(*place))
        focused = tab.page.locator(":focus")
        expect(focused).to_have_attribute("aria-label", words(*place))  # what a screen reader says
        expect(focused).to_have_attribute("role", "gridcell")


def test_the_slider_and_the_switch_change_what_is_seen(visit: Open) -> None:
    tab = visit()
    card = tab.details(tab.score(("map.png", png_of(9))))
    tint, slider = card.locator(".tint"), card.get_by_role("slider", name="Map's opacity")
    expect(tint).to_have_css("opacity", "0.75")
    slider.fill("20")
    expect(tint).to_have_css("opacity", "0.2")
    expect(card.locator("output")).to_have_text("20 %")
    card.get_by_text("Plain", exact=True).click()
    expect(tint).to_be_hidden()
    expect(card.locator("canvas.picture")).to_be_visible()
    card.get_by_text("Reconstruction", exact=True).click()
    expect(card.locator("canvas.picture")).to_be_hidden()
    sizes = card.locator(".pair img").evaluate_all("all => all.map((img) => [img.naturalWidth, img.naturalHeight])")
    assert sizes == [[224, 224], [224, 224]]
    card.get_by_text("Map", exact=True).click()
    expect(tint).to_be_visible()


def test_what_a_browser_cannot_show_is_shown_as_the_server_saw_it(visit: Open, tmp_path: Path) -> None:
    tab = visit()
    card = tab.details(tab.score(("scan.tif", tiff(photo())), kind="image/tiff"))
    expect(card.locator(".thumbnail")).to_have_text("TIF")
    expect(card).to_contain_text("Your browser can't show this file as it was scored")
    frame, tint = card.locator("canvas.picture").bounding_box(), card.locator(".tint").bounding_box()
    assert frame
    assert tint == pytest.approx(frame, abs=0.6)
    report = tab.save(card.get_by_role("button", name="Download report"), tmp_path)
    assert "The part that was scored, reduced" in report.read_text()


def test_of_an_animation_the_first_frame_is_shown(visit: Open) -> None:
    tab = visit()
    for card in tab.score(*[(f"moving.{kind}", animation(kind)) for kind in ("GIF", "WEBP")]).all():
        tab.details(card)
        expect(card.locator(".status")).to_contain_text("Animated: only the first of 3 frames was scored.")
        read = "c => [...c.getContext('2d').getImageData(0, 40, c.width, 20).data]"
        shown = np.array(card.locator("canvas.picture").evaluate(read)).reshape(20, 160, 4)[..., :3]
        assert np.abs(shown - photo()[40:60].astype(int)).mean() < 12  # the other frames are negatives
