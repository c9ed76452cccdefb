"""``cinemae compare``: methods trained on the same images and measured alike, from one configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinemae.cli.manners import require_packages
from cinemae.cli.options import Device, PrecisionSetting, Protocols
from cinemae.cli.progress import progress_bar

if TYPE_CHECKING:
    from cinemae.compare.config import CompareConfig


def compare(
    config: Annotated[
        Path,
        typer.Argument(
            help="YAML or JSON file, a shipped one (bench.yaml), or the run.json of a comparison to repeat."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for all results; what it holds already is not run again.")
    ] = None,
    train: Annotated[Path | None, typer.Option(help="Labelled set to train on.")] = None,
    train_root: Annotated[Path | None, typer.Option(help="Root of its paths, if it is a manifest.")] = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="More real photographs to train on; may be repeated.")
    ] = None,
    photos_root: Annotated[Path | None, typer.Option(help="Root of their paths, if they are manifests.")] = None,
    test: Annotated[Path | None, typer.Option(help="Labelled set to measure on.")] = None,
    test_root: Annotated[Path | None, typer.Option(help="Root of its paths, if it is a manifest.")] = None,
    train_limit: Annotated[
        int | None, typer.Option(min=1, help="Train on at most this many images of each generator and class.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Measure on at most this many images of each generator and class.")
    ] = None,
    protocol: Protocols = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Only this method, as --dry-run names it; may be repeated.")
    ] = None,
    resamples: Annotated[int | None, typer.Option(min=0, help="Bootstrap resamples of the 95 % intervals.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path(".cinemae-cache"),
    precision: PrecisionSetting = None,
    device: Device = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the methods, look whether the data are there, and do nothing.")
    ] = False,
) -> None:
    """Train and measure heads, their ablations, saved heads and baselines side by side.

    Options replace what the configuration says. The figures come with paired differences from the first method.
    Exit status: 0 all methods were finished, 1 some failed and are named with the reason, 2 usage, or all failed.
    """
    require_packages("train", "torch", "sklearn")
    from cinemae.compare.errors import CompareError
    from cinemae.compare.reading import load_config

    overrides = {
        "data.train.path": _text(train),
        "data.train.root": _text(train_root),
        "data.train.limit": train_limit,
        "data.photos": [{"path": str(place), "root": _text(photos_root)} for place in photos] if photos else None,
        "data.test.path": _text(test),
        "data.test.root": _text(test_root),
        "data.test.limit": limit,
        "protocols": [name.value for name in protocol] if protocol else None,
        "only": method or None,
        "resamples": resamples,
        "precision": None if precision is None else precision.value,
        "device": device,
    }
    if photos_root is not None and not photos:
        raise typer.BadParameter("is the root of --photos, and there are none", param_hint="--photos-root")
    try:
        settings = load_config(config, {path: value for path, value in overrides.items() if value is not None})
    except CompareError as error:
        raise typer.BadParameter(str(error), param_hint="CONFIG") from error
    if dry_run:
        _show(settings)
        from cinemae.compare.sets import missing_places

        for missing in (found := missing_places(settings)):
            typer.echo(f"cinemae: {missing}", err=True)
        raise typer.Exit(2 if found else 0)
    if out is None:
        raise typer.BadParameter("is needed, unless --dry-run is given", param_hint="--out")
    from cinemae.compare.run import MARKDOWN_FILE, Workshop, run_comparison

    with progress_bar("measuring") as progress:
        workshop = Workshop(cache, jobs, progress, lambda line: typer.echo(line, err=True))
        comparison = run_comparison(settings, out, workshop)
    typer.echo(comparison.to_markdown())
    for name, result in comparison.methods.items():
        for line in result.refused:
            typer.echo(f"{name}: refused: {line}", err=True)
    for name, reason in comparison.failed.items():
        typer.echo(f"{name}: failed: {reason}", err=True)
    typer.echo(f"all of it: {out / MARKDOWN_FILE}", err=True)
    if comparison.failed:
        raise typer.Exit(1)


def _show(config: CompareConfig) -> None:
    from cinemae.compare.config import HeadMethod
    from cinemae.compare.settings import changed

    for name, method in config.expanded.items():
        if isinstance(method, HeadMethod):
            details: dict[str, Any] = {"part": method.part}
            details |= changed(config.training(name, method), config.shared_training)
        else:
            details = method.model_dump(mode="json", exclude={"kind"})
        typer.echo(f"{name}: {method.kind}" + "".join(f" {key}={_value(value)}" for key, value in details.items()))


def _value(value: Any) -> str:
    from cinemae.compare.settings import short_text

    return short_text(value)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
