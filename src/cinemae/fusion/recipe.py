"""The training recipe: measure the images, fit the parts that are wanted, and record how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cinemae.datasets import AnyLayout, LabelledImage, manifest_hash, read_images
from cinemae.features.collect import Collected, Job, Variant, collect
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.spec import FeatureSpec
from cinemae.fusion.config import TrainConfig, part_config
from cinemae.fusion.conformal import rank
from cinemae.fusion.division import Rows, rows_of
from cinemae.fusion.fit import FitReport, fit_head
from cinemae.fusion.head import FusionHead
from cinemae.fusion.jobs import choose_photos, training_jobs

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def train_head(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    root: Path | None = None,
    layout: AnyLayout = "auto",
    labels: Mapping[str, str] | None = None,
    photos: list[Path],
    photos_root: Path | None = None,
    cache: Path,
    parts: bool = False,
    jobs: int | None = None,
    progress: Progress = lambda items, total: items,
) -> dict[Path, FitReport]:
    """Measure the training images, fit, and save the head and, with ``parts``, those of its parts alone.

    Args:
        config: Settings; saved in the head's ``training`` record.
        data: Labelled set; its ``train`` split is used.
        out: Folder for the head; those of parts go to ``OUT-PART``.
        root: Root of a manifest's paths.
        layout: Layout of the labelled set (:func:`cinemae.datasets.read_images`).
        labels: What it calls its classes, if not by the usual names.
        photos: Folders or manifests of more real photographs.
        photos_root: Root of their paths.
        cache: Folder of the feature cache.
        parts: Whether to fit each part alone too.
        jobs: Worker processes.
        progress: Wraps the iteration over images.

    Returns:
        A report by folder.

    Raises:
        AlphaError: If there are too few images to calibrate on for the configuration's alpha.
        ManifestError: If the images can't be read, or can't be divided into folds.
    """
    images = read_images(data, root=root, split="train", layout=layout, labels=labels)
    extra = choose_photos(photos, photos_root, config.photos_limit, config.seed)
    check_division(images + extra, config)
    extractor = prepare_extractor(config)
    jobs_to_do = training_jobs(images + extra, config)
    measured = collect(jobs_to_do, extractor, cache, workers=jobs, progress=progress)
    reports = {}
    wanted = ("fused", *config.fit.parts) if parts else ("fused",)
    for part in wanted:
        report = fit_recorded(measured, extractor, config, part, images, extra)
        place = out if part == "fused" else out.with_name(f"{out.name}-{part}")
        report.head.save(place)
        reports[place] = report
    return reports


def fit_recorded(
    measured: Collected,
    extractor: ExtractorConfig,
    config: TrainConfig,
    part: str,
    images: list[LabelledImage],
    photos: list[LabelledImage],
) -> FitReport:
    """Fit as :func:`fit_part` does; the head carries the record of its training, and its licence.

    Args:
        measured: Features of :func:`training_jobs` of all images.
        extractor: What measured them.
        config: Settings.
        part: ``fused``, or a part's name.
        images: The labelled set.
        photos: The extra photographs.
    """
    report = fit_part(measured, extractor, config, part)
    record = {
        "part": part,
        "manifest_hash": manifest_hash(images + photos),
        "images": {
            "ai": sum(image.label for image in images),
            "real": sum(1 - image.label for image in images),
            "photos": len(photos),
        },
        "refused": measured.refused,
        "held_out_auc": round(report.held_out_auc, 4),
        "held_out_loss": round(report.held_out_loss, 4),
        "weights": {name: round(weight, 4) for name, weight in report.weights.items()},
        "config": config.model_dump(mode="json", exclude={"scales"})
        | {"precision": extractor.precision, "device": extractor.device},
    }
    head_config = report.head.config.model_copy(update={"training": record, "licence": config.licence})
    return replace(report, head=FusionHead(head_config, report.head.weights))


def check_division(images: Sequence[LabelledImage], config: TrainConfig) -> None:
    """Find out before hours of measuring whether there are enough images; refused ones may still leave too few.

    Raises:
        AlphaError: If there are too few images to calibrate on for the configuration's alpha.
        ManifestError: If they can't be divided into folds.
    """
    rows_of([Job(image, Variant()) for image in images], config.families, config.fit)
    for name, label in (("AI-generated", 1), ("real", 0)):
        rank(config.fit.alpha, sum(image.label == label for image in images), name)


def fit_part(measured: Collected, extractor: ExtractorConfig, config: TrainConfig, part: str) -> FitReport:
    """Fit the head, or one of its parts alone, on what was measured.

    Args:
        measured: Features of :func:`training_jobs`.
        extractor: What measured them.
        config: Settings.
        part: ``fused``, or a part's name.
    """
    fit = config.fit.model_copy(update={"seed": config.seed})
    return fit_head(
        measured.features,
        weigh_and_divide(measured, config),
        extractor.spec,
        extractor.fingerprints,
        config.backbones,
        part_config(fit, part),
    )


def weigh_and_divide(measured: Collected, config: TrainConfig) -> Rows:
    """Return each row's weight and fold, the same for whatever is fitted on these images."""
    return rows_of(measured.jobs, config.families, config.fit.model_copy(update={"seed": config.seed}))


def prepare_extractor(config: TrainConfig) -> ExtractorConfig:
    """Load the MAEs once in this process to fill in the spec's names, the fingerprints and the precision."""
    from cinemae.loading import build_extractor

    built = build_extractor(
        dict(config.backbones),
        FeatureSpec(scales=config.scales, family=config.family),
        device=config.device,
        precision=config.precision,
    )
    return ExtractorConfig.of(built, config.backbones)
