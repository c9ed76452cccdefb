"""``cinemae data``: what is in a labelled set, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinemae.cli.options import Label, Layout, LayoutName
from cinemae.cli.progress import progress_bar
from cinemae.cli.reading import reading_aloud, stated_labels

SHOWN = 12
"""Findings of each kind that the terminal shows; the JSON file has all."""

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _data() -> None:
    """Look after labelled sets."""


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="Folder tree, manifest or tar shards with both classes.")],
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    layout: Layout = LayoutName.AUTO,
    label: Label = None,
    distance: Annotated[
        int, typer.Option(min=0, max=15, help="Pictures are alike if so many of their hashes' 64 bits differ.")
    ] = 4,
    exclude_sources: Annotated[
        bool, typer.Option("--exclude-sources", help="Also exclude images of train whose source has images in val.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="File for everything that was found.")] = None,
    manifest: Annotated[
        Path | None, typer.Option("--write-manifest", help="TSV file of the images that would not be excluded.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one a core.")] = None,
) -> None:
    """Decode every image, and find copies, pictures that are alike, and sources in both splits.

    Nothing is changed: it says what it would exclude, and why. Exit status: 0 nothing, 1 something was found, 2 usage.
    """
    from cinemae.datasets import list_set
    from cinemae.datasets.check import check_set, to_markdown, write_manifest

    try:
        with reading_aloud():
            listing = list_set(data, root=root, layout=layout.value, labels=stated_labels(label))
    except ImportError as error:  # only a Parquet table needs pyarrow
        typer.echo(f"cinemae: {error}", err=True)
        raise typer.Exit(2) from error
    with progress_bar("decoding") as progress:
        report = check_set(listing, distance=distance, exclude_sources=exclude_sources, jobs=jobs, progress=progress)
    typer.echo(to_markdown(report, most=SHOWN), nl=False)
    if json is not None:
        json.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if manifest is not None:
        count = write_manifest(manifest, listing, report)
        typer.echo(f"{manifest}: {count} images; read it with --root {listing.root}", err=True)
    if not report.is_clean:
        raise typer.Exit(1)
