"""Options that several sub-commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer


class PrecisionName(StrEnum):
    """Types of the MAEs' arithmetic; ``auto`` is the fastest one that the scores bear on this machine."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


class LayoutName(StrEnum):
    """Layouts of labelled sets; ``auto`` is the one that the set's folders and files have."""

    AUTO = "auto"
    GENIMAGE = "genimage"
    FORENSYNTHS = "forensynths"
    CHAMELEON = "chameleon"
    FOLDERS = "folders"
    TABLE = "table"
    WEBDATASET = "webdataset"


class ProtocolName(StrEnum):
    """Alignment protocols; see ``cinemae.alignment.equalise``."""

    RAW = "raw"
    FORMAT = "format"
    HISTORY = "history"


Precision = Annotated[
    PrecisionName,
    typer.Option(help="Arithmetic of the MAEs; auto: f16 or bf16 where the CPU computes in it, else f32."),
]
PrecisionSetting = Annotated[
    PrecisionName | None, typer.Option(help="Arithmetic of the MAEs. Default: that of --config, else auto.")
]
Protocols = Annotated[
    list[ProtocolName] | None,
    typer.Option("--protocol", help="May be repeated; default: all, or those of a configuration."),
]
Model = Annotated[str | None, typer.Option(help="Folder or hub id of another head.")]
Backbone = Annotated[str | None, typer.Option(help="Another MAE for the semantic scale; see `cinemae models`.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Images scored at the same time; default: one a core.")]
Threshold = Annotated[
    float | None, typer.Option(help="Threshold on the probability, 0 to 1, that decides alone: never inconclusive.")
]
Alpha = Annotated[
    float | None,
    typer.Option(
        help="Error rate of the verdicts, 0 to 1: the smaller, the more are inconclusive. Default: the head's, 0.1."
    ),
]
Accurate = Annotated[bool, typer.Option("--accurate", help="Four rounds of masks, not one: slower, less noise.")]
MaskSeed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the masks.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Refuse images of more pixels.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; default: CUDA if it is there, and torch.")]

NoEvidence = Annotated[
    bool, typer.Option("--no-evidence", help="Look at the pixels only, not at what the file says of itself.")
]
EvidenceOnly = Annotated[
    bool, typer.Option("--evidence-only", help="Read what files say of themselves; no model, no pixels.")
]
Personal = Annotated[
    bool, typer.Option("--personal", help="Tell GPS positions, names and serial numbers, not only that they are there.")
]
TrustList = Annotated[
    Path | None, typer.Option(metavar="FILE", help="PEM file of authorities whose C2PA signatures are trusted.")
]

Layout = Annotated[LayoutName, typer.Option(help="How the labelled set is laid out; auto looks at its names.")]
Label = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=ai|real", help="What the set calls a class; given for both. Needed where classes are numbers."
    ),
]


def evidence_choice(no_evidence: bool, evidence_only: bool) -> Literal["on", "off", "only"]:
    """Return what is asked of the evidence.

    Raises:
        typer.BadParameter: If it is both none and only.
    """
    if no_evidence and evidence_only:
        raise typer.BadParameter("give --no-evidence or --evidence-only, not both")
    return "off" if no_evidence else "only" if evidence_only else "on"


def check_decision(threshold: float | None, alpha: float | None) -> None:
    """Check what was asked of the verdicts.

    Raises:
        typer.BadParameter: If there are both, or one does not lie between 0 and 1.
    """
    for name, value in (("--threshold", threshold), ("--alpha", alpha)):
        if value is not None and not 0 < value < 1:
            raise typer.BadParameter(f"{value} does not lie between 0 and 1", param_hint=name)
    if threshold is not None and alpha is not None:
        raise typer.BadParameter("give --threshold or --alpha, not both: a threshold decides alone")
