"""``cinemae audit``: how well a set's labels can be told without looking at what its pictures show."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cinemae.cli.manners import require_packages
from cinemae.cli.options import Label, Layout, LayoutName, ProtocolName, Protocols
from cinemae.cli.progress import progress_bar
from cinemae.cli.reading import reading_aloud, stated_labels

SHOWN = 12
"""Facts of each protocol that the terminal shows; the files have all."""


class SplitName(StrEnum):
    """Parts of a set."""

    TRAIN = "train"
    VAL = "val"
    ALL = "all"


def audit(
    data: Annotated[Path, typer.Argument(help="Folder tree, manifest or tar shards with both classes.")],
    root: Annotated[Path | None, typer.Option(help="What a manifest's relative paths are relative to.")] = None,
    layout: Layout = LayoutName.AUTO,
    label: Label = None,
    split: Annotated[SplitName, typer.Option(help="Which split of the set.")] = SplitName.VAL,
    limit: Annotated[
        int | None, typer.Option(min=2, help="At most this many images of each generator and class, drawn by seed.")
    ] = None,
    protocol: Protocols = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="CSV of a detector's scores: name, score and, if not raw, protocol; or evaluate's file."),
    ] = None,
    head: Annotated[str | None, typer.Option(help="Which head's scores, where evaluate's file has several.")] = None,
    threshold: Annotated[float, typer.Option(help="A score at or above it counts as AI-generated.")] = 0.5,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for audit.json and audit.md.")] = None,
    warn_above: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Warn if the lower end of a ROC-AUC's interval lies above this.")
    ] = 0.6,
    few: Annotated[int, typer.Option(min=2, help="Classes of fewer images are marked, and never warned of.")] = 40,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples of the 95 % intervals.")] = 1000,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one a core.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of alignment, folds and bootstrap.")] = 0,
) -> None:
    """Print how well file facts and content-free statistics tell the labels, and warn where they do."""
    require_packages("train", "sklearn")
    from cinemae.audit import AuditConfig, audit_images, read_scores, to_markdown
    from cinemae.datasets import read_images
    from cinemae.evaluation import sample_images

    config = AuditConfig(limit=warn_above, few=few, resamples=resamples, threshold=threshold, seed=seed)
    part = None if split is SplitName.ALL else split.value
    with reading_aloud():
        images = read_images(data, root=root, split=part, layout=layout.value, labels=stated_labels(label))
    if limit is not None:
        images = sample_images(images, limit, seed)
    rated = None if scores is None else read_scores(scores, head=head)
    with progress_bar("reading") as progress:
        found = audit_images(
            images,
            [p.value for p in protocol or list(ProtocolName)],
            scores=rated,
            config=config,
            jobs=jobs,
            progress=progress,
        )
    typer.echo(to_markdown(found, facts=SHOWN), nl=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "audit.json").write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (out / "audit.md").write_text(to_markdown(found), encoding="utf-8")
