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
Device = Annotated[str | None, typer.Option(help="cpu or cuda; default: CUDA if it is there, and torch.")]
