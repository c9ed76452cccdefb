"""What a published row may be, and what its own figures say about its mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cinemae.published import PublishedTable, Row

PERCENT = st.floats(0, 100, allow_nan=False)
VALUES = st.lists(st.none() | PERCENT, min_size=1, max_size=16)


def row(**changes: Any) -> Row:
    return Row.model_validate({"method": "m", "source": "a", "values": [50.0, 60.0]} | changes)


def small(*rows: dict[str, Any], **changes: Any) -> PublishedTable:
    settings = {
        "title": "t",
        "protocol": "p",
        "source": "a",
        "averaged": True,
        "columns": [{"title": "A", "generator": "ga"}, {"title": "B", "generator": "gb"}],
        "rows": rows,
        "sources": {"a": {"mark": "P", "text": "paper"}, "b": {"mark": "T", "text": "thread"}},
    }
    return PublishedTable.model_validate(settings | changes)


@given(VALUES.filter(lambda values: any(value is not None for value in values)))
def test_a_mean_goes_over_all_figures_or_there_is_none(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    mean = row(values=values).recomputed
    if None in values:
        assert mean is None
    else:
        assert mean == pytest.approx(sum(known) / len(known))
    assert row(values=values, mean_over="given").recomputed == pytest.approx(sum(known) / len(known))


@pytest.mark.parametrize(("mean", "differs"), [(55.0, False), (55.5, False), (55.6, True), (54.4, True)])
def test_a_mean_that_does_not_follow_is_flagged(mean: float, differs: bool) -> None:
    assert row(mean=mean).mean_differs is differs


def test_what_is_not_known_flags_nothing() -> None:
    assert not row(values=[50.0, None], mean=90.0).mean_differs
    assert row(values=[50.0, None], mean=90.0, mean_over="given").mean_differs
    assert not row(mean=None).mean_differs
    assert not row(values=None, mean=90.0).mean_differs


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"comparable": False}, "reason"),
        ({"comparable": None}, "reason"),
        ({"reason": "other data"}, "reason"),
        ({"values": None}, "neither a figure nor a mean"),
        ({"values": [None, None]}, "neither a figure nor a mean"),
        ({"mean": 101.0}, "less than or equal to 100"),
        ({"mean": float("nan")}, "finite"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_row_that_says_too_little_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        row(**changes)


GOOD = {"method": "m", "source": "a", "values": [50.0, 60.0]}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"values": [50.0]}, "1 figures for 2 columns"),
        ({"values": [50.0, 160.0]}, "not in per cent"),
        ({"source": "c"}, "no source is called c"),
        ({"sources": {"A": "c"}}, "no source is called c"),
        ({"sources": {"C": "a"}}, "no column is called C"),
        ({"notes": [{"text": "x", "source": "c"}]}, "no source is called c"),
        ({"conflicts": [{"source": "c", "mean": 1.0}]}, "no source is called c"),
        ({"conflicts": [{"source": "b", "values": [1.0]}]}, "1 figures for 2 columns"),
    ],
)
def test_a_table_whose_parts_do_not_fit_is_refused(broken: dict[str, Any], reason: str) -> None:
    small(GOOD)
    with pytest.raises(ValidationError, match=reason):
        small(GOOD | broken)


def test_names_are_unique() -> None:
    with pytest.raises(ValidationError, match="same method"):
        small(GOOD, GOOD)
    with pytest.raises(ValidationError, match="same title"):
        small(GOOD, columns=[{"title": "A", "generator": "ga"}, {"title": "A", "generator": "gb"}])
    with pytest.raises(ValidationError, match="no source is called c"):
        small(GOOD, source="c")


def test_a_figure_may_have_a_source_of_its_own() -> None:
    table = small(GOOD | {"sources": {"B": "b"}})
    assert [table.source_of(table.rows[0], title).text for title in "AB"] == ["paper", "thread"]


def test_nothing_can_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        row().mean = 1.0  # type: ignore[misc]
