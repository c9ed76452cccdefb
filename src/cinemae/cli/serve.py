"""``cinemae serve``: the HTTP service with its page, and API keys for it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cinemae.cli.manners import CommandsWithDefault, require_device, require_packages
from cinemae.cli.options import (
    Alpha,
    Backbone,
    Device,
    Model,
    NoEvidence,
    Precision,
    PrecisionName,
    Threshold,
    TrustList,
    check_decision,
)

MIB = 1 << 20


class MetricsAccess(StrEnum):
    """Who may read the metrics."""

    OPEN = "open"
    KEY = "key"
    OFF = "off"


class LogLevel(StrEnum):
    """Levels of log lines."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


app = typer.Typer(cls=CommandsWithDefault, invoke_without_command=True, add_completion=False)


@app.callback()
def _serve(ctx: typer.Context) -> None:
    """Serve the HTTP API and the page (`cinemae serve run --help` lists the options), or make an API key."""
    if ctx.invoked_subcommand is None:
        run()


@app.command()
def run(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; each loads the model.")] = 1,
    model: Model = None,
    backbone: Backbone = None,
    device: Device = None,
    precision: Precision = PrecisionName.AUTO,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Images scored at the same time; default: the cores, over the workers.")
    ] = None,
    accurate: Annotated[bool, typer.Option("--accurate", help="Four rounds of masks for every image.")] = False,
    threshold: Threshold = None,
    alpha: Alpha = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse images of more pixels.")] = 64_000_000,
    max_body: Annotated[float, typer.Option(min=0.001, help="Most MiB of a request's body.")] = 64,
    max_files: Annotated[int, typer.Option(min=1, help="Most images in a request.")] = 32,
    max_uploads: Annotated[int, typer.Option(min=1, help="Most requests read at the same time.")] = 128,
    max_queue: Annotated[int, typer.Option(min=1, help="Most images waiting or in work, a worker.")] = 256,
    max_memory: Annotated[float, typer.Option(min=0.001, help="Most MiB of bodies in memory, a worker.")] = 512,
    read_timeout: Annotated[float, typer.Option(min=0.1, help="Longest wait for a part of a body, s.")] = 10,
    upload_timeout: Annotated[float, typer.Option(min=0.1, help="Longest time for a whole body, s.")] = 120,
    deadline: Annotated[float, typer.Option(min=0.01, help="Longest time from body to answer, s.")] = 60,
    drain: Annotated[float, typer.Option(min=0, help="Longest time for the work in hand at the end, s.")] = 30,
    drain_delay: Annotated[
        float, typer.Option(min=0, help="Time to go on listening, not ready, when told to stop, s.")
    ] = 0,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="API keys; default: those of CINEMAE_API_KEYS, or none.")
    ] = None,
    images_per_minute: Annotated[float | None, typer.Option(min=0.001, help="Most images a minute and key.")] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Let pages of this origin call the API; repeatable.")
    ] = None,
    metrics: Annotated[MetricsAccess, typer.Option(help="Who may read /metrics.")] = MetricsAccess.OPEN,
    log_level: Annotated[LogLevel, typer.Option(help="Least level that is logged.")] = LogLevel.INFO,
    no_evidence: NoEvidence = False,
    trust_list: TrustList = None,
) -> None:
    """Serve the API and the page until SIGTERM or Ctrl-C; the work in hand is finished first.

    Exit status: 0 told to stop, 2 can't start.
    """
    require_packages("serve", "fastapi", "uvicorn", "python_multipart", "prometheus_client")
    require_device(device)
    check_decision(threshold, alpha)
    from pydantic import ValidationError

    from cinemae.mae.runtime import cores
    from cinemae.serve.config import Limits, ServeConfig
    from cinemae.serve.keys import KeyFileError
    from cinemae.serve.run import run as serve
    from cinemae.settings import DetectorSettings

    try:
        config = ServeConfig(
            detector=DetectorSettings(
                model=model,
                backbone=backbone,
                device=device,
                precision=precision.value,
                jobs=jobs or max(1, cores() // workers),
                accurate=accurate,
                threshold=threshold,
                alpha=alpha,
                max_pixels=max_pixels,
                max_bytes=int(max_body * MIB),
                evidence="off" if no_evidence else "on",
                trust_list=None if trust_list is None else str(trust_list.resolve()),
            ),
            limits=Limits(
                body_bytes=int(max_body * MIB),
                files=max_files,
                uploads=max_uploads,
                queue_images=max_queue,
                memory_bytes=int(max_memory * MIB),
                read_seconds=read_timeout,
                upload_seconds=upload_timeout,
                deadline_seconds=deadline,
            ),
            keys=keys,
            images_per_minute=images_per_minute,
            cors_origins=tuple(cors_origin or ()),
            metrics=metrics.value,
            workers=workers,
            drain_seconds=drain,
            drain_delay_seconds=drain_delay,
            log_level=log_level.value,
        )
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"]) from error
    try:
        serve(config, host, port)
    except KeyFileError as error:
        typer.echo(f"cinemae: {error}", err=True)
        raise typer.Exit(2) from error


@app.command()
def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will use it; shown in the logs.")],
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add its hash to this file; made if it is not there.")
    ] = None,
    images_per_minute: Annotated[
        float | None, typer.Option(min=0.001, help="Most images a minute; needs --keys.")
    ] = None,
) -> None:
    """Make an API key and print it, this one time; only its hash is kept."""
    require_packages("serve", "fastapi")
    from pydantic import ValidationError

    from cinemae.serve.keys import ENVIRONMENT, KeyFileError, make_key

    if images_per_minute is not None and keys is None:
        raise typer.BadParameter("is kept in a file: give --keys", param_hint="--images-per-minute")
    try:
        secret, entry = make_key(name, keys, images_per_minute)
    except ValidationError as error:
        hint = "give up to 64 letters, digits, dots, dashes and underscores"
        raise typer.BadParameter(hint, param_hint="NAME") from error
    except KeyFileError as error:
        typer.echo(f"cinemae: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(secret)
    where = f"its hash is in {keys}" if keys else f"its hash, for {ENVIRONMENT}: {entry.name}={entry.sha256}"
    typer.echo(f"this is the only time the key is shown; {where}", err=True)
