"""``cinemae export``: the whole scorer as one ONNX or OpenVINO model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cinemae.cli.manners import require_packages


class FormatName(StrEnum):
    """Kinds of models that can be written."""

    ONNX = "onnx"
    OPENVINO = "openvino"


def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the model and its description.")],
    kind: Annotated[FormatName, typer.Option("--format", help="Kind of model.")] = FormatName.ONNX,
    model: Annotated[str | None, typer.Option(help="Folder or hub id of another head.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Where to load the MAE of the semantic scale from. Default: as the head says.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the masks, which become part of the model.")] = 0,
    check: Annotated[
        list[Path] | None,
        typer.Option(metavar="IMAGE", help="Also compare it with cinemae on this image; may be repeated."),
    ] = None,
) -> None:
    """Write the whole scorer as one model: views in, probability and likelihood maps out.

    The file is then run in its own runtime and compared with cinemae; it is kept only if they agree.
    """
    require_packages("export", "torch", "onnx", "onnxscript")
    from cinemae.detector import Detector
    from cinemae.export import ExportError, export_detector
    from cinemae.images import load_image

    pictures = {str(path): load_image(path).pixels for path in check or []}
    detector = Detector.load(model, backbone=backbone, device="cpu", precision="f32", jobs=1)
    try:
        done = export_detector(detector, out, kind.value, seed=seed, pictures=pictures)
    except ExportError as error:
        typer.echo(f"cinemae: {error}", err=True)
        raise typer.Exit(2) from error
    for path in done.files:
        typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    for found in done.comparisons:
        typer.echo(
            f"{found.name}: probability {found.probability:.4f}, differs from cinemae's by"
            f" {found.probability_difference:.1e}, patch NLLs by at most {found.nll_difference:.1e} bits"
        )
