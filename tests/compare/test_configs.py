"""The configurations that come with the repository, and the pages about them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.compare.config import CompareConfig, HeadMethod
from cinemae.compare.reading import load_config
from cinemae.compare.settings import changed
from cinemae.features.extractor import check_fit
from cinemae.features.spec import DEFAULT_BACKBONES, FeatureSpec
from cinemae.features.vector import feature_names
from cinemae.fusion.config import TrainConfig
from cinemae.fusion.fit import read_by
from cinemae.mae.checkpoint import load_mae
from cinemae.weights import shipped

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def ablations() -> CompareConfig:
    return load_config(ROOT / "configs" / "ablations.yaml")


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_each_loads_and_names_no_place_of_a_machine(file):
    config = load_config(file)
    assert config.data.train.path is None
    assert config.data.test.path is None
    assert not config.data.photos
    result = CliRunner().invoke(app, ["compare", str(file), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == len(config.expanded)


@pytest.mark.parametrize("name", ["bench", "ablations"])
def test_families_are_those_of_evaluate(name):
    families = json.loads((ROOT / "benchmarks" / "families.json").read_text())
    found = load_config(ROOT / "configs" / f"{name}.yaml").families
    assert {family: list(members) for family, members in found.items()} == families


def test_the_bench_compares_parts_baselines_and_what_is_shipped():
    config = load_config(ROOT / "configs" / "bench.yaml")
    assert {method.kind for method in config.methods.values()} == {"head", "saved", "spectrum", "probe", "residual-cnn"}
    parts = [method.part for method in config.methods.values() if isinstance(method, HeadMethod)]
    assert parts == ["fused", *TrainConfig().fit.parts]
    assert config.protocols == ("raw", "format", "history")
    assert config.shared_training == TrainConfig()


def test_each_ablation_changes_what_it_says_and_no_two_are_the_same(ablations):
    plain = ablations.shared_training
    trainings = {name: ablations.training(name, method) for name, method in ablations.expanded.items()}
    assert trainings.pop("fused") == plain == TrainConfig()
    for name, training in trainings.items():
        assert training != plain, name
        assert [other for other, same in trainings.items() if same == training] == [name]
    touched = {path for training in trainings.values() for path in changed(training, plain)}
    for axis in (
        "family", "scales.semantic.masks", "scales.semantic.masks.groups", "scales.semantic.masks.rounds",
        "scales.native.crops", "scales.native.layers", "scales.resized.pools", "fit.parts", "fit.parts.tokens.axes",
        "fit.parts.tokens.scales", "fit.parts.tokens.strength", "fit.balance", "fit.folds", "augment.jpeg",
        "augmentations", "photos_limit",
    ):  # fmt: skip
        assert axis in touched, axis


def test_the_shipped_networks_give_what_each_ablation_asks_for(ablations):
    folders = (shipped(name.removeprefix("cinemae/")) for name in DEFAULT_BACKBONES.values())
    configs = {f"cinemae/{place.name}": load_mae(place)[0].config for place in folders}
    for name, method in ablations.expanded.items():
        training = ablations.training(name, method)
        for scale, spec in training.scales.items():
            check_fit(scale, spec, configs[training.backbones[scale]])
        found = {scale: configs[training.backbones[scale]] for scale in training.scales}
        names = feature_names(FeatureSpec(scales=training.scales), found)
        spec = FeatureSpec(scales=training.scales, names=names)
        for part, settings in training.fit.parts.items():
            assert len(read_by(part, settings, spec)) >= settings.axes, (name, part)


def test_each_part_left_out_is_an_ablation(ablations):
    trainings = [ablations.training(name, method) for name, method in ablations.expanded.items()]
    for left_out in TrainConfig().fit.parts:
        kept = [part for part in TrainConfig().fit.parts if part != left_out]
        assert kept in [list(training.fit.parts) for training in trainings]


def test_the_variants_that_experiments_tells_of_are_there(ablations):
    page = (ROOT / "docs" / "experiments.md").read_text()
    lines = re.findall(r"^- \*\*[\w-]+\*\*.*$", page, re.MULTILINE)
    told = {name for line in lines for name in re.findall(r"\*\*([\w-]+)\*\*", line)}
    assert told <= ablations.expanded.keys()


def commands(page: str) -> list[str]:
    text = (ROOT / page).read_text()
    blocks = [block.replace("\\\n", " ") for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    return [line for block in blocks for line in block.splitlines() if line.startswith("cinemae ")]


@pytest.mark.parametrize("line", [*commands("docs/compare.md"), *commands("docs/experiments.md")])
def test_the_pages_commands_can_be_parsed(line):
    command = typer.main.get_command(app)
    words = shlex.split(line, comments=True)[1:]
    with command.make_context("cinemae", list(words)) as context:
        name, sub, rest = command.resolve_command(context, words)  # type: ignore[attr-defined]
        assert sub.make_context(name, list(rest), parent=context).params


def test_the_page_s_configuration_loads(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "compare.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    whole = "".join(blocks)
    (tmp_path / "c.yaml").write_text(whole)
    config = load_config(tmp_path / "c.yaml")
    assert len(config.expanded) > len(config.methods)
