"""How every sub-command behaves when something is amiss: one clear line, a meaningful exit status."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

INTERRUPTED = 130


class Commands(TyperGroup):
    """A group whose commands end with one line, not a traceback, for what the user can mend."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command.

        Raises:
            typer.Exit: With status 2 after an error that names what to mend, 130 after Ctrl-C.
        """
        if not sys.stderr.isatty():
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its retries; why it failed in the end is our error
        try:
            with only_licence_warnings():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except (BrokenPipeError, typer.Exit):  # `| head` ends quietly; an exit is no error
            raise
        except Exception as error:
            if not isinstance(error, mendable()):
                raise
            typer.echo(f"cinemae: {one_line(error)}", err=True)
            raise typer.Exit(2) from error


def one_line(error: Exception) -> str:
    """Return an error's message in one line; the system's own as ``PLACE: reason``, without its number."""
    if type(error).__str__ is OSError.__str__ and isinstance(error, OSError) and error.filename and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else error.filename
        return f"{name}: {error.strerror}"
    return " ".join(str(error).split())


class CommandsWithDefault(TyperGroup):
    """A group whose command ``run`` need not be named: ``scan SRC`` is ``scan run SRC``, ``scan summary`` is itself.

    A first argument that is the name of a sub-command is always the sub-command; a folder of that name is
    written ``./summary``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that name no sub-command and ask for no help."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


def mendable() -> tuple[type[Exception], ...]:
    """Return the errors whose message tells the user what to mend: our own, and the system's.

    Their modules are imported only here, once something has failed.
    """
    from cinemae.compare.errors import CompareError
    from cinemae.datasets import ManifestError
    from cinemae.evidence.trust import TrustListError
    from cinemae.features.spec import SpecMismatchError
    from cinemae.fusion.head import HeadError
    from cinemae.images import ImageError
    from cinemae.mae.errors import CheckpointError
    from cinemae.mae.select import DeviceError
    from cinemae.plainfiles import EncodingError
    from cinemae.report.errors import ReportError
    from cinemae.scores import ScoresError

    ours = (CheckpointError, CompareError, DeviceError, HeadError, ImageError, ManifestError, ReportError, ScoresError)
    return *ours, SpecMismatchError, TrustListError, EncodingError, OSError


@contextmanager
def only_licence_warnings() -> Iterator[None]:
    """Print warnings about licences as one plain line on standard error, and no others.

    The others speak to programmers (deprecations, Pillow's and torch's hints), not to who runs a
    command; what matters of an image is in its verdict's notes.
    """

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        from cinemae.mae.errors import LicenceWarning

        if issubclass(category, LicenceWarning):
            typer.echo(f"cinemae: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def make_folder(place: Path, option: str) -> None:
    """Make a folder for output, before anything else is done.

    Raises:
        typer.BadParameter: If it is a file, or can't be made.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise typer.BadParameter(f"{place} is there and is no folder", param_hint=option) from error
    except OSError as error:
        where = error.filename or place
        raise typer.BadParameter(f"{where} can't be made ({error.strerror or error})", param_hint=option) from error


def require_device(name: str | None) -> str:
    """Return the device that is meant; None chooses one.

    Raises:
        typer.BadParameter: If it can't be used.
    """
    from cinemae.mae.select import DeviceError, resolve_device

    try:
        return resolve_device(name)
    except DeviceError as error:
        raise typer.BadParameter(str(error), param_hint="--device") from error


def require_packages(extra: str, *packages: str) -> None:
    """Check that the packages of an extra are installed, before anything else is done.

    Raises:
        typer.Exit: With status 2 and a line that says what to install, if one is not.
    """
    from cinemae.extras import install_hint, package_name

    missing = [package_name(package) for package in packages if find_spec(package) is None]
    if missing:
        typer.echo(f"cinemae: needs {', '.join(missing)}, not installed: {install_hint(extra)}", err=True)
        raise typer.Exit(2)


def given_command(context: Any) -> str:
    """Return a command line that says what this one does: what was given, and no defaults.

    Args:
        context: Click's context of the command.
    """
    words = context.command_path.split()
    for parameter in context.command.params:
        value = context.params.get(parameter.name)
        if value is None or value == parameter.get_default(context):
            continue
        option = parameter.opts[0] if parameter.param_type_name == "option" else None
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if option is None:
                words.append(str(one))
            elif getattr(parameter, "is_flag", False):
                words.append(option if one else parameter.secondary_opts[0])
            else:
                words += [option, str(one)]
    return shlex.join(words)
