"""``cinemae train``: fit the fusion head on a labelled set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cinemae.cli.manners import require_packages
from cinemae.cli.options import Device, Label, Layout, LayoutName, PrecisionSetting
from cinemae.cli.progress import progress_bar
from cinemae.cli.reading import reading_aloud, stated_labels


def train(
    data: Annotated[Path, typer.Argument(help="Folder tree, manifest or tar shards with both classes.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the head.")],
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    layout: Layout = LayoutName.AUTO,
    label: Label = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="More real photographs: a folder or manifest; may be repeated.")
    ] = None,
    photos_root: Annotated[Path | None, typer.Option(help="Root of the photo manifests.")] = None,
    photos_limit: Annotated[
        int | None,
        typer.Option(min=0, help="How many of those photographs, large ones and small folders first. Default: 3000."),
    ] = None,
    augmentations: Annotated[
        int | None, typer.Option(min=1, help="Augmented variants of each image. Default: 1.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="MAE of the semantic scale. Default: the shipped one.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder of the other scales: ours, or a hub folder. Default: the shipped one.")
    ] = None,
    families: Annotated[
        Path | None, typer.Option(help="JSON file of generators by family, which calibration keeps together.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path(".cinemae-cache"),
    settings: Annotated[
        Path | None,
        typer.Option("--config", help="JSON file of settings, as in a head's record; other options win over it."),
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Also fit each part alone, into OUT-tokens, OUT-likelihood and so on.")
    ] = False,
    alpha: Annotated[
        float | None, typer.Option(help="Error rate that verdicts are made at if no other is asked for. Default: 0.1.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence that the head is published under. Default: unknown.")
    ] = None,
    precision: PrecisionSetting = None,
    device: Device = None,
    jobs: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of augmentation, split and fit. Default: 0.")] = None,
) -> None:
    """Fit the head; a second run only fits, since features are cached."""
    require_packages("train", "sklearn")
    from cinemae.fusion.config import TrainConfig
    from cinemae.fusion.recipe import train_head
    from cinemae.plainfiles import read_text

    options = {
        "augmentations": augmentations,
        "photos_limit": photos_limit,
        "precision": None if precision is None else precision.value,
        "device": device,
        "licence": licence,
        "families": None if families is None else json.loads(families.read_text()),
        "seed": seed,
    }
    try:
        config = TrainConfig.model_validate_json(read_text(settings)) if settings else TrainConfig()
        values = config.model_dump() | {name: value for name, value in options.items() if value is not None}
        if alpha is not None:
            values["fit"]["alpha"] = alpha
        values["backbones"] = {
            scale: (backbone if scale == "semantic" else encoder) or mae for scale, mae in config.backbones.items()
        }
        config = TrainConfig.model_validate(values)
    except ValidationError as error:
        raise typer.BadParameter(str(error)) from error
    with reading_aloud(), progress_bar("measuring") as progress:
        reports = train_head(
            config,
            data,
            out,
            root=root,
            layout=layout.value,
            labels=stated_labels(label),
            photos=photos or [],
            photos_root=photos_root,
            cache=cache,
            parts=parts,
            jobs=jobs,
            progress=progress,
        )
    for place, report in reports.items():
        head = report.head
        low, high = head.band
        typer.echo(
            f"{place}: held-out ROC-AUC {report.held_out_auc:.3f}, loss {report.held_out_loss:.3f} nats,"
            f" threshold {head.config.threshold:.3f}, inconclusive from {low:.3f} to {high:.3f} at alpha"
            f" {head.config.alpha:g} ({len(head.conformal.ai)} AI and {len(head.conformal.real)} real images)"
        )
