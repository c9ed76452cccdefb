"""``cinemae compare``: a configuration becomes tables, heads and scores; options replace what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cinemae.baselines import Scorer
from cinemae.cli.app import app
from cinemae.compare.record import RunRecord
from cinemae.compare.schema import Comparison
from toys import FIT, MILD, SCALES


def run(*arguments: object):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def settings(tmp_path_factory, mae_folders):
    """A configuration without a path of any set."""
    scales = {name: scale.model_dump(mode="json") for name, scale in SCALES.items()}
    values = {
        "name": "toys",
        "train": {
            "scales": scales,
            "backbones": mae_folders,
            "augment": MILD.model_dump(mode="json"),
            "fit": FIT.model_dump(mode="json"),
        },
        "protocols": ["raw"],
        "methods": {"fused": {"kind": "head"}, "spectrum": {"kind": "spectrum", "size": 64, "bins": 8}},
        "ablations": {"base": "fused", "axes": {"fit.folds": [3], "fit.parts.local.axes": [2, 4]}},
    }
    path = tmp_path_factory.mktemp("settings") / "toys.yaml"
    path.write_text(json.dumps(values))  # JSON is YAML, too
    return path


@pytest.fixture(scope="module")
def done(settings, toy_set, toy_photos, tmp_path_factory):
    place = tmp_path_factory.mktemp("done")
    options = (
        "--train", toy_set, "--test", toy_set, "--photos", toy_photos / "small", "--train-limit", 11, "--limit", 6,
        "--method", "fused", "--method", "spectrum", "--resamples", 20, "--precision", "f32", "--jobs", 1,
        "--cache", place / "cache",
    )  # fmt: skip
    return place, run(settings, "--out", place / "out", *options)


def test_tables_on_the_terminal_and_everything_in_the_folder(done, toy_set, toy_photos):
    place, result = done
    assert result.exit_code == 0, result.output
    out = place / "out"
    assert result.stdout.strip() == (out / "comparison.md").read_text().strip()
    assert result.stdout.startswith("# toys\n")
    assert "fused: done in" in result.stderr
    comparison = Comparison.model_validate_json((out / "comparison.json").read_text())
    assert list(comparison.methods) == ["fused", "spectrum"]
    counts = {name: (record.ai, record.real) for name, record in comparison.sets.items()}
    assert counts == {"train": (11, 11), "photos": (0, 4), "test": (6, 6)}
    config = RunRecord.model_validate_json((out / "run.json").read_text()).config
    assert (config.only, config.precision, config.resamples) == (("fused", "spectrum"), "f32", 20)
    assert (config.data.train.path, config.data.photos[0].path) == (str(toy_set), str(toy_photos / "small"))
    assert {path.name for path in (out / "heads").iterdir()} == {"fused", "spectrum"}


def test_the_record_of_a_run_runs_again(done, tmp_path):
    place, _ = done
    result = run(place / "out" / "run.json", "--out", tmp_path, "--jobs", 1, "--cache", place / "cache")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "comparison.json").read_bytes() == (place / "out" / "comparison.json").read_bytes()
    result = run(place / "out" / "run.json", "--out", tmp_path, "--jobs", 1, "--cache", place / "cache")
    assert "fused: kept from" in result.stderr


def test_a_method_that_failed_shows_in_the_exit_status(done, tmp_path, monkeypatch):
    def save(self: Scorer, folder: Path) -> None:
        raise OSError(f"{folder} can't be written")

    monkeypatch.setattr(Scorer, "save", save)
    place, _ = done
    result = run(place / "out" / "run.json", "--out", tmp_path, "--jobs", 1, "--cache", place / "cache")
    assert result.exit_code == 1
    reason = f"OSError: {tmp_path / 'heads' / 'spectrum'} can't be written"
    assert result.stderr.splitlines()[-2] == f"spectrum: failed: {reason}"
    assert f"| spectrum | {reason} |" in result.stdout
    assert "| fused |" in result.stdout


def test_a_dry_run_prints_the_methods_and_does_nothing(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(settings, "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "fused: head part=fused",
        "spectrum: spectrum strengths=[0.0001, 0.001, 0.01, 0.1, 1.0, 10.0] size=64 bins=8",
        "fused fit.folds=3: head part=fused fit.folds=3",
        "fused fit.parts.local.axes=2: head part=fused fit.parts.local.axes=2",
        "fused fit.parts.local.axes=4: head part=fused fit.parts.local.axes=4",
    ]
    assert not list(tmp_path.iterdir())


def test_a_dry_run_looks_whether_the_data_are_there(settings, toy_set, tmp_path):
    assert run(settings, "--dry-run", "--train", toy_set, "--test", toy_set).exit_code == 0
    (tmp_path / "hollow").mkdir()
    result = run(settings, "--dry-run", "--train", tmp_path / "nowhere", "--test", tmp_path / "hollow")
    assert result.exit_code == 2
    assert f"data.train.path: {tmp_path / 'nowhere'}: no such file or folder" in result.stderr
    assert f"data.test.path: {tmp_path / 'hollow'}: the folder is empty" in result.stderr
    assert result.stdout.startswith("fused: head")
    photos = ("--photos", tmp_path / "gone.tsv")
    assert run(settings, "--dry-run", "--train", toy_set, "--test", toy_set, *photos).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "OUT", "--test", "SET"), "data.train.path is not given; say --train PATH"),
        (("--out", "OUT", "--train", "SET"), "data.test.path is not given; say --test PATH"),
        (("--train", "SET", "--test", "SET"), "--out"),
        (("--out", "OUT", "--method", "fusd"), "no method is called 'fusd'; there are fused, spectrum"),
        (("--out", "OUT", "--photos-root", "SET"), "--photos-root"),
        (("--out", "OUT", "--train", "nowhere", "--test", "SET"), "nowhere"),
        (("--out", "OUT", "--precision", "f8"), "f8"),
    ],
)
def test_what_is_wrong_is_named(settings, toy_set, tmp_path, arguments, message):
    places = {"SET": toy_set, "OUT": tmp_path / "out"}
    result = run(settings, *(places.get(argument, argument) for argument in arguments), "--cache", tmp_path / "cache")
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_a_bad_configuration_is_a_usage_error(tmp_path):
    (tmp_path / "c.yaml").write_text("methods: {fused: {kind: head, train: {fit.folds: 1}}}\n")
    result = run(tmp_path / "c.yaml", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "fit.folds = 1" in " ".join(result.stderr.replace("│", " ").split())
    result = run(tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "none.yaml" in result.stderr
    assert not (tmp_path / "out").exists()
