"""A published table with our row under it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemae import published


def table_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def by_method(text: str) -> dict[str, list[str]]:
    return {row[0].rstrip(" †(?)"): row for row in table_rows(text)[2:]}


TITLES = [column.title for column in published.table("genimage").columns]
OURS = dict(zip(TITLES, (61.0, 99.25, 98.0, 55.0, 70.0, 90.0, 66.0, 58.0), strict=True))


def test_columns_are_in_the_published_order() -> None:
    head = table_rows(published.markdown("genimage", {}))[0]
    assert head == [
        "method",
        "Midjourney",
        "SD v1.4",
        "SD v1.5",
        "ADM",
        "GLIDE",
        "Wukong",
        "VQDM",
        "BigGAN",
        "mean",
        "source, notes",
    ]


def test_our_rows_are_last_and_bold_with_their_means() -> None:
    ours = {"raw": OURS, "format-aligned": dict.fromkeys(TITLES, 50.0)}
    rows = table_rows(published.markdown("genimage", ours))
    assert [row[0] for row in rows[-2:]] == ["**raw**", "**format-aligned**"]
    assert rows[-2][1:] == [*(f"**{value:.1f}**" for value in OURS.values()), "**74.7**", "this run"]
    assert not any("**" in row[0] for row in rows[:-2])


def test_a_mean_over_fewer_columns_says_over_how_many() -> None:
    rows = table_rows(published.markdown("genimage", {"ours": {"ADM": 60.0, "VQDM": 70.0}}))
    assert rows[-1][-2] == "**65.0** (2 of 8)"
    assert rows[-1][1] == ""
    empty = table_rows(published.markdown("genimage", {"ours": {}}))[-1]
    assert empty[1:-1] == [""] * 9


def test_what_is_wrong_with_a_row_can_be_read() -> None:
    text = published.markdown("genimage", {})
    rows = by_method(text)
    assert rows["SAFE"][-2] == "90.3 (**89.7**)"
    assert rows["C2P-CLIP, re-measured"][-2] == "(93.3)"
    assert rows["CINEMAE v2"] == ["CINEMAE v2 (?)", *[""] * 8, "96.63", rows["CINEMAE v2"][-1]]
    assert "LOTA †" in text
    assert "c states for DIRE: 60.2/99.9/99.8/50.9/55.0/99.2/50.1/50.2, mean 70.7." in text


@pytest.mark.parametrize("name", published.names())
@pytest.mark.parametrize("reproductions", [True, False])
def test_every_letter_and_number_leads_somewhere(name: str, reproductions: bool) -> None:
    text = published.markdown(name, {}, reproductions=reproductions)
    letters = re.findall(r"^- ([a-z]+): \[[PST]\] \S", text, re.MULTILINE)
    numbers = re.findall(r"^(\d+)\. \S", text, re.MULTILINE)
    assert len(set(letters)) == len(letters)
    assert numbers == [str(number + 1) for number in range(len(numbers))]
    used = {mark for row in table_rows(text)[2:] for mark in row[-1].split(", ")}
    assert {mark for mark in used if mark.isdigit()} == set(numbers)
    assert {mark for mark in used if not mark.isdigit()} <= set(letters)


def test_reproductions_can_be_left_out() -> None:
    text = published.markdown("aigcdetect", {}, reproductions=False)
    assert "re-measured" not in text
    assert "PatchCraft" in by_method(text)


def test_figures_are_shown_as_exactly_as_they_were_stated() -> None:
    rows = by_method(published.markdown("genimage", {}))
    assert rows["DIRE"][1:10] == ["50.40", "99.99", "99.92", "52.32", "67.23", "99.98", "50.10", "49.99", "71.24"]
    assert rows["FatFormer"][2] == "100.0"
    assert rows["AIDE, a user's training"][-2] == "85.10"


def test_chameleon_has_no_mean() -> None:
    text = published.markdown("chameleon", {"ours": {"accuracy": 50.0, "on AI": 40.0, "on real": 60.0}})
    assert table_rows(text)[-1] == ["**ours**", "**50.0**", "**40.0**", "**60.0**", "this run"]


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"BigGan": 50.0}, "GenImage has no column BigGan; did you mean BigGAN"),
        ({"xyz": 50.0}, "no column xyz; it has Midjourney, SD v1.4"),
        ({"ADM": 100.5}, "not in per cent"),
        ({"ADM": -1.0}, "not in per cent"),
        ({"ADM": float("nan")}, "not in per cent"),
    ],
)
def test_figures_that_do_not_belong_there_are_refused(figures: dict[str, float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        published.markdown("genimage", {"ours": figures})


@given(st.dictionaries(st.sampled_from(TITLES), st.floats(0, 100), min_size=1))
def test_our_mean_is_that_of_our_figures(figures: dict[str, float]) -> None:
    row = table_rows(published.markdown("genimage", {"ours": figures}))[-1]
    mean = re.match(r"\*\*([\d.]+)\*\*", row[-2])
    assert mean is not None
    assert float(mean[1]) == pytest.approx(sum(figures.values()) / len(figures), abs=0.0501)
    assert ("of 8" in row[-2]) == (len(figures) < 8)
