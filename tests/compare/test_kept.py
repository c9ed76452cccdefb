"""What is kept of finished methods, and when it may be used."""

from __future__ import annotations

import numpy as np
import pytest

from cinemae.compare.kept import Finished, Key, Shelf, write_text
from cinemae.compare.paired import Scores
from cinemae.datasets import read_images
from cinemae.fusion.conformal import Decision
from cinemae.scores import read_image_scores

KEY = Key(settings="s", data="d", features="f", code="c")


@pytest.fixture
def shelf(toy_set, tmp_path) -> Shelf:
    """With one method whose head is saved and one image of whose format scores is missing."""
    shelf = Shelf(tmp_path, read_images(toy_set, split="val"))
    numbers = {"raw": np.arange(16), "format": np.delete(np.arange(16), 3)}
    rng = np.random.default_rng(0)
    scores = {protocol: Scores(rows, rng.random(len(rows)), 0.25) for protocol, rows in numbers.items()}
    finished = Finished(
        name="a method", key=KEY, kind="head", settings={}, decision=Decision(0.25, (0.2, 0.3), 0.1), held_out_auc=None,
        refused=("x.png: bad",), missing={"raw": (), "format": (3,)}, seconds=0.1,
        scores=shelf.write_scores("a method", scores),
    )  # fmt: skip
    write_text(shelf.head("a method") / "config.json", "{}")
    shelf.finish(finished)
    return shelf


def test_scores_come_back_digit_by_digit(shelf):
    found = shelf.find("a method", KEY, trained=True)
    scores = shelf.read_scores(found)
    rng = np.random.default_rng(0)
    for protocol, missing in (("raw", []), ("format", [3])):
        assert scores[protocol].numbers.tolist() == [n for n in range(16) if n not in missing]
        assert scores[protocol].p.tolist() == rng.random(16 - len(missing)).tolist()
        assert scores[protocol].threshold == 0.25
    rows = read_image_scores(shelf.scores("a method"))
    assert rows[0].name == shelf.test[0].key
    assert (rows[0].head, rows[0].label, rows[-1].protocol) == ("a method", "ai", "format")


def test_what_was_never_done_has_no_reason(shelf):
    assert shelf.find("another", KEY, trained=True) == ""


def test_another_method_s_files_are_not_used(shelf):
    assert shelf.find("a_method", KEY, trained=True) == "its files are those of 'a method'"


@pytest.mark.parametrize("field", list(Key.model_fields))
def test_anything_else_is_another_method(shelf, field):
    assert shelf.find("a method", KEY.model_copy(update={field: "x"}), trained=True) == f"other {field}"


def test_files_that_were_changed_or_lost_are_not_used(shelf):
    (shelf.head("a method") / "config.json").unlink()
    assert isinstance(shelf.find("a method", KEY, trained=False), Finished)
    assert shelf.find("a method", KEY, trained=True) == "its head is missing"
    text = shelf.scores("a method").read_text()
    shelf.scores("a method").write_text(text.replace("0.", "0.0", 1))
    assert shelf.find("a method", KEY, trained=False) == "its scores are missing or were changed"
    shelf.scores("a method").unlink()
    assert shelf.find("a method", KEY, trained=False) == "its scores are missing or were changed"
    record = shelf.folder / "scores" / "a_method.json"
    record.write_text("{}")
    assert shelf.find("a method", KEY, trained=False) == "a_method.json is no record of this version"
    shelf.forget("a method")
    assert shelf.find("a method", KEY, trained=False) == ""
    shelf.forget("a method")
