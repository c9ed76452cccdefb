"""The training recipe: which images, which variants, which parts; everything that a head's record needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cinemae.alignment import AugmentConfig, PseudoConfig, WindowConfig, ZoomConfig, fit_sizes, short_sides
from cinemae.datasets import AnyLayout, LabelledImage, manifest_hash, read_images, read_photos
from cinemae.features.collect import Collected, Job, Variant, collect
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.spec import DEFAULT_BACKBONES, FeatureSpec, ScaleSpec, default_scales
from cinemae.fusion.config import FitConfig
from cinemae.fusion.conformal import rank
from cinemae.fusion.division import divide, parts_of
from cinemae.fusion.fit import FitReport, Parts, fit_head, row_weights
from cinemae.fusion.head import FusionHead
from cinemae.likelihood.distributions import Family
from cinemae.mae.select import PrecisionChoice
from cinemae.seeding import rng_for

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


class TrainConfig(BaseModel):
    """Everything that a training run depends on, beside the data.

    Attributes:
        scales: The feature scales.
        family: Distribution under which the NLL is taken.
        backbones: Where each scale's MAE is loaded from.
        augment: The augmentation, the same for both classes.
        window: Which part of a large image is used.
        pseudo: Distribution of a decoder's traces.
        pseudo_fakes: Whether each real image also gives pseudo-fakes.
        zoom: The scales that some photographs are measured at, for the distances that leave them out.
        zoom_photos: Number of these photographs, drawn from the large ones of the training part.
        augmentations: Variants of each image.
        photos_limit: Number of extra photographs.
        fit: The fit.
        precision: Arithmetic of the MAEs.
        device: Where they run.
        licence: Licence of the head.
        seed: Seed of augmentation, choice of photographs, split and fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scales: dict[str, ScaleSpec] = Field(default_factory=default_scales)
    family: Family = "logistic"
    backbones: dict[str, str] = DEFAULT_BACKBONES
    augment: AugmentConfig = AugmentConfig()
    window: WindowConfig = WindowConfig()
    pseudo: PseudoConfig = PseudoConfig()
    pseudo_fakes: bool = True
    zoom: ZoomConfig = ZoomConfig()
    zoom_photos: int = Field(default=150, ge=0)
    augmentations: int = Field(default=1, ge=1)
    photos_limit: int = Field(default=3000, ge=0)
    fit: FitConfig = FitConfig()
    precision: PrecisionChoice = "auto"
    device: str | None = None
    licence: str = "unknown"
    seed: int = 0


def part_config(fit: FitConfig, part: str) -> FitConfig:
    """Return the settings that fit one branch alone, or all of them.

    Raises:
        ValueError: If there is no branch of that name.
    """
    if part == "fused":
        return fit
    if part not in fit.parts:
        raise ValueError(f"no branch named {part}; the configuration has {', '.join(fit.parts)}")
    kept = {
        kind: {name: settings for name, settings in getattr(fit, kind).items() if name == part}
        for kind in ("branches", "distances")
    }
    return fit.model_copy(update=kept)


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
    """Measure the training images, fit, and save the head and, with ``parts``, those of its branches.

    Args:
        config: Settings; saved in the head's ``training`` record.
        data: Labelled set; its ``train`` split is used.
        out: Folder for the head; those of branches go to ``OUT-BRANCH``.
        root: Root of a manifest's paths.
        layout: Layout of the labelled set (:func:`cinemae.datasets.read_images`).
        labels: What it calls its classes, if not by the usual names.
        photos: Folders or manifests of more real photographs.
        photos_root: Root of their paths.
        cache: Folder of the feature cache.
        parts: Whether to fit each branch alone too.
        jobs: Worker processes.
        progress: Wraps the iteration over images.

    Returns:
        A report by folder.

    Raises:
        AlphaError: If there are too few images to calibrate on for the configuration's alpha.
        ManifestError: If the images can't be read, or can't be divided.
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
        part: ``fused``, or a branch's name.
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
            "zoomed": len(measured.zoomed),
        },
        "refused": measured.refused,
        "held_out_auc": round(report.held_out_auc, 4),
        "held_out_loss": round(report.held_out_loss, 4),
        "config": config.model_dump(mode="json", exclude={"scales"})
        | {"precision": extractor.precision, "device": extractor.device},
    }
    head_config = report.head.config.model_copy(update={"training": record, "licence": config.licence})
    return FitReport(FusionHead(head_config, report.head.weights), report.held_out_auc, report.held_out_loss)


def check_division(images: Sequence[LabelledImage], config: TrainConfig) -> None:
    """Find out before hours of measuring whether images can be divided; refused ones may still leave too few.

    Raises:
        AlphaError: If there are too few images to calibrate on for the configuration's alpha.
        ManifestError: If they can't be divided.
    """
    conformal = divide(images, config.fit.model_copy(update={"seed": config.seed})).conformal
    for name, label in (("AI-generated", 1), ("real", 0)):
        rank(config.fit.alpha, sum(image.label == label for image in conformal), name)


def fit_part(measured: Collected, extractor: ExtractorConfig, config: TrainConfig, part: str) -> FitReport:
    """Fit the head, or one of its branches alone, on what was measured.

    Args:
        measured: Features of :func:`training_jobs`.
        extractor: What measured them.
        config: Settings.
        part: ``fused``, or a branch's name.
    """
    weights, parts = weigh_and_split(measured, config)
    fit = config.fit.model_copy(update={"seed": config.seed})
    return fit_head(
        measured.features,
        measured.labels,
        weights,
        parts,
        extractor.spec,
        extractor.fingerprints,
        config.backbones,
        part_config(fit, part),
        pseudo=measured.pseudo,
        zoomed=measured.zoomed,
    )


def weigh_and_split(measured: Collected, config: TrainConfig) -> tuple[NDArray[np.float64], Parts]:
    """Return each row's weight and what it is for, the same for whatever is fitted on these images."""
    fit = config.fit.model_copy(update={"seed": config.seed})
    sources = np.array([job.image.source for job in measured.jobs])
    plain = np.array([job.variant.protocol != "zoom" for job in measured.jobs], dtype=np.bool_)
    weights = np.zeros(len(plain))
    weights[plain] = row_weights(measured.labels[plain], sources[plain], measured.pseudo[plain], fit)
    return weights, parts_of(measured.jobs, fit)


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


def training_jobs(images: list[LabelledImage], config: TrainConfig) -> list[Job]:
    """Return the jobs of a training set.

    Each image gives its augmentations; each real one also gives pseudo-fakes, the same
    augmentations of the image with a decoder's traces. Sizes are equalised over the whole set if
    the augmentation asks for it. At the end stand the zoomed photographs, if a distance wants them.
    """
    equalisers = {}
    if config.augment.equalise:
        readable, sides = short_sides(images)
        equalisers = dict(fit_sizes(readable, sides, pooled=True))
    jobs = []
    for image in images:
        for protocol, wanted in (("augment", True), ("pseudo", config.pseudo_fakes and image.label == 0)):
            for number in range(config.augmentations if wanted else 0):
                variant = Variant.model_validate(
                    {
                        "protocol": protocol,
                        "number": number,
                        "seed": config.seed,
                        "window": config.window,
                        "augment": config.augment,
                        "pseudo": config.pseudo,
                    }
                )
                jobs.append(Job(image, variant, equalisers.get(image.generator)))
    return jobs + zoom_jobs(images, config)


def zoom_jobs(images: list[LabelledImage], config: TrainConfig) -> list[Job]:
    """Return the jobs that measure large real images of the training part at several scales."""
    if not any(distance.zoom_axes for distance in config.fit.distances.values()):
        return []
    training = divide(images, config.fit.model_copy(update={"seed": config.seed})).training
    readable, sides = short_sides([image for image in training if image.label == 0])
    large = [image for image, side in zip(readable, sides, strict=True) if side >= config.zoom.smallest]
    variants = [
        Variant(protocol="zoom", number=number, seed=config.seed, zoom=config.zoom)
        for number in range(len(config.zoom.factors))
    ]
    return [
        Job(image, variant) for image in draw_photos(large, config.zoom_photos, config.seed) for variant in variants
    ]


def choose_photos(where: list[Path], root: Path | None, limit: int, seed: int) -> list[LabelledImage]:
    """Read photographs and draw some; see :func:`draw_photos`."""
    return draw_photos([photo for place in where for photo in read_photos(place, root)], limit, seed)


def draw_photos(photos: list[LabelledImage], limit: int, seed: int) -> list[LabelledImage]:
    """Draw photographs by n ** -0.75 times their short side, n being their source's number of images.

    Variety before numbers; and large photographs before small ones, since a camera's original is what
    a head that has only seen the web's small images takes for a fake. An unreadable one counts as if
    it were a pixel wide; if it is drawn all the same, it is refused by name when it is measured.
    """
    if len(photos) <= limit:
        return photos
    readable, known = short_sides(photos)
    side_of = dict(zip(readable, known, strict=True))
    sizes = Counter(photo.source for photo in photos)
    weight = np.array([sizes[photo.source] ** -0.75 * side_of.get(photo, 1) for photo in photos])
    order = rng_for(seed, "photos").choice(len(photos), limit, replace=False, p=weight / weight.sum())
    return [photos[number] for number in sorted(order)]
