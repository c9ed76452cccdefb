"""``cinemae scan``: verdicts for a whole archive as a Parquet table, and what such a table holds."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from cinemae.cli.manners import INTERRUPTED, CommandsWithDefault, require_device, require_packages
from cinemae.cli.options import (
    Accurate,
    Alpha,
    Backbone,
    Device,
    EvidenceOnly,
    Jobs,
    MaxPixels,
    Model,
    NoEvidence,
    Personal,
    Precision,
    PrecisionName,
    Threshold,
    TrustList,
    check_decision,
    evidence_choice,
)

app = typer.Typer(cls=CommandsWithDefault, no_args_is_help=True)


class EngineName(StrEnum):
    """What the parts of a scan are scored by."""

    LOCAL = "local"
    RAY = "ray"


@app.callback()
def _scan() -> None:
    """Score a whole archive into a Parquet table; a scan that was killed goes on where it stopped.

    `cinemae scan SRC --out DIR` scans, `cinemae scan summary DIR` says what came of it.
    """


@app.command()
def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="Folder, list of paths or URIs (@list.txt), tar shards or Parquet; local, s3://, gs:// or http(s)://.",
        ),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Where the table goes: a local folder, s3:// or gs://.")],
    engine: Annotated[EngineName, typer.Option(help="local: processes here; ray: a Ray cluster.")] = EngineName.LOCAL,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes; default: one for 8 cores here, what there is room for on Ray."),
    ] = None,
    jobs: Jobs = None,
    address: Annotated[str | None, typer.Option(help="Of a running Ray cluster; default: one is started here.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE|DIR",
            help="Only inputs that were modified since then: an ISO date, or the folder of an earlier scan.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many inputs.")] = None,
    sample: Annotated[float | None, typer.Option(help="Share of the inputs to take, 0 to 1, chosen by --seed.")] = None,
    dedupe: Annotated[
        bool, typer.Option("--dedupe", help="Score equal contents once; reads everything twice.")
    ] = False,
    maps: Annotated[bool, typer.Option("--maps", help="Store the likelihood map of each image.")] = False,
    part_size: Annotated[int, typer.Option(min=1, max=100_000, help="Inputs of a part.")] = 512,
    timeout: Annotated[
        float, typer.Option(help="Seconds for reading one image, and again for scoring it; one that hangs is an error.")
    ] = 60.0,
    threshold: Threshold = None,
    alpha: Alpha = None,
    model: Model = None,
    backbone: Backbone = None,
    device: Device = None,
    precision: Precision = PrecisionName.AUTO,
    accurate: Accurate = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the masks and of --sample.")] = 0,
    max_pixels: MaxPixels = 100_000_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Refuse files of more bytes.")] = 1 << 30,
    no_evidence: NoEvidence = False,
    evidence_only: EvidenceOnly = False,
    personal: Personal = False,
    trust_list: TrustList = None,
) -> None:
    """Score every input of a source once; run it again and it goes on with what is missing.

    Exit status: 0 all inputs were scored, 1 some were refused, 2 usage, 130 interrupted.
    """
    check_decision(threshold, alpha)
    choice = evidence_choice(no_evidence, evidence_only)
    if maps and choice == "only":
        raise typer.BadParameter("there is no map without pixels", param_hint="--maps")
    if sample is not None and not 0 < sample <= 1:
        raise typer.BadParameter(f"{sample} does not lie between 0 and 1", param_hint="--sample")
    if timeout <= 0:
        raise typer.BadParameter(f"{timeout} is no time", param_hint="--timeout")
    if address is not None and engine is not EngineName.RAY:
        raise typer.BadParameter("is for --engine ray", param_hint="--address")
    require_packages("parquet", "pyarrow")
    if engine is EngineName.RAY:
        require_packages("scan", "ray")
    elif device is not None:
        require_device(device)
    from cinemae.leftout import as_counts, sentence
    from cinemae.scan.config import ScanError, ScanOptions, source_name
    from cinemae.scan.progress import shown
    from cinemae.scan.run import open_folder, scan
    from cinemae.settings import DetectorSettings

    settings = DetectorSettings(
        model=model,
        backbone=backbone,
        device=device,
        precision=precision.value,
        accurate=accurate,
        threshold=threshold,
        alpha=alpha,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
        evidence=choice,
        personal=personal,
        trust_list=None if trust_list is None else str(trust_list.resolve()),
    )
    try:
        options = ScanOptions(
            source=source_name(source),
            settings=settings,
            seed=seed,
            maps=maps,
            dedupe=dedupe,
            since=None if since is None else start_of(since),
            limit=limit,
            sample=sample,
            part_size=part_size,
        )
        with shown() as progress:
            totals = scan(
                source,
                out,
                options,
                engine=engine.value,
                workers=workers,
                jobs=jobs,
                timeout=timeout,
                address=address,
                progress=progress,
            )
    except ScanError as error:
        _end(error)
    except KeyboardInterrupt:
        typer.echo("interrupted; finished parts are kept, the same command goes on with the rest", err=True)
        raise typer.Exit(INTERRUPTED) from None
    folder = open_folder(out)
    plan = folder.plan()
    found = as_counts(plan.left_out) if plan else None
    said = [f"{totals.items:,} inputs, {totals.refused:,} of them refused", *([sentence(found)] if found else [])]
    typer.echo(f"cinemae: {'; '.join(said)}; the table is {folder.storage.place('parts')}", err=True)
    raise typer.Exit(1 if totals.refused else 0)


@app.command()
def summary(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a scan, finished or not.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print what a scan came to: counts, error classes, a histogram of the scores, the speed."""
    require_packages("parquet", "pyarrow")
    from cinemae.scan.config import ScanError
    from cinemae.scan.run import open_folder
    from cinemae.scan.summary import in_words, summarise

    try:
        found = summarise(open_folder(folder))
    except ScanError as error:
        _end(error)
    typer.echo(found.model_dump_json() if as_json else in_words(found))


def start_of(since: str) -> datetime:
    """Return the time that ``--since`` names: an ISO date or time (UTC if it has no zone), or a scan's start.

    Raises:
        typer.BadParameter: If it is neither.
    """
    try:
        when = datetime.fromisoformat(since)
    except ValueError:
        from cinemae.scan.run import open_folder

        config = open_folder(since).config()
        if config is None:
            raise typer.BadParameter(
                f"{since} is neither an ISO date nor the folder of a scan", param_hint="--since"
            ) from None
        return config.started
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def _end(error: Exception) -> NoReturn:
    typer.echo(f"cinemae: {error}", err=True)
    raise typer.Exit(2) from error
