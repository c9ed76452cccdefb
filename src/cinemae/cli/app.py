"""The ``cinemae`` command: its sub-commands, and what is common to them."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cinemae.cli.audit import audit
from cinemae.cli.compare import compare
from cinemae.cli.data import app as data
from cinemae.cli.detect import detect
from cinemae.cli.evaluate import evaluate
from cinemae.cli.export import export
from cinemae.cli.fit_noise import fit_noise
from cinemae.cli.leave_out import leave_out
from cinemae.cli.manners import Commands
from cinemae.cli.models import models
from cinemae.cli.pretrain import pretrain
from cinemae.cli.report import report
from cinemae.cli.scan import app as scan
from cinemae.cli.serve import app as serve
from cinemae.cli.train import train

app = typer.Typer(
    name="cinemae",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug shows a plain traceback, fit for a report
)
for command in (detect, models, train, evaluate, leave_out, report, compare, audit, pretrain, fit_noise, export):
    app.command()(command)
app.add_typer(data, name="data")
app.add_typer(scan, name="scan")
app.add_typer(serve, name="serve")


def _print_version(wanted: bool) -> None:
    if wanted:
        from cinemae import __version__

        typer.echo(f"cinemae {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Say whether images were made by an AI generator, and show where they look wrong."""


def main() -> None:
    """Run the command line; never returns.

    Exit status: 0 all went well, 1 some inputs were refused, 2 the command can't be carried out
    as given, 130 interrupted.
    """
    try:
        app(prog_name="cinemae")
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))


def leave(status: int) -> None:
    """End the process once everything is written, without tearing it down.

    Python would first wait for the images that are being scored, which after Ctrl-C nobody wants, and
    then take OpenVINO apart, for as long as it took to score one. Nothing of ours waits for that.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the reader has hung up, or the disk is full: what was asked for is not all there
            status = status or 1
    os._exit(status)
