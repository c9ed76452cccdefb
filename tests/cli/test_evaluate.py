"""``cinemae evaluate``: tables per generator and protocol, on the terminal and in files."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cinemae.audit.scores import read_scores
from cinemae.cli.app import app
from cinemae.evaluation import Evaluation
from cinemae.fusion.head import FusionHead
from cinemae.scores import read_image_scores
from toys import write_set


def run(*arguments: object):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A validation split with a file that can't be read; its training split must not be looked at."""
    place = write_set(tmp_path_factory.mktemp("bench"), {"val": 4, "train": 2})
    (place / "toygen" / "val" / "ai" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return place


def test_prints_a_table_for_each_protocol_and_writes_both_files(bench, head_folder, cache, tmp_path):
    result = run(
        bench, "--model", head_folder, "--cache", cache, "--jobs", 1, "--resamples", 20, "--out", tmp_path / "e"
    )
    assert result.exit_code == 0, result.output
    evaluation = Evaluation.model_validate_json((tmp_path / "e" / "evaluation.json").read_text())
    assert list(evaluation.tables) == [str(head_folder)]
    tables = evaluation.tables[str(head_folder)]
    assert list(tables) == ["raw", "format", "history"]
    for protocol, table in tables.items():
        assert f"### {head_folder}, {protocol}, threshold" in result.stdout
        assert [(row.generator, row.n_ai, row.n_real) for row in table.rows] == [("toygen", 4, 4)]
        assert [mean.family for mean in table.means] == ["all"]
    assert tables["raw"].row("toygen").ranking.roc_auc.value > 0.9
    main, details = (tmp_path / "e" / "evaluation.md").read_text().split("## Details")
    assert main.strip() == result.stdout.strip()
    assert details.count("#### Operating points") == 3
    assert evaluation.robustness == {}
    assert evaluation.run.command.startswith(f"cinemae evaluate {bench} --model {head_folder} --out ")
    assert evaluation.run.heads == {str(head_folder): FusionHead.load(head_folder).fingerprint()}
    scores = read_image_scores(tmp_path / "e" / "scores.csv")
    assert len(scores) == 3 * 8
    assert {score.split for score in scores} == {"val"}
    assert read_scores(tmp_path / "e" / "scores.csv").by_protocol.keys() == {"raw", "format", "history"}
    assert result.stderr.count("broken.png") == 1
    assert "refused: " in result.stderr


def test_protocols_families_and_several_heads(bench, head, head_folder, cache, tmp_path):
    strict = head.config.model_copy(update={"threshold": 0.9})
    FusionHead(strict, head.weights).save(tmp_path / "strict")
    (tmp_path / "families.json").write_text(json.dumps({"classic": ["toygen"], "web": ["nobody"]}))
    result = run(
        bench, "--model", head_folder, "--model", tmp_path / "strict", "--protocol", "format", "--resamples", 20,
        "--families", tmp_path / "families.json", "--cache", cache, "--jobs", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.count("### ") == 3  # the summary and two tables
    assert f"### {tmp_path / 'strict'}, format, threshold 0.900" in result.stdout
    assert "mean of classic** (1 of 1)" in result.stdout
    assert "mean of web** (0 of 1)" in result.stdout


def test_tiers_and_corruptions(bench, head_folder, cache, tmp_path):
    result = run(
        bench, "--model", head_folder, "--protocol", "format", "--tiers", "clean", "--corruption", "jpeg:50",
        "--corruption", "rescale", "--resamples", 20, "--cache", cache, "--jobs", 1, "--out", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"### {head_folder}, format, mean ROC-AUC after corruption" in result.stdout
    table = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_text()).robustness[str(head_folder)]
    rows = [row.corruption for row in table.means["all"]]
    assert rows == ["clean", "jpeg:50", "rescale:0.75", "rescale:0.5"]
    assert result.stderr.count("broken.png") == 1


def test_thresholds_from_a_calibration_set(bench, head_folder, cache, tmp_path):
    apart = write_set(tmp_path / "apart", {"train": 4})
    options = (bench, "--model", head_folder, "--protocol", "format", "--cache", cache, "--jobs", 1)
    result = run(*options, "--resamples", 0, "--calibration", apart, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "chosen on the 4 real images of the calibration set" in (tmp_path / "evaluation.md").read_text()
    result = run(*options, "--calibration", bench)
    assert result.exit_code == 2
    assert "also in the calibration set" in result.stderr


def test_the_same_command_gives_the_same_text(bench, head_folder, cache):
    options = (bench, "--model", head_folder, "--cache", cache, "--jobs", 1, "--resamples", 20, "--protocol", "history")
    assert run(*options).stdout == run(*options).stdout != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--protocol", "sepia"), "sepia"),
        (("--model", "nowhere"), "nowhere"),
        (("--precision", "f8"), "f8"),
        (("--tiers", "web,soft"), "soft"),
        (("--corruption", "sepia"), "sepia"),
        (("--corruption", "jpeg:0"), "from 1 to 100"),
    ],
)
def test_what_is_wrong_is_named(bench, head_folder, tmp_path, arguments, message):
    given = () if "--model" in arguments else ("--model", head_folder)
    result = run(bench, *given, *arguments, "--cache", tmp_path)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_set_without_a_validation_split_is_refused(head_folder, tmp_path):
    place = write_set(tmp_path, {"train": 2})
    result = run(place, "--model", head_folder, "--cache", tmp_path / "c")
    assert result.exit_code == 2
    assert "no images of split 'val'" in result.stderr
