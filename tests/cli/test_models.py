"""``cinemae models``."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from cinemae.cli.models import models
from cinemae.mae.registry import KNOWN


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(models)
    return app


def test_table_names_everything(app: typer.Typer) -> None:
    result = CliRunner().invoke(app)
    assert result.exit_code == 0
    for record in KNOWN:
        assert record.name in result.stdout
    assert "Apache-2.0" in result.stdout
    assert "no commercial use" in result.stdout


def test_json_lines(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["name"] for line in lines] == [record.name for record in KNOWN]
    assert {line["state"] for line in lines} <= {"shipped", "missing", "cached", "not cached", "to download"}
    assert all({"licence", "target", "output", "parameters", "sha256", "revision"} <= line.keys() for line in lines)
