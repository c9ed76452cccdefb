"""Interleaved rounds: every contender of a group once a round, ratios within the round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .results import Entry, Group, Spread

PEAK = "peak GEMM"


@dataclass(frozen=True)
class Contender:
    """One thing to measure.

    Attributes:
        name: Unique in its group.
        run: One call.
        images: Images that a call scores.
        flops: Useful floating-point operations an image; None where nobody counts them. For
            :data:`PEAK`, those of a call.
        tells: Whether the call returns its seconds, taken closer to what is meant.
    """

    name: str
    run: Callable[[], object]
    images: int = 1
    flops: float | None = None
    tells: bool = False


def measure(
    name: str,
    title: str,
    contenders: Sequence[Contender],
    *,
    baseline: str,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Group:
    """Call the contenders in turn for ``rounds`` rounds, after one that is thrown away.

    Args:
        name: Short name of the group.
        title: What it compares.
        contenders: In the order in which they are called.
        baseline: Name of the contender that ratios refer to.
        rounds: Rounds that count.
        clock: Seconds; another one for tests.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            start = clock()
            told = contender.run()
            taken = float(told) if contender.tells else clock() - start  # type: ignore[arg-type]
            if number:
                seconds[contender.name].append(taken)
    return summarise(name, title, contenders, seconds, baseline)


def summarise(
    name: str, title: str, contenders: Sequence[Contender], seconds: dict[str, list[float]], baseline: str
) -> Group:
    """Turn each round's seconds a call into ratios and their spread."""
    images = {contender.name: contender.images for contender in contenders}
    base = [value / images[baseline] for value in seconds[baseline]]
    peaks = [contender for contender in contenders if contender.name == PEAK]
    entries = []
    for contender in contenders:
        each = [value / contender.images for value in seconds[contender.name]]
        share = None
        if peaks and contender.flops is not None:
            limit = peaks[0].flops
            assert limit is not None
            pairs = zip(each, seconds[PEAK], strict=True)
            share = spread([(contender.flops / mine) / (limit / best) for mine, best in pairs])
        entry = Entry(
            name=contender.name,
            images=contender.images,
            flops=contender.flops,
            seconds=seconds[contender.name],
            seconds_per_image=spread(each),
            ratio=spread([reference / mine for reference, mine in zip(base, each, strict=True)]),
            share=share,
        )
        entries.append(entry)
    return Group(name=name, title=title, baseline=baseline, entries=entries)


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles (linear between order statistics) of one or more values."""
    if len(values) == 1:
        return Spread(median=values[0], low=values[0], high=values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median=middle, low=low, high=high)
