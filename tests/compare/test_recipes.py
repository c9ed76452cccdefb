"""The published protocols, from a checkpoint in the hub's layout to our rows under the published ones.

Everything runs on miniatures: the sets' own folders and file names with a handful of invented pictures, and a ViT-MAE
with random weights as ``save_pretrained`` writes it. The figures mean nothing; that there are all of them does.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from cinemae import published
from cinemae.cli.app import app
from cinemae.compare.config import CompareConfig, HeadMethod
from cinemae.compare.reading import load_config, read_document
from cinemae.compare.schema import Comparison
from cinemae.mae.checkpoint import load_mae
from cinemae.mae.config import ARCHITECTURES, ViTMAEConfig
from references import fill
from trees import GENIMAGE, aigcdetect, chameleon, forensynths, genimage

ROOT = Path(__file__).parents[2]
NAMES = ("genimage", "aigcdetect", "chameleon")
PROTOCOLS = ("raw", "format", "history")
METHODS = ["fused", "tokens alone", "likelihood alone", "features alone", "fused, plain training"]
OURS = [f"{method} ({protocol})" for method in ("fused", "fused, plain training") for protocol in PROTOCOLS]
"""Our rows of the published table."""
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "decoder_hidden_size": 24,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 3,
    "decoder_intermediate_size": 48,
}
"""What differs from ``facebook/vit-mae-large``; views of 224 pixels and patches of 16 are the same."""


def shipped_config(name: str) -> Path:
    return ROOT / "configs" / f"{name}.yaml"


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module", params=NAMES)
def config(request: pytest.FixtureRequest) -> tuple[str, CompareConfig]:
    return request.param, load_config(shipped_config(request.param))


def test_a_recipe_names_no_path(config: tuple[str, CompareConfig]) -> None:
    _, found = config
    assert found.data.train.path is None
    assert found.data.test.path is None
    assert not found.data.photos


def test_a_recipe_tests_the_published_generators(config: tuple[str, CompareConfig]) -> None:
    name, found = config
    columns = dict.fromkeys(column.generator for column in published.table(name).columns)
    if name != "chameleon":  # which has but one
        assert found.data.test.generators == tuple(columns)
    assert found.published is not None
    assert (found.published.table, found.published.point) == (name, "half")
    assert found.published.protocols == found.protocols == PROTOCOLS


def test_a_recipe_s_scales_take_vit_mae_large(config: tuple[str, CompareConfig]) -> None:
    large = ARCHITECTURES["vit-large"]
    assert isinstance(large, ViTMAEConfig)
    semantic = config[1].shared_training.scales["semantic"]
    assert (semantic.size, semantic.patch) == (large.image_size, large.patch_size)
    assert semantic.layers == (large.depth // 2, large.depth)
    assert config[1].shared_training.backbones == {
        "semantic": "vit-mae-large", "resized": "cinemae/vit-base", "native": "cinemae/vit-base"
    }  # fmt: skip


def test_plain_training_leaves_pixels_alone(config: tuple[str, CompareConfig]) -> None:
    import numpy as np

    from cinemae.alignment import augment, training_window

    method = config[1].methods["fused, plain training"]
    assert isinstance(method, HeadMethod)
    training = config[1].training("plain", method)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (96, 130, 3)).astype(np.uint8)
    for seed in range(20):
        window = training_window(picture, np.random.default_rng(seed), training.window)
        out = augment(window, np.random.default_rng(seed), training.augment)
        assert np.array_equal(out, picture) or np.array_equal(out, picture[:, ::-1])


def test_the_methods_are_those_that_the_page_describes(config: tuple[str, CompareConfig]) -> None:
    shown = invoke("compare", shipped_config(config[0]), "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert [line.partition(": head")[0] for line in shown.stdout.splitlines()] == METHODS


PAGE = (ROOT / "docs" / "recipes.md").read_text()


def test_the_page_counts_the_published_rows() -> None:
    rows = re.findall(r"^\| `configs/(\w+)\.yaml` \|.*\| (\d+) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, str(len(published.table(name).rows))) for name in NAMES]


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("cinemae ")]


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_page_can_be_parsed(line: str) -> None:
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    context = command.make_context("cinemae", list(words), resilient_parsing=False)
    with context:
        while words:
            name, command, words = command.resolve_command(context, words)  # type: ignore[attr-defined]
            context = command.make_context(name, list(words), parent=context)
            words = [*getattr(context, "_protected_args", ()), *context.args] if hasattr(command, "commands") else []
    assert command.name


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sets and the checkpoint, as a user has them before the first command."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    place = tmp_path_factory.mktemp("desk")
    model = ViTMAEForPreTraining(ViTMAEConfig(**TINY)).eval()
    fill(model, seed=0)
    model.save_pretrained(place / "hub")
    genimage(place / "GENIMAGE", train=8, val=2, side=64)
    forensynths(place / "FORENSYNTHS", count=3, side=64)
    aigcdetect(place / "AIGCDETECT", count=1, side=64)
    chameleon(place / "Chameleon", count=3, side=64)
    return place


@pytest.fixture(scope="module")
def noisy(desk: Path) -> Path:
    """The checkpoint with its noise model, from the page's own command but for the name on the hub."""
    (line,) = [line for line in commands() if line.startswith("cinemae fit-noise")]
    words = [word.replace("facebook/vit-mae-large", "hub") for word in shlex.split(line)[1:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert load_mae(desk / "vit-mae-large")[1].noise is not None
    return desk


Runner = Callable[..., tuple[Comparison, str]]


@pytest.fixture
def run(noisy: Path, mae_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run a shipped recipe on a miniature; only what makes it small is changed."""

    def carry_out(name: str, train: str, test: str) -> tuple[Comparison, str]:
        document = read_document(shipped_config(name))
        document["train"] |= {
            "scales.semantic.layers": [1, 3],
            "backbones.resized": mae_folders["semantic"],
            "backbones.native": mae_folders["semantic"],
            "scales.resized.layers": [2],
            "scales.native.layers": [2],
            "fit.folds": 3,
            "fit.alpha": 0.4,
        }
        monkeypatch.chdir(noisy)
        (noisy / f"{name}.json").write_text(json.dumps(document))
        words = ["compare", f"{name}.json", "--train", train, "--test", test, "--out", f"results/{name}"]
        result = invoke(*words, "--jobs", 1, "--resamples", 0, "--cache", "cache")
        assert result.exit_code == 0, result.output
        out = noisy / "results" / name
        assert f"results/{name}/comparison.md" in result.stderr
        return Comparison.model_validate_json((out / "comparison.json").read_text()), (
            out / "comparison.md"
        ).read_text()

    return carry_out


def our_rows(text: str, name: str) -> dict[str, dict[str, str]]:
    """Our rows of the published table, by method and column title."""
    lines = [
        line for line in text.splitlines() if line.startswith("| method | " + published.table(name).columns[0].title)
    ]
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    rows = re.findall(r"^\| \*\*(.*?)\*\* (\|.*)\|$", text, re.MULTILINE)
    cells = {method: [cell.strip().strip("*") for cell in row.strip("|").split("|")] for method, row in rows}
    return {method: dict(zip(head[1:], row, strict=True)) for method, row in cells.items()}


def stated(comparison: Comparison, label: str) -> dict[str, tuple[float, float, float]]:
    """Accuracies at 0.5 in per cent by generator: both classes, AI, real. The label is that of one of our rows."""
    found = {}
    method, _, protocol = label.removesuffix(")").rpartition(" (")
    for row in comparison.methods[method].tables[protocol].rows:
        point = row.points["half"]
        assert point.accuracy_ai is not None
        assert point.accuracy_real is not None
        found[row.generator] = tuple(
            100 * figure.value for figure in (point.accuracy, point.accuracy_ai, point.accuracy_real)
        )
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "train", "test"), [("genimage", "GENIMAGE", "GENIMAGE"), ("aigcdetect", "FORENSYNTHS", "AIGCDETECT")]
)
def test_a_recipe_runs_and_sets_our_rows_under_the_published_ones(
    run: Runner, name: str, train: str, test: str
) -> None:
    comparison, text = run(name, train, test)
    assert list(comparison.methods) == METHODS
    table, rows = published.table(name), our_rows(text, name)
    assert list(rows) == OURS
    for label, cells in rows.items():
        figures = stated(comparison, label)
        for column in table.columns:
            assert float(cells[column.title]) == pytest.approx(figures[column.generator][0], abs=0.051)
        mean = sum(figures[column.generator][0] for column in table.columns) / len(table.columns)
        assert float(cells["mean"]) == pytest.approx(mean, abs=0.051)
    # Published rows above ours, the paper's own among them.
    assert re.search(
        r"^\| CINEMAE v2 \(\?\) \|[ |]*\| 9\d\.\d\d \|.*\n(?:.*\n)*\| \*\*fused \(raw\)\*\* \|", text, re.MULTILINE
    )
    assert all(set(method.tables) == set(PROTOCOLS) for method in comparison.methods.values())


def test_genimage_is_trained_on_sd_v1_4_alone(run: Runner, noisy: Path) -> None:
    comparison, _ = run("genimage", "GENIMAGE", "GENIMAGE")
    assert (comparison.sets["train"].ai, comparison.sets["train"].real) == (8, 8)
    assert (comparison.sets["test"].ai, comparison.sets["test"].real) == (16, 16)
    record = json.loads((noisy / "results" / "genimage" / "heads" / "fused" / "config.json").read_text())
    assert record["backbone_names"]["semantic"] == "vit-mae-large"
    for generator in GENIMAGE:
        assert generator in stated(comparison, "fused (raw)")


def test_chameleon_s_accuracy_comes_with_its_split(run: Runner) -> None:
    comparison, text = run("chameleon", "FORENSYNTHS", "Chameleon")
    rows = our_rows(text, "chameleon")
    assert list(rows) == OURS
    for label, cells in rows.items():
        both, ai, real = stated(comparison, label)["chameleon"]
        assert [float(cells[title]) for title in ("accuracy", "on AI", "on real")] == pytest.approx(
            [both, ai, real], abs=0.051
        )
        assert "mean" not in cells


def test_without_the_noise_model_the_recipe_says_what_to_do(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(desk / "hub", tmp_path / "vit-mae-large")
    monkeypatch.chdir(tmp_path)
    document = read_document(shipped_config("genimage"))
    document["train"]["scales.semantic.layers"] = [1, 3]
    (tmp_path / "genimage.json").write_text(json.dumps(document))
    result = invoke(
        "compare", "genimage.json", "--train", desk / "GENIMAGE", "--test", desk / "GENIMAGE", "--out", "out"
    )
    assert result.exit_code != 0
    assert "fit-noise" in result.stderr + str(result.exception)
    assert not (tmp_path / "out").exists()
