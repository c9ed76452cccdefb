"""The container's files and the operators' page against the code: what they name is there, and as they say."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cinemae.cli.serve import app as serve_command
from cinemae.serve.metrics import Metrics
from cinemae.serve.problems import KINDS

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SHELL = ROOT / "deploy" / "check.sh"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, " ".join(rest.split())) for name, rest in (line.split(None, 1) for line in lines)]


def said(name: str) -> list[str]:
    return [text for kind, text in instructions() if kind == name]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded["services"]


def options() -> dict[str, Any]:
    """Defaults of ``cinemae serve run``, by option."""
    command = typer.main.get_command(serve_command).commands["run"]
    plain = {parameter.opts[0]: parameter.default for parameter in command.params}
    return {name: getattr(default, "value", default) for name, default in plain.items()}


def rows(head: str) -> list[list[str]]:
    """The cells of the table that begins with this head."""
    table = OPERATIONS.split(head + "\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


# --- the image -------------------------------------------------------------------------------------


def test_what_the_image_copies_is_there_and_let_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    let_through = [line[1:] for line in ignore if line.startswith("!")]
    sources = [source for text in said("COPY") if "--from" not in text for source in text.split()[:-1]]
    assert len(sources) >= 4
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in let_through), source
    assert set(let_through) == set(sources)


def test_everything_that_the_build_needs_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    copied = {source for text in said("COPY") if "--from" not in text for source in text.split()[:-1]}
    assert {project["readme"], *project["license-files"], "pyproject.toml", "src", "configs"} == copied


def test_the_extras_exist() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (asked,) = re.findall(r"'\.\[([\w,]+)\]'", " ".join(said("RUN")))
    assert "serve" in asked.split(",")
    assert set(asked.split(",")) <= set(known)


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    (user,) = said("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    names = [name for name, _ in instructions()]
    assert names.index("USER") < names.index("ENTRYPOINT") < names.index("CMD")
    assert all(image == "python:3.12-slim" or image.endswith(" AS build") for image in said("FROM"))


def test_commands_are_in_the_exec_form_and_their_options_exist() -> None:
    entry, command = json.loads(said("ENTRYPOINT")[0]), json.loads(said("CMD")[0])
    assert entry == ["cinemae"]
    for given in (command, compose()["cinemae"]["command"]):
        assert given[0] == "serve"
        assert {word for word in given if word.startswith("--")} <= set(options())
        assert "0.0.0.0" in given
    help_shown = subprocess.run([sys.executable, "-m", "cinemae", "serve", "run", "--help"], capture_output=True)
    assert help_shown.returncode == 0


def test_the_health_check_is_the_same_in_both_files_and_compiles() -> None:
    (check,) = said("HEALTHCHECK")
    command = json.loads(check.split("CMD ", 1)[1])
    assert command == compose()["cinemae"]["healthcheck"]["test"][1:]
    assert command[:2] == ["python", "-c"]
    compile(command[2], "health", "exec")
    assert "/healthz" in command[2]


def test_no_secret_is_written_down() -> None:
    for path in (ROOT / "Dockerfile", ROOT / "compose.yaml", *(ROOT / "deploy").iterdir()):
        assert not re.search(r"cinemae_[A-Za-z0-9_-]{43}|[0-9a-f]{64}|password", path.read_text()), path.name


# --- compose ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cinemae", "prometheus"])
def test_services_have_no_rights_and_bounds(name: str) -> None:
    service = compose()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "privileged" not in service


def test_the_service_may_write_to_memory_only_and_has_time_to_drain() -> None:
    service = compose()["cinemae"]
    assert "volumes" not in service
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    cache = dict(pair.split("=") for text in said("ENV") for pair in text.split())["CINEMAE_CACHE"]
    assert cache.startswith("/tmp/")
    assert int(service["stop_grace_period"].removesuffix("s")) > options()["--drain"] + options()["--drain-delay"] + 10


def test_prometheus_finds_its_files_and_the_service() -> None:
    for mount in compose()["prometheus"]["volumes"]:
        source, _, *access = mount.split(":")
        assert not source.startswith(".") or ((ROOT / source).exists() and access == ["ro"])
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["static_configs"][0]["targets"] == [f"cinemae:{options()['--port']}"]
    for name in config["rule_files"]:
        assert f"./deploy/{name}:/etc/prometheus/{name}:ro" in compose()["prometheus"]["volumes"]


def test_alerts_name_metrics_and_problems_that_exist() -> None:
    series = metric_series()
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 5
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert set(re.findall(r"\bcinemae_\w+", rule["expr"])) <= series, rule["alert"]
        for problem in re.findall(r'(?:problem|outcome)="([\w-]+)"', rule["expr"]):
            assert problem in KINDS, rule["alert"]


def test_the_check_is_sound_shell() -> None:
    done = subprocess.run(["sh", "-n", str(SHELL)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert SHELL.stat().st_mode & 0o100


# --- what the page says ----------------------------------------------------------------------------


def metric_series() -> set[str]:
    """Names of the series that a service with one request has."""
    metrics = Metrics()
    metrics.requests.labels("GET", "/", "200").inc()
    metrics.request_seconds.labels("/").observe(1)
    metrics.images.labels("ai").inc()
    metrics.problems.labels("deadline").inc()
    return set(re.findall(r"^(cinemae_\w+)", metrics.render().decode(), re.MULTILINE))


def test_the_options_and_their_defaults_are_those_of_the_command() -> None:
    stated = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("| option | default | meaning |")}
    assert stated == {name: "none" if default is None else str(default) for name, default in options().items()}


def test_the_problems_are_those_of_the_code() -> None:
    stated = {cells[0].strip("`"): int(cells[1]) for cells in rows("| problem | status | the client should |")}
    assert stated == {name: kind.status for name, kind in KINDS.items()}


def test_the_metrics_are_those_of_the_service() -> None:
    stated = {cells[0].strip("`"): cells[1] for cells in rows("| metric | kind | meaning |")}
    text = Metrics().render().decode()
    kinds = dict(re.findall(r"^# TYPE (cinemae_\w+) (\w+)$", text, re.MULTILINE))
    assert stated == {name.removesuffix("_total"): kind for name, kind in kinds.items() if "_created" not in name}


def test_the_marks_of_the_load_test_are_there() -> None:
    assert OPERATIONS.index("<!-- load:start -->") < OPERATIONS.index("<!-- load:end -->")


def test_other_figures_are_those_of_the_code() -> None:
    from cinemae.images import ImageLimits
    from cinemae.serve.run import MOST_CONNECTIONS

    assert f"At most {MOST_CONNECTIONS} at a time" in OPERATIONS
    assert f"at least {ImageLimits().min_side} pixels a side" in OPERATIONS
    assert f"{options()['--max-pixels'] // 1_000_000} million pixels, the default limit" in OPERATIONS
    (user,) = said("USER")
    assert f"user {user.split(':')[0]}" in OPERATIONS
