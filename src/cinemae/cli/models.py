"""``cinemae models``: the known MAE checkpoints and where they are."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the known MAE checkpoints, their licences, and which are on this machine."""
    from cinemae.mae.load import cached
    from cinemae.mae.registry import KNOWN

    if as_json:
        for record in KNOWN:
            line = record.model_dump(mode="json") | {"state": cached(record.name)}
            sys.stdout.write(json.dumps(line) + "\n")
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    # Fits 80 columns: the narrow columns never wrap, the wordy ones wrap between words.
    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True, show_edge=False)
    for heading in ("name", "licence", "predicts", "size", "state"):
        table.add_column(heading, no_wrap=heading in ("name", "licence", "size"))
    for record in KNOWN:
        target = "normed" if record.target == "patch_norm" else "raw"
        table.add_row(
            record.name,
            record.licence,
            f"{target} {record.output}" if record.output else "no decoder",
            f"{record.parameters / 1e6:.3g}M",
            "refused" if record.encoder_only else cached(record.name),
        )
    console = Console()
    console.print(table)
    for note in sorted({record.licence_note for record in KNOWN if record.restricted}):
        console.print(f"CC-BY-NC-4.0: {note}.", highlight=False)
