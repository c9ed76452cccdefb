"""What does not belong together is refused, and named."""

from __future__ import annotations

import csv
import shutil

import pytest

from cinemae.report.errors import ReportError
from cinemae.report.inputs import read_inputs


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def change(file, edit):
    with file.open(newline="") as stream:
        rows = list(csv.reader(stream))
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows(edit(rows))


def test_scores_are_kept_by_head_and_protocol(inputs):
    assert set(inputs.rows) == {(h, p) for h in ("shipped", "other/head~1") for p in ("raw", "format", "history")}
    table = inputs.evaluation.tables["shipped"]["raw"]
    scored = inputs.scored("shipped")["raw"]
    assert len(scored.p) == sum(row.n_ai + row.n_real for row in table.rows)


@pytest.mark.parametrize("name", ["evaluation.json", "scores.csv"])
def test_a_missing_file_is_named_with_what_writes_it(copy, name):
    (copy / name).unlink()
    with pytest.raises(ReportError, match=rf"no {name}: write the folder with `cinemae evaluate"):
        read_inputs(copy)


def flipped(rows):
    return [rows[0], *([*row[:-1], str(1 - float(row[-1]))] if row[1] == "good" else row for row in rows[1:])]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (flipped, "shipped, raw, good: not the scores that the evaluation was made of"),
        (lambda rows: rows[:-1], "other/head~1, history, .*: not the scores"),
        (lambda rows: [row for row in rows if row[1] != "blind"], "not the (scores|images)"),
        (lambda rows: [row for row in rows if row[5] != "shipped"], "shipped, raw: no scores"),
    ],
)
def test_scores_of_another_evaluation_are_refused(copy, edit, message):
    change(copy / "scores.csv", edit)
    with pytest.raises(ReportError, match=message):
        read_inputs(copy)


def test_damaged_files_are_refused(copy, tmp_path):
    (tmp_path / "audit.json").write_text('{"version": 1}')
    with pytest.raises(ReportError, match=r"audit\.json: not an audit of this version"):
        read_inputs(copy, tmp_path / "audit.json")
    (copy / "evaluation.json").write_text("{")
    with pytest.raises(ReportError, match=r"evaluation\.json: not an evaluation"):
        read_inputs(copy)
