"""Names: as text, as cells that no spreadsheet runs, and with slashes that every system knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cinemae.naming import FORMULA, forward, guarded, unguarded


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("x")', "+1.png", "-2+3.png", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"]
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "-", "a=b.png", "photo-1.jpg", "'tis.png", "1-2"])
def test_other_texts_stay(text: str) -> None:
    assert guarded(text) == text


@given(st.text(st.sampled_from("'=+-@\t\ra ."), max_size=6))
@example("'=x")
@example("''=x")
def test_guards_come_off_again(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert len(text) < 2 or not guarded(text).lstrip().startswith(FORMULA)


def test_backslashes_are_slashes_unless_a_file_has_them(tmp_path: Path) -> None:
    assert forward(r"train\ai\a.png", tmp_path) == "train/ai/a.png"
    (tmp_path / r"odd\name.png").write_bytes(b"1")
    assert forward(r"odd\name.png", tmp_path) == r"odd\name.png"
