"""``cinemae detect``: score files, folders, patterns, URLs and standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol

import typer

from cinemae.cli.manners import INTERRUPTED, make_folder, require_device
from cinemae.cli.options import (
    Accurate,
    Alpha,
    Backbone,
    Device,
    EvidenceOnly,
    Jobs,
    MaskSeed,
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

if TYPE_CHECKING:
    from cinemae.cli.inputs import Input
    from cinemae.cli.output import Writer
    from cinemae.detector import Detector, Scored
    from cinemae.leftout import LeftOut
    from cinemae.verdict import Verdict


def detect(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Files, folders (searched for images at any depth), quoted patterns, - for standard input.",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, one object an input.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on standard output, with a header.")] = False,
    maps: Annotated[
        Path | None,
        typer.Option("--map", metavar="DIR", help="Write an anomaly overlay and a side-by-side of each image there."),
    ] = None,
    threshold: Threshold = None,
    alpha: Alpha = None,
    model: Model = None,
    backbone: Backbone = None,
    device: Device = None,
    precision: Precision = PrecisionName.AUTO,
    jobs: Jobs = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in memory at most; changes no score.")] = 8,
    accurate: Accurate = False,
    seed: MaskSeed = 0,
    allow_url: Annotated[bool, typer.Option("--allow-url", help="Fetch http and https URLs.")] = False,
    max_pixels: MaxPixels = 100_000_000,
    no_evidence: NoEvidence = False,
    evidence_only: EvidenceOnly = False,
    personal: Personal = False,
    trust_list: TrustList = None,
) -> None:
    """Say of each image whether an AI generator made it: ai, real or inconclusive.

    Exit status: 0 all inputs were scored, 1 some were refused or their maps can't be written, 2 usage.
    """
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    check_decision(threshold, alpha)
    choice = evidence_choice(no_evidence, evidence_only)
    if maps is not None and choice == "only":
        raise typer.BadParameter("there is no map without pixels", param_hint="--map")
    from cinemae.cli.inputs import expand, open_inputs
    from cinemae.cli.output import make_writer
    from cinemae.evidence.schema import EvidenceOptions
    from cinemae.leftout import LeftOut

    left_out = LeftOut()
    inputs = expand(paths, allow_url=allow_url, left_out=left_out)
    kind = "json" if as_json else "csv" if as_csv else "table"
    options = EvidenceOptions(personal=personal, trust_list=trust_list)
    if choice == "only":
        from cinemae.evidence.beside import EvidenceOnly as Reader
        from cinemae.images import ImageLimits

        reader = Reader(options, ImageLimits(max_pixels=max_pixels))
        writer = make_writer(kind)
        refused = write_verdicts(reader.score_many(open_inputs(inputs)), inputs, writer)
        close(writer, len(inputs), refused, left_out)
    if maps is not None:
        make_folder(maps, "--map")
    require_device(device)
    from cinemae.detector import ACCURATE_ROUNDS, Detector
    from cinemae.images import ImageLimits
    from cinemae.mae.runtime import cores
    from cinemae.verdict import guarantee

    detector = Detector.load(
        model,
        backbone=backbone,
        device=device,
        precision=precision.value,
        # One input gets all cores, and its graphs are compiled for one call at a time, which is quicker.
        jobs=jobs or min(cores(), max(1, len(inputs))),
        limits=ImageLimits(max_pixels=max_pixels),
        threshold=threshold,
        alpha=alpha,
        evidence=None if choice == "off" else options,
    )
    if maps is not None and "semantic" not in detector.extractor.spec.scales:
        raise typer.BadParameter("this model has no semantic scale to draw maps of", param_hint="--map")
    if accurate:
        try:
            detector = detector.with_rounds(ACCURATE_ROUNDS)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--accurate") from error
    decision = detector.decision
    if not (as_json or as_csv) and decision is not None and decision.alpha is not None:
        typer.echo(f"cinemae: {guarantee(decision.alpha)}", err=True)
    scores = detector.score_many(open_inputs(inputs), seed=seed, batch_size=batch_size)
    writer = make_writer(kind)
    refused = write_verdicts(drawn(scores, maps, detector), inputs, writer)
    close(writer, len(inputs), refused, left_out)


def close(writer: Writer, inputs: int, refused: int, left_out: LeftOut) -> NoReturn:
    """Say what a folder's files were left out, and end the command."""
    from cinemae.leftout import sentence

    if found := left_out.counts():
        writer.finish(found)
        typer.echo(f"cinemae: {inputs:,} inputs, {refused:,} of them refused; {sentence(found)}", err=True)
    raise typer.Exit(1 if refused else 0)


class _Result(Protocol):
    @property
    def verdict(self) -> Verdict: ...


def drawn(scores: Iterable[Scored], maps: Path | None, detector: Detector) -> Iterator[Scored]:
    """Yield what was scored, after its maps have been written, if they are wanted."""
    for scored in scores:
        if maps is not None and scored.image is not None:
            verdict = with_map(scored, maps, detector.extractor.spec.scales["semantic"].resize)
            scored = replace(scored, verdict=verdict)
        yield scored


def write_verdicts(results: Iterable[_Result], inputs: Sequence[Input], writer: Writer) -> int:
    """Write each verdict as it comes, and return how many inputs were refused.

    Raises:
        typer.Exit: With status 130 after Ctrl-C; what was written by then is whole.
    """
    done = refused = 0
    try:
        with tracker(writer, len(inputs)) as track:
            for result in track(results):
                writer.write(result.verdict)
                done += 1
                refused += result.verdict.error is not None
    except KeyboardInterrupt:
        typer.echo(f"interrupted after {done} of {len(inputs)} inputs", err=True)
        raise typer.Exit(INTERRUPTED) from None
    return refused


def with_map(scored: Scored, folder: Path, resize: int) -> Verdict:
    """Write an image's maps; returns its verdict, with an error beside its numbers if they can't be written."""
    from cinemae.maps import write_maps
    from cinemae.verdict import ErrorInfo

    try:
        write_maps(scored, folder, resize=resize)
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        message = f"{scored.verdict.path}: its map can't be written into {folder} ({reason})"
        return scored.verdict.model_copy(update={"error": ErrorInfo(type="MapError", message=message)})
    return scored.verdict


@contextmanager
def tracker(writer: Writer, total: int) -> Iterator[Any]:
    """Yield what wraps the results: a progress bar where somebody watches, else nothing.

    The bar is drawn on standard error. A table on the same terminal shares its console, so that
    lines appear above the bar; other lines on a terminal show the progress themselves.
    """
    from cinemae.cli.output import TableWriter

    console = writer.console if isinstance(writer, TableWriter) and sys.stdout.isatty() else None
    if total < 2 or not sys.stderr.isatty() or (console is None and sys.stdout.isatty()):
        yield lambda results: results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Standard output is never redirected: it may be a file that must get its lines.
    with Progress(*columns, console=console or Console(stderr=True), transient=True, redirect_stdout=False) as bar:

        def track(results: Iterable[Any]) -> Iterable[Any]:
            return bar.track(results, total=total)

        yield track
