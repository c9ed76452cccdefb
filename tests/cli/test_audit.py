"""``cinemae audit``: warnings and tables on the terminal and in files."""

from __future__ import annotations

import csv

import pytest
from PIL import Image
from typer.testing import CliRunner

from cinemae.audit import Audit
from cinemae.cli.app import app
from toys import pink

QUICK = ("--jobs", 1, "--resamples", 20, "--few", 8)


def run(*arguments: object):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Ten PNG files against ten JPEG ones, two more of each for training, and a file that can't be read."""
    place = tmp_path_factory.mktemp("bench") / "toygen"
    for split, count in (("val", 10), ("train", 2)):
        for kind, suffix in (("ai", "png"), ("nature", "jpg")):
            (place / split / kind).mkdir(parents=True)
            for number in range(count):
                Image.fromarray(pink(number, 64)).save(place / split / kind / f"{number}.{suffix}")
    (place / "val" / "ai" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return place


def test_prints_warnings_and_tables_and_writes_both_files(bench, tmp_path):
    scores = tmp_path / "scores.csv"
    with scores.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["name", "score"])
        rows.writerows([f"val/{kind}/{n}.{suffix}", score] for n in range(10)
                       for kind, suffix, score in (("ai", "png", 0.9), ("nature", "jpg", 0.4)))  # fmt: skip
    result = run(bench, *QUICK, "--scores", scores, "--threshold", 0.3, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    audit = Audit.model_validate_json((tmp_path / "out" / "audit.json").read_text())
    assert [found.protocol for found in audit.protocols] == ["raw", "format", "history"]
    assert (audit.images, audit.config.few, audit.config.threshold) == (20, 8, 0.3)
    assert audit.protocol("raw").comparison("toygen").detector.value == 1
    assert next(part for part in audit.slices if part.value == "JPEG").accuracy_real.value == 0
    assert "**Warning: 1 of 1 generators can be told from real images by facts of the files" in result.stdout
    assert "val/ai/broken.png (toygen, ai)" in result.stdout
    text = (tmp_path / "out" / "audit.md").read_text()
    assert text.startswith("# Bias audit")
    assert len(text) > len(result.stdout)


def test_splits_and_the_limit_choose_the_images(bench):
    both = run(bench, "--split", "all", "--protocol", "raw", *QUICK)
    assert "24 images read, 1 refused" in both.stdout
    few = run(bench, "--split", "train", "--protocol", "raw", *QUICK)
    assert "4 images read, 0 refused" in few.stdout
    assert run(bench, "--split", "train", "--limit", 2, "--protocol", "raw", *QUICK).stdout == few.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--protocol", "sepia"), "sepia"),
        (("--warn-above", 0.3), "warn-above"),
        (("--scores", "nowhere.csv"), "nowhere.csv"),
        (("--split", "test"), "test"),
    ],
)
def test_what_is_wrong_is_named(bench, arguments, message):
    result = run(bench, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_scores_of_another_set_are_refused(bench, tmp_path):
    (tmp_path / "scores.csv").write_text("name,score\nother.png,0.5\n")
    result = run(bench, *QUICK, "--protocol", "raw", "--scores", tmp_path / "scores.csv")
    assert result.exit_code == 2
    assert "the scores are of other images" in result.stderr
