"""``cinemae evaluate``: a head's figures on a labelled set, per generator, raw and aligned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemae.cli.manners import given_command, make_folder, require_packages
from cinemae.cli.options import Device, Label, Layout, LayoutName, Precision, PrecisionName, ProtocolName, Protocols
from cinemae.cli.progress import progress_bar
from cinemae.cli.reading import reading_aloud, stated_labels

if TYPE_CHECKING:
    from cinemae.corruptions import Corruption, Tier


def evaluate(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Folder tree, manifest or tar shards with both classes.")],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A shipped head's name or a folder; may be repeated. Default: cinemae."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    layout: Layout = LayoutName.AUTO,
    label: Label = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="At most this many images of each generator and class, drawn by seed.")
    ] = None,
    protocol: Protocols = None,
    tiers: Annotated[
        str, typer.Option(help="Also after corruptions: tiers of clean, web and hard, with commas between.")
    ] = "",
    corruption: Annotated[
        list[str] | None,
        typer.Option(help="Also after this one: jpeg:50, or jpeg for all its severities; may be repeated."),
    ] = None,
    tier_protocol: Annotated[
        ProtocolName, typer.Option(help="Alignment before the corruptions.")
    ] = ProtocolName.FORMAT,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Another labelled set, whose real images choose the thresholds of 1 and 5 % false alarms."),
    ] = None,
    calibration_root: Annotated[Path | None, typer.Option(help="Root of that set, if it is a manifest.")] = None,
    families: Annotated[
        Path | None, typer.Option(help="JSON file: name of a mean -> generators. Default: the mean of all.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for evaluation.json, evaluation.md and scores.csv.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path(".cinemae-cache"),
    precision: Precision = PrecisionName.AUTO,
    device: Device = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples of the 95 % intervals.")] = 1000,
    jobs: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of alignment, corruptions and bootstrap.")] = 0,
) -> None:
    """Print accuracy (with its fake/real split), balanced accuracy, ROC-AUC and AP per generator.

    With --out also operating points, detection at few false alarms, calibration and abstention.
    """
    require_packages("train", "sklearn")
    command = given_command(context)
    chosen, further = _corruptions(tiers, corruption or [])
    from cinemae.datasets import read_images
    from cinemae.evaluation import evaluate_heads, sample_images
    from cinemae.fusion.head import FusionHead
    from cinemae.loading import find_head
    from cinemae.provenance import Run
    from cinemae.scores import SCORES_FILE, ImageScore, write_scores

    if out is not None:
        make_folder(out, "--out")  # now, not after hours of measuring
    with reading_aloud():
        images = read_images(data, root=root, split="val", layout=layout.value, labels=stated_labels(label))
    if limit is not None:
        images = sample_images(images, limit, seed)
    places = {str(name): find_head(name) for name in model} if model else {"shipped": find_head(None)}
    heads = {name: FusionHead.load(place) for name, place in places.items()}
    names = sorted({image.generator for image in images})
    scores: list[ImageScore] = []
    with progress_bar("measuring") as progress:
        evaluation = evaluate_heads(
            heads,
            images,
            [p.value for p in protocol or list(ProtocolName)],
            cache=cache,
            calibration=read_images(calibration, root=calibration_root) if calibration else [],
            tiers=chosen,
            corruptions=further,
            tier_protocol=tier_protocol.value,
            families={"all": names} if families is None else read_families(families),
            precision=precision.value,
            device=device,
            seed=seed,
            resamples=resamples,
            jobs=jobs,
            progress=progress,
            record=None if out is None else scores.append,
        )
    fingerprints = {name: head.fingerprint() for name, head in heads.items()}
    run = Run.here(command, seed=seed, limit=limit, heads=fingerprints)
    evaluation = evaluation.model_copy(update={"run": run})
    typer.echo(evaluation.to_markdown())
    for line in evaluation.refused:
        typer.echo(f"refused: {line}", err=True)
    if out is not None:
        (out / "evaluation.json").write_text(evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")
        text = f"{evaluation.to_markdown()}\n\n## Details\n\n{evaluation.details_markdown()}"
        (out / "evaluation.md").write_text(text, encoding="utf-8")
        write_scores(out / SCORES_FILE, scores)


def read_families(file: Path) -> dict[str, list[str]]:
    """Read which generators belong together.

    Raises:
        typer.BadParameter: If the file is not a JSON object of lists of names.
    """
    from pydantic import TypeAdapter, ValidationError

    from cinemae.plainfiles import EncodingError, read_text

    try:
        return TypeAdapter(dict[str, list[str]]).validate_json(read_text(file))
    except EncodingError as error:
        raise typer.BadParameter(str(error), param_hint="--families") from error
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        wrong = f"{file}: not a JSON object of lists of names ({reason})"
        raise typer.BadParameter(wrong, param_hint="--families") from error


def _corruptions(tiers: str, corruptions: list[str]) -> tuple[list[Tier], list[Corruption]]:
    from cinemae.corruptions import CorruptionError, parse_corruption, parse_tiers

    hint = "--tiers"
    try:
        chosen = parse_tiers(tiers)
        hint = "--corruption"
        return chosen, [each for text in corruptions for each in parse_corruption(text)]
    except CorruptionError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from error
