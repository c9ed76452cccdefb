"""``cinemae evaluate``: a head's figures on a labelled set, per generator, raw and aligned."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cinemae.cli.manners import require_packages
from cinemae.cli.options import Device, Precision, PrecisionName
from cinemae.cli.progress import progress_bar


class ProtocolName(StrEnum):
    """Alignment protocols; see ``cinemae.data.equalise``."""

    RAW = "raw"
    FORMAT = "format"
    HISTORY = "history"


def evaluate(
    data: Annotated[Path, typer.Argument(help="Folder tree or manifest with both classes.")],
    model: Annotated[
        list[Path] | None, typer.Option("--model", help="Folder of a head; may be repeated. Default: the shipped one.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="At most this many images of each generator and class, drawn by seed.")
    ] = None,
    protocol: Annotated[list[ProtocolName] | None, typer.Option(help="May be repeated; default: all three.")] = None,
    families: Annotated[
        Path | None, typer.Option(help="JSON file: name of a mean -> generators. Default: the mean of all.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for evaluation.json and evaluation.md.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path(".cinemae-cache"),
    precision: Precision = PrecisionName.AUTO,
    device: Device = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples of the 95 % intervals.")] = 1000,
    jobs: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of alignment and bootstrap.")] = 0,
) -> None:
    """Print accuracy (with its fake/real split), balanced accuracy, ROC-AUC and AP per generator."""
    require_packages("train", "sklearn")
    from cinemae.data import read_images
    from cinemae.evaluation import evaluate_heads, sample_images
    from cinemae.fusion.head import FusionHead
    from cinemae.loading import find_head

    images = read_images(data, root=root, split="val")
    if limit is not None:
        images = sample_images(images, limit, seed)
    places = {str(place): place for place in model} if model else {"shipped": find_head(None)}
    heads = {name: FusionHead.load(place) for name, place in places.items()}
    names = sorted({image.generator for image in images})
    with progress_bar("measuring") as progress:
        evaluation = evaluate_heads(
            heads,
            images,
            [p.value for p in protocol or list(ProtocolName)],
            cache=cache,
            families=json.loads(families.read_text()) if families else {"all": names},
            precision=precision.value,
            device=device,
            seed=seed,
            resamples=resamples,
            jobs=jobs,
            progress=progress,
        )
    typer.echo(evaluation.to_markdown())
    for line in evaluation.refused:
        typer.echo(f"refused: {line}", err=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.json").write_text(evaluation.model_dump_json(indent=1) + "\n")
        (out / "evaluation.md").write_text(evaluation.to_markdown() + "\n")
