"""``cinemae pretrain``: train an MAE on a folder of photographs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemae.cli.manners import INTERRUPTED, require_device, require_packages
from cinemae.cli.options import Device
from cinemae.cli.progress import progress_bar

if TYPE_CHECKING:
    from cinemae.pretrain.config import PretrainConfig


class Preset(StrEnum):
    """Presets; see ``cinemae.pretrain.config.PRESETS``."""

    VIT_BASE = "vit-base"
    VIT_TINY = "vit-tiny"
    CONV_FINE = "conv-fine"


class PrecisionName(StrEnum):
    """Arithmetic of the training."""

    F32 = "f32"
    BF16 = "bf16"


Report = Callable[[dict[str, float]], None]


def pretrain(
    photos: Annotated[Path, typer.Argument(help="Folder of real photographs; its first-level folders are balanced.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the MAE, its state and log.jsonl.")],
    preset: Annotated[Preset, typer.Option(help="Which MAE, and how it is trained.")] = Preset.VIT_TINY,
    minutes: Annotated[
        float | None, typer.Option(help="Length of the schedule in minutes of training; default: the preset's.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Length in steps, instead of minutes.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Crops a step.")] = None,
    tiles: Annotated[int | None, typer.Option(min=2, help="Tiles in the pack.")] = None,
    crop: Annotated[int | None, typer.Option(min=8, help="Side of a training crop, for conv-fine.")] = None,
    pack: Annotated[Path | None, typer.Option(help="Folder of the tile pack; default: OUT/pack.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Decoding processes; default: one a core.")] = None,
    device: Device = None,
    precision: Annotated[PrecisionName | None, typer.Option(help="Arithmetic; default: the preset's.")] = None,
    save_minutes: Annotated[float | None, typer.Option(help="Minutes between checkpoints.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of tiles, weights, order, crops and masks.")] = 0,
) -> None:
    """Pre-train an MAE; the same command again goes on where a killed run's last checkpoint is."""
    # Threads that spin while they wait slow a training severalfold once another process needs the
    # cores. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    config = build_config(
        preset.value,
        minutes=minutes,
        steps=steps,
        crop=crop,
        tiles=tiles,
        batch=batch,
        precision=None if precision is None else precision.value,
        save_minutes=save_minutes,
        seed=seed,
    )
    require_packages("train", "torch")
    place = require_device(device)
    from cinemae.pretrain.pack import build_pack
    from cinemae.pretrain.train import RunMismatchError, Trainer, check_resumable

    try:
        check_resumable(out, config)  # before minutes of decoding
    except RunMismatchError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    with progress_bar("cutting tiles") as progress:
        pixels = build_pack(photos, pack or out / "pack", config.tiles, seed=seed, jobs=jobs, progress=progress)
    trainer = Trainer(config, pixels, out, place)
    if trainer.step:
        typer.echo(f"resuming {out} at step {trainer.step}", err=True)
    final: dict[str, float] = {}
    try:
        with reporter(lambda: trainer.progress) as show:

            def report(line: dict[str, float]) -> None:
                final.update(line)
                show(line)

            trainer.run(report)
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command again goes on from the last checkpoint", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"{out}: {trainer.step} steps, validation {final['validation_bits_per_dim']:.4f} bits/dim")


def build_config(
    preset: str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    crop: int | None = None,
    tiles: int | None = None,
    **overrides: object,
) -> PretrainConfig:
    """Return a preset with what the command line overrides; None leaves the preset's value.

    Args:
        preset: Name of a preset.
        minutes: Length in minutes; excludes ``steps``.
        steps: Length in steps.
        crop: Side of a crop; the tiles keep the preset's margin around it.
        tiles: Number of tiles.
        overrides: Other fields of the configuration.

    Raises:
        typer.BadParameter: If a value is out of range or two exclude each other.
    """
    from pydantic import ValidationError

    from cinemae.mae.config import ARCHITECTURES, ViTMAEConfig
    from cinemae.pretrain.config import PRESETS, PretrainConfig

    base = PRESETS[preset]
    values = base.model_dump() | {name: value for name, value in overrides.items() if value is not None}
    if minutes is not None and steps is not None:
        raise typer.BadParameter("give --minutes or --steps, not both")
    if minutes is not None or steps is not None:
        values |= {"minutes": minutes, "steps": steps}
    if tiles is not None:
        values["tiles"]["count"] = tiles
    if crop is not None:
        architecture = ARCHITECTURES[base.architecture]
        if isinstance(architecture, ViTMAEConfig) and crop != architecture.image_size:
            raise typer.BadParameter(f"{preset} takes crops of {architecture.image_size} pixels", param_hint="--crop")
        if crop % 2:
            raise typer.BadParameter(f"{crop} is odd; {preset} takes even crops", param_hint="--crop")
        values["crop"] = crop
        values["tiles"]["size"] = base.tiles.size + crop - base.crop
    try:
        return PretrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = "--" + str(first["loc"][-1]).replace("_", "-")
        raise typer.BadParameter(first["msg"], param_hint=name) from error


@contextmanager
def reporter(share: Callable[[], float]) -> Iterator[Report]:
    """Yield what takes the trainer's log lines: a progress bar on a terminal, else a line each.

    Args:
        share: Says how much of the schedule is done, 0 to 1.
    """
    if not sys.stderr.isatty():
        yield lambda line: typer.echo(describe(line), err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task("first steps", total=1.0)
        bar.update(task, completed=share())

        def report(line: dict[str, float]) -> None:
            if "validation_bits_per_dim" in line:
                bar.console.print(describe(line), highlight=False)
            bar.update(task, completed=share(), description=describe(line))

        yield report


def describe(line: dict[str, float]) -> str:
    """Return one of the trainer's log lines for people."""
    kind = "validation_bits_per_dim" if "validation_bits_per_dim" in line else "bits_per_dim"
    name = "validation " if kind.startswith("validation") else ""
    times = f"{duration(line['seconds'])} done, {duration(line['eta'])} to go"
    return f"step {line['step']}  {name}{line[kind]:.4f} bits/dim  {times}"


def duration(seconds: float) -> str:
    """Return a time as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
