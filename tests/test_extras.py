"""Hints: commands that install what is missing, wherever this cinemae came from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from cinemae import extras
from cinemae.cli.manners import require_packages
from cinemae.fusion.head import HeadError
from cinemae.loading import find_head

ROOT = Path(__file__).parents[1]


class Installed:
    """A distribution that was installed from somewhere."""

    def __init__(self, url: str | None) -> None:
        self.url = url

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.url


@pytest.fixture
def origin(monkeypatch):
    def come_from(url: str | None) -> None:
        monkeypatch.setattr(extras, "distribution", lambda name: Installed(url))
        extras.is_published.cache_clear()

    yield come_from
    extras.is_published.cache_clear()


def test_a_checkout_is_installed_from_itself(origin):
    origin('{"url": "file:///home/me/cinemae", "dir_info": {}}')
    assert extras.install_hint("serve") == "pip install '.[serve]' in cinemae's checkout"


def test_what_came_by_its_name_is_installed_by_its_name(origin):
    origin(None)
    assert extras.install_hint("serve") == "pip install 'cinemae[serve]'"


def test_extras_with_torch_say_their_size_and_how_to_get_less():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    def brings_torch(extra: str) -> bool:
        inner = [name for text in project[extra] for name in Requirement(text).extras if text.startswith("cinemae[")]
        return any(Requirement(text).name == "torch" for text in project[extra]) or any(map(brings_torch, inner))

    assert {extra for extra in project if brings_torch(extra)} - {"dev"} == set(extras.WITH_TORCH)
    assert "CUDA" in extras.install_hint("train")
    (pinned,) = [line for line in (ROOT / "constraints-cpu.txt").read_text().splitlines() if not line.startswith("#")]
    assert pinned in extras.LARGE
    assert pinned == next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line) + "+cpu"


def test_libraries_are_named_as_they_are_installed(monkeypatch, capsys):
    monkeypatch.setattr("cinemae.cli.manners.find_spec", lambda name: None)
    with pytest.raises(Exception, match="2"):
        require_packages("train", "sklearn", "torch", "python_multipart", "prometheus_client", "yaml")
    said = capsys.readouterr().err
    assert "needs scikit-learn, torch, python-multipart, prometheus-client, pyyaml, not installed" in said


def test_every_name_is_one_that_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {
        Requirement(text).name
        for texts in (project["dependencies"], *project["optional-dependencies"].values())
        for text in texts
    }
    assert set(extras.PACKAGES.values()) <= asked


@pytest.mark.parametrize("model", ["/nope", "./nope", "nope", "a/b/c", "~/head"])
def test_a_model_that_is_no_folder_is_told_in_one_line(model, monkeypatch, tmp_path):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with pytest.raises(HeadError, match="no such folder, and no name on the hub") as caught:
        find_head(model)
    assert "\n" not in str(caught.value)
