"""``cinemae train``: fit the fusion head on a labelled set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinemae.cli.progress import progress_bar


def train(
    data: Annotated[Path, typer.Argument(help="Folder tree or manifest (TSV, CSV, Parquet) with both classes.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the head.")],
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="More real photographs: a folder or manifest; may be repeated.")
    ] = None,
    photos_root: Annotated[Path | None, typer.Option(help="Root of the photo manifests.")] = None,
    photos_limit: Annotated[int, typer.Option(help="How many of those photographs, folders balanced.")] = 3000,
    augmentations: Annotated[int, typer.Option(min=1, help="Augmented variants of each image.")] = 3,
    backbone: Annotated[str, typer.Option(help="MAE of the semantic scale.")] = "cinemae/vit-tiny",
    fine_backbone: Annotated[str, typer.Option(help="MAE of the fine scale.")] = "cinemae/conv-fine",
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path(".cinemae-cache"),
    settings: Annotated[
        Path | None, typer.Option("--config", help="JSON file with fit and augment settings (see config.json).")
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Also fit heads on each part alone, into OUT-local, OUT-global, OUT-error.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence that the head is published under.")] = "unknown",
    precision: Annotated[str, typer.Option(help="Arithmetic of the MAEs: f32 or bf16.")] = "f32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    jobs: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of augmentation, split and fit.")] = 0,
) -> None:
    """Fit the head; a second run only fits, since features are cached."""
    from cinemae.fusion.recipe import TrainConfig, train_head

    config = TrainConfig.model_validate_json(settings.read_text()) if settings else TrainConfig()
    config = config.model_copy(
        update={
            "augmentations": augmentations,
            "photos_limit": photos_limit,
            "backbones": {"semantic": backbone, "fine": fine_backbone},
            "precision": precision,
            "device": device,
            "licence": licence,
            "seed": seed,
        }
    )
    with progress_bar("measuring") as progress:
        reports = train_head(
            TrainConfig.model_validate(config.model_dump()),
            data,
            out,
            root=root,
            photos=photos or [],
            photos_root=photos_root,
            cache=cache,
            parts=parts,
            jobs=jobs,
            progress=progress,
        )
    for place, report in reports.items():
        typer.echo(
            f"{place}: held-out ROC-AUC {report.held_out_auc:.3f}, loss {report.held_out_loss:.3f} nats,"
            f" threshold {report.head.config.threshold:.3f}, band {report.head.config.band}"
        )
