"""What the numbers are held against: wishes for a machine with AMX, and bounds that only a mistake breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .processes import COLD, IMPORTS
from .results import Report, Spread, Target
from .shipped import NETWORKS
from .vit import AUTOCAST, LATENCY, NAIVE, THROUGHPUT

FLAT = 1.1  # peak memory of the largest set over that of 100 images
JOBS = "Detector.detect, jobs="


@dataclass(frozen=True)
class _Bound:
    """One number and what it is held to."""

    name: str
    got: float | None
    direction: Literal["at least", "at most"]
    limit: float
    unit: str = "x"

    def target(self) -> Target | None:
        if self.got is None:
            return None
        met = self.got >= self.limit if self.direction == "at least" else self.got <= self.limit
        return Target(
            name=self.name, wanted=f"{self.direction} {self._show(self.limit)}", got=self._show(self.got), met=met
        )

    def _show(self, value: float) -> str:
        if self.unit == "%":
            return f"{100 * value:.0f} %"
        return f"{value:.2f}x" if self.unit == "x" else f"{value:.1f} {self.unit}"


def targets(report: Report) -> list[Target]:
    """Return the acceptance targets of a full run; what was not measured is left out."""
    bounds = [
        _Bound("ViT-Base, one image, against the naive reference", _ratio(report, "vit-base", LATENCY), "at least", 6),
        _Bound(
            "ViT-Base, throughput, against the naive reference", _ratio(report, "vit-base", THROUGHPUT), "at least", 8
        ),
        _Bound(
            "ViT-Base, throughput, against HF bf16 autocast, batch 8",
            _ratio(report, "vit-base", THROUGHPUT, AUTOCAST),
            "at least",
            1.6,
        ),
        _Bound("ViT-Base, share of the peak GEMM", _share(report, "vit-base"), "at least", 0.45, "%"),
        _Bound(
            "ViT-Large, one image, against the naive reference", _ratio(report, "vit-large", LATENCY), "at least", 6
        ),
        _Bound("shipped model from JPEG files, default settings", _rate(report), "at least", 30, "images/s"),
        _Bound("or its share of the networks' own rate", _end_share(report), "at least", 0.6, "%"),
        _Bound("cold start over importing torch and transformers", _cold(report), "at most", 0.5),
        _Bound("plain install", _size(report), "at most", 350, "MB"),
        _Bound("peak memory, most images over 100", _growth(report), "at most", FLAT),
    ]
    return [target for bound in bounds if (target := bound.target()) is not None]


def regressions(report: Report) -> list[Target]:
    """Return the bounds of a quick run, which no machine breaks unless something is wrong.

    They compare the best rounds, not the median ones: on a machine that other programs use as well,
    any round may be disturbed.
    """
    bounds = [
        _Bound(f"{group.name}, {name}, against the naive reference", _best(report, group.name, name), "at least", 0.7)
        for group in report.groups
        if group.baseline == NAIVE
        for name in (LATENCY, THROUGHPUT)
    ]
    cold = _best(report, "cold-start", IMPORTS, COLD)
    bounds += [
        _Bound("cold start over importing torch and transformers", cold, "at most", 1.5),
        _Bound("peak memory, most images over fewest", _growth(report), "at most", 1.5),
    ]
    return [target for bound in bounds if (target := bound.target()) is not None]


def _best(report: Report, group: str, name: str, other: str = NAIVE) -> float | None:
    """Return how many times as fast one contender's best round is as another's."""
    found = report.group(group)
    if found is None:
        return None
    mine, theirs = found.entry(name), found.entry(other)
    return (min(theirs.seconds) / theirs.images) / (min(mine.seconds) / mine.images)


def against(report: Report, group: str, name: str, other: str) -> Spread | None:
    """Return how many times as fast one contender is as another, round by round."""
    from .rounds import spread

    found = report.group(group)
    if found is None:
        return None
    mine, theirs = found.entry(name), found.entry(other)
    pairs = zip(mine.seconds, theirs.seconds, strict=True)
    return spread([(slow / theirs.images) / (fast / mine.images) for fast, slow in pairs])


def _ratio(report: Report, group: str, name: str, other: str = NAIVE) -> float | None:
    ratio = against(report, group, name, other)
    return None if ratio is None else ratio.median


def _share(report: Report, group: str) -> float | None:
    found = report.group(group)
    share = None if found is None else found.entry(THROUGHPUT).share
    return None if share is None else share.median


def _default_jobs(report: Report) -> str:
    return f"{JOBS}{report.machine.cores}"


def _rate(report: Report) -> float | None:
    found = report.group("end-to-end")
    return None if found is None else 1 / found.entry(_default_jobs(report)).seconds_per_image.median


def _end_share(report: Report) -> float | None:
    return _ratio(report, "end-to-end", _default_jobs(report), NETWORKS)


def _cold(report: Report) -> float | None:
    ratio = against(report, "cold-start", IMPORTS, COLD)  # the import's speed over ours: our time over its
    return None if ratio is None else ratio.median


def _size(report: Report) -> float | None:
    return next((size.megabytes for size in report.sizes if size.name == "cinemae"), None)


def _growth(report: Report) -> float | None:
    points = report.memory
    return None if len(points) < 2 else points[-1].peak_mb / points[0].peak_mb
