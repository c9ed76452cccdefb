"""Facts and statistics of a labelled set, in worker processes: each file is read and decoded once for all protocols."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Any

from pydantic import BaseModel, ConfigDict

from cinemae.alignment import Protocol, SizeEqualiser
from cinemae.alignment.sizes import max_side
from cinemae.audit.aligned import aligned_file
from cinemae.audit.facts import FILE_FACTS, Value, read_facts
from cinemae.audit.statistics import STATISTICS, measure
from cinemae.datasets import LabelledImage
from cinemae.images import ImageError, ImageLimits, load_image
from cinemae.mae.runtime import cores

FACTS = (*FILE_FACTS, *STATISTICS)
"""All facts and statistics, in the order of the tables."""

Progress = Callable[[Iterable[Any], int], Iterable[Any]]

_AHEAD = 8  # images in work for each process
# An aligned picture is as small as the smallest file whose header could be read.
_ANY_SIZE = ImageLimits(min_side=2)


class Refusal(BaseModel):
    """An image that could not be audited.

    Attributes:
        name: As the set writes it.
        generator: The comparison that it belongs to.
        label: 1 = AI-generated, 0 = real.
        reason: What is wrong with it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    generator: str
    label: int
    reason: str


@dataclass(frozen=True)
class Task:
    """One image and what is asked of it; ``equaliser`` is needed for aligned protocols only."""

    image: LabelledImage
    protocols: tuple[Protocol, ...]
    equaliser: SizeEqualiser | None
    seed: int


@dataclass(frozen=True)
class Measured:
    """What was measured of a set.

    Attributes:
        images: The images that could be read.
        files: The facts of each one's own file.
        values: By protocol, facts and statistics of each image under it, a value for every one of ``FACTS``.
        refused: The others.
    """

    images: list[LabelledImage]
    files: list[dict[str, Value]]
    values: dict[Protocol, list[dict[str, Value]]]
    refused: list[Refusal]


def measure_set(
    images: Sequence[LabelledImage],
    protocols: Sequence[Protocol],
    equalisers: Mapping[str, SizeEqualiser],
    *,
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress = lambda items, total: items,
) -> Measured:
    """Measure all images under all protocols.

    Args:
        images: Labelled images.
        protocols: Alignment protocols.
        equalisers: By generator, for the aligned protocols (:func:`cinemae.alignment.fit_sizes`).
        seed: Seed of the alignment.
        jobs: Worker processes; None takes one a core, 1 works in this process.
        progress: Wraps the iteration over images.
    """
    found = Measured([], [], {protocol: [] for protocol in protocols}, [])
    tasks = [Task(image, tuple(protocols), equalisers.get(image.generator), seed) for image in images]
    for task, result in zip(tasks, progress(_results(tasks, jobs or cores()), len(tasks)), strict=True):
        image = task.image
        if isinstance(result, str):
            found.refused.append(
                Refusal(name=image.key, generator=image.generator, label=image.label, reason=result),
            )
            continue
        own, by_protocol = result
        found.images.append(image)
        found.files.append(own)
        for protocol, values in by_protocol.items():
            found.values[protocol].append(values)
    return found


Result = tuple[dict[str, Value], dict[Protocol, dict[str, Value]]]


def measure_one(task: Task) -> Result | str:
    """Return the facts of the file itself and, by protocol, facts and statistics; or the reason of a refusal."""
    image = task.image
    try:
        data = image.read()
        own = read_facts(data, image.key)
        pixels = load_image(data, name=image.key).pixels
    except ImageError as error:
        return error.reason
    except OSError as error:
        return error.strerror or str(error)
    sha256 = hashlib.sha256(data).hexdigest()
    short = int(min(float(own["width"]), float(own["height"])))
    found: dict[Protocol, dict[str, Value]] = {}
    for protocol in task.protocols:
        if protocol == "raw":
            found[protocol] = {**own, **measure(pixels)}
            continue
        if task.equaliser is None:
            raise ValueError(f"{image.key}: the sizes of {image.generator!r} are not known, so nothing can be aligned")
        side = max_side(short, image.label, sha256, task.equaliser, task.seed)
        file = aligned_file(pixels, protocol, sha256, side, task.seed)
        found[protocol] = {**read_facts(file, image.key), **measure(load_image(file, limits=_ANY_SIZE).pixels)}
    return own, found


def _results(tasks: Sequence[Task], jobs: int) -> Iterator[Result | str]:
    """Yield the results in order; only a few images are in work at any time."""
    if jobs == 1:
        yield from map(measure_one, tasks)
        return
    rest = iter(tasks)
    # Spawned, not forked: a fork of a process with thread pools can hang in them.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"))
    try:
        waiting: deque[Future[Result | str]] = deque(
            pool.submit(measure_one, task) for task in islice(rest, _AHEAD * jobs)
        )
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(measure_one, task) for task in islice(rest, 1))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
