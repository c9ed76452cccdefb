"""A detector's figures on parts of a set: by format, size, JPEG quality, source and kind of the files themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from cinemae.alignment import Protocol
from cinemae.audit.areas import Resampling, draw_areas, share
from cinemae.audit.facts import Value
from cinemae.audit.schema import AuditConfig, Slice
from cinemae.datasets import LabelledImage

SIZES = (128, 256, 512, 1024)
"""Bounds of the size buckets, short sides in pixels; a bound belongs to the bucket that it opens."""
QUALITIES = (50, 75, 85, 90, 95)
"""Bounds of the buckets of JPEG quality."""

_Name = Callable[[LabelledImage, Mapping[str, Value]], str]


def bucket(value: float, bounds: Sequence[int], last: str = "and more") -> str:
    """Name the bucket of a number: "under 128", "128 to 255", "1024 and more"; "none" for not a number."""
    if math.isnan(value):
        return "none"
    if value < bounds[0]:
        return f"under {bounds[0]}"
    for low, high in pairwise(bounds):
        if value < high:
            return f"{low} to {high - 1}"
    return f"{bounds[-1]} {last}"


def _short_side(image: LabelledImage, file: Mapping[str, Value]) -> str:
    return bucket(min(float(file["width"]), float(file["height"])), SIZES)


def _quality(image: LabelledImage, file: Mapping[str, Value]) -> str:
    return bucket(float(file["jpeg_quality"]), QUALITIES, "to 100")


DIVISIONS: Mapping[str, _Name] = {
    "format": lambda image, file: str(file["format"]),
    "short side": _short_side,
    "JPEG quality": _quality,
    "kind": lambda image, file: image.kind or "not stated",
    "source": lambda image, file: image.source,
}
"""What a set is divided by: the part of an image, from its row and the facts of its file."""


def slice_scores(
    protocol: Protocol,
    images: Sequence[LabelledImage],
    files: Sequence[Mapping[str, Value]],
    scores: Sequence[float],
    config: AuditConfig,
) -> Iterator[Slice]:
    """Yield the figures of every part of every division, parts in the order of their names.

    Args:
        protocol: Protocol of the scores.
        images: The images.
        files: The facts of each one's own file.
        scores: Score of each, not a number for one that is left out.
        config: Settings.
    """
    values = np.array(scores, dtype=np.float64)
    known = ~np.isnan(values)
    labels = np.array([image.label == 1 for image in images], dtype=np.bool_)
    sources = np.array([image.source for image in images], dtype=str)
    resampling = Resampling(config.resamples, config.min_sources, config.seed)
    for by, name in DIVISIONS.items():
        parts = np.array([name(image, file) for image, file in zip(images, files, strict=True)], dtype=str)
        for part in sorted(set(parts[known].tolist()), key=_place):
            mine = known & (parts == part)
            ai, real = mine & labels, mine & ~labels
            right = (values >= config.threshold) == labels
            key = f"{by}/{part}"
            area = None
            if ai.any() and real.any():
                drawn = draw_areas({key: values[mine]}, labels[mine], sources[mine], key, resampling)
                area = drawn.figure(key)
            counts = int(ai.sum()), int(real.sum())
            yield Slice(
                protocol=protocol,
                by=by,
                value=part,
                n_ai=counts[0],
                n_real=counts[1],
                few=any(0 < count < config.few for count in counts),
                area=area,
                accuracy=float(right[mine].mean()),
                accuracy_ai=share(right[ai], sources[ai], f"{key}/ai", resampling) if ai.any() else None,
                accuracy_real=share(right[real], sources[real], f"{key}/real", resampling) if real.any() else None,
            )


def _place(part: str) -> tuple[int, int, str]:
    """Sort buckets by their bound, the one below them first, everything else by name."""
    first = part.split()[0] if part else ""
    if part.startswith("under "):
        return 0, 0, part
    return (1, int(first), part) if first.isdecimal() else (2, 0, part)
