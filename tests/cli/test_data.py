"""``cinemae data check``: exit status, what is printed and what is written."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.datasets import read_images
from cinemae.datasets.check import CheckReport
from trees import genimage, pair


def run(*arguments: object):
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments), "--jobs", "1"])


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return genimage(tmp_path / "set", generators=["adm"], train=2, val=2, side=32)


def test_a_clean_set(clean: Path, tmp_path: Path) -> None:
    result = run(clean, "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    assert f"cinemae: {clean}: read as genimage" in result.stderr
    assert "| adm | train | JPEG 2 | PNG 2 | 2 | 2 |" in result.stdout
    assert "Nothing would be excluded." in result.stdout
    report = CheckReport.model_validate_json((tmp_path / "report.json").read_text())
    assert (report.layout, report.images, report.excluded) == ("genimage", 8, ())


def test_a_faulty_set_gives_status_1_and_a_clean_manifest(clean: Path, tmp_path: Path) -> None:
    val, train = (clean / f"ADM/imagenet_ai_0508_adm/{split}/ai" for split in ("val", "train"))
    shutil.copy(next(val.iterdir()), train / "leaked.png")
    (val / "empty.png").write_bytes(b"")
    result = run(clean, "--write-manifest", tmp_path / "clean.tsv", "--json", tmp_path / "report.json")
    assert result.exit_code == 1, result.output
    assert "## Would be excluded: 2" in result.stdout
    assert f"{tmp_path / 'clean.tsv'}: 8 images; read it with --root {clean}" in result.stderr
    report = CheckReport.model_validate_json((tmp_path / "report.json").read_text())
    assert {found.reason for found in report.excluded} == {"broken", "copy across splits"}
    assert len(read_images(tmp_path / "clean.tsv", root=clean)) == 8
    assert run(tmp_path / "clean.tsv", "--root", clean).exit_code == 0


def test_known_broken_files_are_named_once(tmp_path: Path) -> None:
    genimage(tmp_path, generators=["biggan"], train=1, val=1, side=32, corrupt=True)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.stdout.count("116_biggan_00094.png") == 1
    assert "https://github.com/GenImage-Dataset/GenImage/pull/2" in result.stdout


def test_classes_may_be_stated(tmp_path: Path) -> None:
    pair(tmp_path, 2, 32, seed=1, real="1", ai="0")
    unknown = run(tmp_path)
    assert unknown.exit_code == 1
    assert "Images without a class: 4" in unknown.stdout
    result = run(tmp_path, "--label", "0=ai", "--label", "1=real")
    assert result.exit_code == 0, result.output
    assert "PNG 2 | PNG 2 | 2 | 2 |" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layout", "tiny"), "tiny"),
        (("--layout", "webdataset"), "no images"),
        (("--distance", "16"), "distance"),
        (("--label", "1"), "NAME=ai"),
        (("--label", "1=ai"), "both classes"),
        (("--root", "."), "root applies to manifests"),
    ],
)
def test_what_is_wrong_is_named(clean: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(clean, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "m.parquet").write_bytes(b"")
    result = run(tmp_path / "m.parquet")
    assert result.exit_code == 2
    assert "pip install '.[parquet]'" in result.stderr


def test_absent_sets_and_bare_commands(tmp_path: Path) -> None:
    assert run(tmp_path / "absent").exit_code == 2
    shown = CliRunner().invoke(app, ["data", "--help"])
    assert "check" in shown.stdout
