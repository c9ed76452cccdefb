"""Options that several sub-commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class PrecisionName(StrEnum):
    """Types of the MAEs' arithmetic; ``auto`` is the fastest one that the scores bear on this machine."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


Precision = Annotated[
    PrecisionName,
    typer.Option(help="Arithmetic of the MAEs; auto: f16 or bf16 where the CPU computes in it, else f32."),
]
PrecisionSetting = Annotated[
    PrecisionName | None, typer.Option(help="Arithmetic of the MAEs. Default: that of --config, else auto.")
]
Model = Annotated[str | None, typer.Option(help="Folder or hub id of another head.")]
Backbone = Annotated[str | None, typer.Option(help="Another MAE for the semantic scale; see `cinemae models`.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Images scored at the same time; default: one a core.")]
Threshold = Annotated[
    float | None, typer.Option(help="Decision threshold, 0 to 1; replaces the head's and its abstention band.")
]
Accurate = Annotated[bool, typer.Option("--accurate", help="Four rounds of masks, not one: slower, less noise.")]
MaskSeed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the masks.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Refuse images of more pixels.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; default: CUDA if it is there, and torch.")]


def check_threshold(threshold: float | None) -> None:
    """Check a threshold that was given.

    Raises:
        typer.BadParameter: If it does not lie between 0 and 1.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise typer.BadParameter(f"{threshold} does not lie between 0 and 1", param_hint="--threshold")
