"""``cinemae leave-out``: figures on families of generators, each by a head that was fitted without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from cinemae.cli.manners import given_command, require_packages
from cinemae.cli.options import Device, PrecisionSetting, ProtocolName, Protocols
from cinemae.cli.progress import progress_bar
from cinemae.cli.reading import reading_aloud

if TYPE_CHECKING:
    from cinemae.features.collect import Variant


def leave_out(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Labelled set to train on: folder tree or manifest.")],
    tested: Annotated[Path, typer.Option("--test", help="Labelled set to test on; may be the same.")],
    families: Annotated[Path, typer.Option(help="JSON file: family -> its generators.")],
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="Test at most this many images of each generator and class.")
    ] = None,
    protocol: Protocols = None,
    corruption: Annotated[
        list[str] | None, typer.Option(help="Also after this one, format-aligned before: jpeg:50; may be repeated.")
    ] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="Also this part of the head fitted alone; may be repeated.")
    ] = None,
    settings: Annotated[Path | None, typer.Option("--config", help="JSON file of settings of the training.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for leave-out.json, leave-out.md, scores.csv.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path(".cinemae-cache"),
    precision: PrecisionSetting = None,
    device: Device = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples of the 95 % intervals.")] = 1000,
    jobs: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every draw. Default: 0.")] = None,
) -> None:
    """Fit the head without each family and without its real sources, and test it on them."""
    require_packages("train", "sklearn")
    command = given_command(context)
    from cinemae.datasets import read_images
    from cinemae.fusion.config import TrainConfig
    from cinemae.leaveout import leave_out as run
    from cinemae.provenance import Run
    from cinemae.scores import SCORES_FILE, ImageScore, write_scores

    given = {
        "families": json.loads(families.read_text(encoding="utf-8")),
        "precision": None if precision is None else precision.value,
        "device": device,
        "seed": seed,
    }
    try:
        config = TrainConfig.model_validate_json(settings.read_text(encoding="utf-8")) if settings else TrainConfig()
        values = config.model_dump() | {name: value for name, value in given.items() if value is not None}
        config = TrainConfig.model_validate(values)
    except ValidationError as error:
        raise typer.BadParameter(str(error)) from error
    scores: list[ImageScore] = []
    with reading_aloud(), progress_bar("measuring") as progress:
        found = run(
            config,
            read_images(data, root=root),
            read_images(tested, root=root),
            _variants([each.value for each in protocol or list(ProtocolName)], corruption or [], config.seed),
            cache=cache,
            limit=limit,
            parts=part or [],
            resamples=resamples,
            jobs=jobs,
            progress=progress,
            record=None if out is None else scores.append,
        )
    found = found.model_copy(update={"run": Run.here(command, seed=config.seed, limit=limit, heads={})})
    typer.echo(found.to_markdown())
    for line in found.refused:
        typer.echo(f"refused: {line}", err=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "leave-out.json").write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (out / "leave-out.md").write_text(found.to_markdown(), encoding="utf-8")
        write_scores(out / SCORES_FILE, scores)


def _variants(protocols: list[str], corruptions: list[str], seed: int) -> dict[str, Variant]:
    from cinemae.corruptions import CorruptionError, parse_corruption
    from cinemae.features.collect import Variant

    found = {name: Variant.model_validate({"protocol": name, "seed": seed}) for name in protocols}
    try:
        wanted = [each for text in corruptions for each in parse_corruption(text)]
    except CorruptionError as error:
        raise typer.BadParameter(str(error), param_hint="--corruption") from error
    return found | {f"format, {each}": Variant(protocol="format", seed=seed, corruption=each) for each in wanted}
