"""``--layout`` and ``--label`` of every command that reads a labelled set, and what is said of the reading."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.cli.options import LayoutName
from cinemae.cli.reading import reading_aloud
from cinemae.datasets import LAYOUTS, ManifestError, read_images
from trees import genimage

COMMANDS = [["train", "--out", "head"], ["evaluate"], ["audit"], ["data", "check"]]


def test_the_command_line_knows_every_layout() -> None:
    assert [name.value for name in LayoutName] == ["auto", *LAYOUTS]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layout", "table"), "no images"),
        (("--layout", "papyrus"), "papyrus"),
        (("--label", "1=maybe"), "ai or real, not 'maybe'"),
    ],
)
def test_layouts_and_labels_reach_the_reader(
    command: list[str], options: tuple[str, str], message: str, tmp_path: Path
) -> None:
    place = genimage(tmp_path, generators=["adm"], train=1, val=1, side=32)
    result = CliRunner().invoke(app, [*command, str(place), *options])
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_reading_aloud_says_what_is_taken_and_leaves_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = genimage(tmp_path, generators=["biggan"], train=1, val=1, side=32, corrupt=True)
    log = logging.getLogger("cinemae.datasets")
    before = (log.level, log.propagate, list(log.handlers))
    with reading_aloud():
        read_images(place)
    with pytest.raises(ManifestError), reading_aloud():
        read_images(place, layout="table")
    assert (log.level, log.propagate, list(log.handlers)) == before
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"cinemae: {place}: read as genimage"
    assert lines[1].startswith(f"cinemae: {place}: left out as known to be broken: 1; the first is BigGAN/")
    assert lines[2:] == [f"cinemae: {place}: read as table"]
