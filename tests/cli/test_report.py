"""``cinemae report``: from an evaluation's folder to a page."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cinemae.cli import manners
from cinemae.cli.app import app
from cinemae.report import Report
from toys import write_set


def run(*arguments: object):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("bench"), {"val": 4})


@pytest.fixture(scope="module")
def evaluated(bench, head_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    result = run(
        "evaluate", bench, "--model", head_folder, "--protocol", "raw", "--protocol", "format", "--resamples", 20,
        "--corruption", "jpeg:50", "--cache", tmp_path_factory.mktemp("cache"), "--jobs", 1, "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


def test_writes_a_page_and_the_same_as_json_and_markdown(evaluated, bench, tmp_path):
    result = run(
        "report", evaluated, "--data", bench, "--worst", 2, "--title", "A <title>", "--out", tmp_path / "r.html"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{tmp_path / 'r.html'}: ")
    page = (tmp_path / "r.html").read_text()
    assert "<h1>A &lt;title&gt;</h1>" in page
    report = Report.model_validate_json((tmp_path / "r.json").read_text())
    evaluation = json.loads((evaluated / "evaluation.json").read_text())
    facts = {fact.name: fact.value for fact in report.facts}
    assert facts["manifest hash"] == evaluation["manifest_hash"]
    assert facts["command"] == evaluation["run"]["command"]
    assert facts["this report"].startswith("cinemae report ")
    assert (tmp_path / "r.md").read_text().startswith("# A <title>")
    again = run(
        "report", evaluated, "--data", bench, "--worst", 2, "--title", "A <title>", "--out", tmp_path / "r.html"
    )
    assert again.exit_code == 0
    assert (tmp_path / "r.html").read_text() == page


def test_the_page_lies_beside_the_evaluation_by_default(evaluated):
    assert run("report", evaluated, "--worst", 0).exit_code == 0
    assert {"report.html", "report.json", "report.md"} <= {file.name for file in evaluated.iterdir()}


def test_what_is_wrong_is_named(evaluated, tmp_path):
    for arguments, message in (
        ((tmp_path,), "no evaluation.json"),
        ((evaluated, "--audit", tmp_path / "none.json"), "none.json"),
        ((evaluated, "--worst-protocol", "history"), "was not evaluated under 'history', only under raw, format"),
        ((evaluated, "--data", tmp_path / "nowhere"), "nowhere"),
    ):
        result = run("report", *arguments, "--out", tmp_path / "r.html")
        assert result.exit_code == 2, result.output
        assert message in result.stderr
    assert not (tmp_path / "r.html").exists()


def test_what_is_not_installed_is_named(evaluated, monkeypatch):
    monkeypatch.setattr(manners, "find_spec", lambda name: None)
    result = run("report", evaluated)
    assert result.exit_code == 2
    assert "needs jinja2, matplotlib, not installed: pip install '.[report]'" in result.stderr
