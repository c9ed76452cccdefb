"""``cinemae report``: one page that says how good a detector is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cinemae.cli.manners import given_command, require_packages
from cinemae.cli.options import Device, Label, Layout, LayoutName, ProtocolName
from cinemae.cli.progress import progress_bar
from cinemae.cli.reading import reading_aloud, stated_labels

TITLE = "How well the detector tells AI-generated images"


def report(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="What `cinemae evaluate --out` wrote.")],
    audit: Annotated[
        Path | None, typer.Option(help="The audit.json that `cinemae audit --out` wrote of the same set.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The evaluated set, to show the most wrong images and their maps.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    layout: Layout = LayoutName.AUTO,
    label: Label = None,
    worst: Annotated[int, typer.Option(min=0, help="How many of the most wrong images of each class.")] = 12,
    worst_protocol: Annotated[
        ProtocolName | None, typer.Option(help="Whose scores say what is most wrong; default: the first one.")
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = TITLE,
    out: Annotated[
        Path | None, typer.Option("--out", help="The page; default: report.html in FOLDER. Beside it: .json, .md.")
    ] = None,
    device: Device = None,
) -> None:
    """Write one self-contained HTML page of an evaluation, with the same as JSON and Markdown."""
    require_packages("report", "jinja2", "matplotlib")
    command = given_command(context)
    from cinemae.datasets import read_images
    from cinemae.report import build_report, read_inputs, to_html, to_markdown

    page = out or folder / "report.html"
    inputs = read_inputs(folder, audit)
    images = None
    if data is not None:
        with reading_aloud():
            images = read_images(data, root=root, split="val", layout=layout.value, labels=stated_labels(label))
    with progress_bar("drawing") as progress:
        made = build_report(
            inputs,
            title=title,
            worst=worst,
            worst_protocol=None if worst_protocol is None else worst_protocol.value,
            images=images,
            device=device,
            command=command,
            progress=progress,
        )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(to_html(made), encoding="utf-8")
    page.with_suffix(".json").write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    page.with_suffix(".md").write_text(to_markdown(made), encoding="utf-8")
    typer.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB")
