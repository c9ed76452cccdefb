"""An audit from a labelled set to its findings."""

from __future__ import annotations

from collections.abc import Sequence

import cinemae
from cinemae.alignment import Protocol, fit_sizes, short_sides
from cinemae.audit.compare import audit_protocol
from cinemae.audit.measure import Progress, measure_set
from cinemae.audit.schema import Audit, AuditConfig, ProtocolAudit, Slice
from cinemae.audit.scores import Scores
from cinemae.audit.slices import slice_scores
from cinemae.datasets import LabelledImage, ManifestError, manifest_hash


def audit_images(
    images: Sequence[LabelledImage],
    protocols: Sequence[Protocol] = ("raw",),
    *,
    scores: Scores | None = None,
    config: AuditConfig | None = None,
    jobs: int | None = None,
    progress: Progress = lambda items, total: items,
) -> Audit:
    """Find out how well the labels of a set can be told without looking at what its pictures show.

    Args:
        images: Labelled images; each generator is compared with its own real images.
        protocols: Alignment protocols.
        scores: A detector's scores, to be shown beside the facts and sliced.
        config: Settings; None for the defaults.
        jobs: Worker processes; None takes one a core.
        progress: Wraps the iteration over images.

    Raises:
        ManifestError: If no image can be read, scores are of other images, or a comparison lacks a
            class and can't be aligned.
    """
    config, scores = config or AuditConfig(), scores or Scores()
    protocols = list(dict.fromkeys(protocols))
    equalisers = fit_sizes(*short_sides(images)) if set(protocols) - {"raw"} else {}
    measured = measure_set(images, protocols, equalisers, seed=config.seed, jobs=jobs, progress=progress)
    if not measured.images:
        raise ManifestError(f"none of {len(images)} images can be read: {measured.refused[0].name}")
    audits: list[ProtocolAudit] = []
    slices: list[Slice] = []
    unscored: dict[Protocol, int] = {}
    for protocol in protocols:
        rated = scores.of(measured.images, protocol)
        audits.append(audit_protocol(protocol, measured.images, measured.values[protocol], rated, config))
        if rated is not None:
            slices += slice_scores(protocol, measured.images, measured.files, rated, config)
            unscored[protocol] = sum(score != score for score in rated)
    return Audit(
        version=cinemae.__version__,
        manifest_hash=manifest_hash(images),
        config=config,
        images=len(measured.images),
        refused=tuple(measured.refused),
        protocols=tuple(audits),
        slices=tuple(slices),
        unscored=unscored,
    )
