"""Files of scores: read back as they were, or refused by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemae.scores import COLUMNS, ImageScore, ScoresError, read_image_scores, write_scores

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
SCORES = st.builds(
    ImageScore,
    name=TEXT, generator=TEXT, source=TEXT, head=TEXT,
    label=st.sampled_from(["ai", "real"]), split=st.sampled_from(["train", "val"]),
    protocol=st.sampled_from(["raw", "format", "history"]), corruption=st.sampled_from(["", "jpeg:50"]),
    probability=st.floats(0, 1),
)  # fmt: skip


@given(st.lists(SCORES, max_size=5))
def test_every_digit_comes_back_in_order(tmp_path_factory, scores):
    file = tmp_path_factory.mktemp("scores") / "scores.csv"
    write_scores(file, scores)
    assert read_image_scores(file) == scores


def test_a_name_that_is_no_text_can_be_written(tmp_path):
    odd = ImageScore(
        name="a\udcff.png", generator="g", label="ai", source="s", split="val", head="h", protocol="raw", probability=1
    )
    write_scores(tmp_path / "s.csv", [odd])
    assert read_image_scores(tmp_path / "s.csv")[0].name == "a\\udcff.png"


HEAD = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,probability\na,0.5\n", "columns must be name, .*; they are name, probability"),
        ("", "they are none"),
        (f"{HEAD}\na,g,ai,s,val,h,raw,,1.5\n", "line 2: probability"),
        (f"{HEAD}\na,g,fake,s,val,h,raw,,0.5\n", "line 2: label"),
        (f"{HEAD}\na,g,ai,s,val,h,sepia,,0.5\n", "line 2: protocol"),
        (f"{HEAD}\na,g,ai\n", "line 2: source"),
        (f"{HEAD}\na,g,ai,s,val,h,raw,,0.5,more\n", "line 2: "),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ScoresError, match=message):
        read_image_scores(tmp_path / "s.csv")
