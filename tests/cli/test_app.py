"""The command as a whole: quick to answer, clear when something is amiss."""

import subprocess
import sys
import warnings

import pytest
import typer
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.cli.manners import Commands, CommandsWithDefault, only_licence_warnings, require_device
from cinemae.fusion.head import HeadError
from cinemae.mae.errors import CheckpointError, LicenceWarning

COMMANDS = {"detect", "models", "train", "evaluate", "pretrain", "fit-noise"}
HEAVY = {"torch", "numpy", "PIL", "transformers", "pyarrow", "sklearn", "huggingface_hub"}


def toy_app(error: BaseException) -> typer.Typer:
    """An app with two commands; one raises."""
    toy = typer.Typer(cls=Commands)

    @toy.command()
    def fail() -> None:
        raise error

    @toy.command()
    def fine() -> None: ...

    return toy


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from cinemae.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "print('loaded:', code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, loaded = done.stdout.split("loaded:")
    status, *modules = loaded.split()
    assert status == "0"
    assert HEAVY.isdisjoint(modules)
    assert "detect" in text


def test_all_commands_are_there():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert {word for word in result.stdout.split() if word in COMMANDS} == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(app, [command, "--help"], terminal_width=200)
    assert result.exit_code == 0
    assert f"cinemae {command}" in result.stdout


def test_version_and_usage(cinemae):
    done = cinemae("--version")
    assert done.returncode == 0
    assert done.stdout == "cinemae 0.1.0\n"
    wrong = cinemae("detekt")
    assert wrong.returncode == 2
    assert "detect" in wrong.stderr  # suggests the right one
    assert wrong.stdout == ""


@pytest.mark.parametrize(
    "error",
    [CheckpointError("there: no weights"), HeadError("there: no head"), FileNotFoundError(2, "No such file", "x")],
)
def test_what_the_user_can_mend_is_one_line(error):
    result = CliRunner().invoke(toy_app(error), ["fail"])
    assert result.exit_code == 2
    said = "x: No such file" if isinstance(error, FileNotFoundError) else str(error)
    assert result.stderr == f"cinemae: {said}\n"
    assert result.stdout == ""


def test_a_bug_keeps_its_traceback():
    result = CliRunner().invoke(toy_app(ZeroDivisionError("bug")), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_interrupt_has_its_own_status():
    result = CliRunner().invoke(toy_app(KeyboardInterrupt()), ["fail"])
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


def test_only_licences_are_warned_of(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with only_licence_warnings():
            warnings.warn("the API will change", FutureWarning, stacklevel=1)
            warnings.warn("vit-x: no commercial use", LicenceWarning, stacklevel=1)
    captured = capsys.readouterr()
    assert captured.err == "cinemae: vit-x: no commercial use\n"
    assert captured.out == ""


@pytest.mark.parametrize("name", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_a_usage_error(name):
    with pytest.raises(typer.BadParameter, match=name):
        require_device(name)
    require_device("cpu")
    require_device(None)


@pytest.mark.parametrize("command", [["evaluate"], ["train", "--out", "head", "--alpha", "0.5"]])
def test_a_device_that_is_not_there_is_one_line(cinemae, toy_set, tmp_path, command):
    done = cinemae(command[0], toy_set, *command[1:], "--device", "nonsense", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown device 'nonsense'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["photos"], "ran photos"),
        (["run", "photos"], "ran photos"),
        (["sum", "out"], "summed out"),
        (["./sum"], "ran ./sum"),
    ],
)
def test_a_group_may_have_a_default_command(arguments, said, capsys):
    toy = typer.Typer(cls=CommandsWithDefault, no_args_is_help=True)

    @toy.command()
    def run(source: str) -> None:
        typer.echo(f"ran {source}")

    @toy.command("sum")
    def summed(place: str) -> None:
        typer.echo(f"summed {place}")

    with pytest.raises(SystemExit) as end:
        toy(arguments)
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == said
    with pytest.raises(SystemExit) as end:
        toy(["--help"])
    assert end.value.code == 0
    assert "sum" in capsys.readouterr().out
