"""Scoring parts: what every engine does with each, whatever process or machine it does it on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from pydantic import BaseModel, ConfigDict, Field

from cinemae.scan.child import WORKER
from cinemae.scan.config import ScanConfig, ScanOptions
from cinemae.scan.folder import ScanFolder
from cinemae.scan.isolate import IsolatedScorer
from cinemae.scan.items import Item
from cinemae.scan.messages import Setup
from cinemae.scan.plan import read_planned
from cinemae.scan.rows import PartReport, Row, copy_of, encode_rows

Place = tuple[int, int]  # part, position in it


class Job(BaseModel):
    """All that an engine needs to score parts, anywhere; travels as JSON.

    Attributes:
        config: The scan.
        source: The source with what is needed to reach it, secrets too; shown nowhere.
        out: The output folder, likewise.
        jobs: Images that a worker scores at the same time, each on one core; None takes all cores.
        timeout: Seconds that reading one input may take, and again that decoding and scoring it may.
        command: The worker's program.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: ScanConfig
    source: str = Field(repr=False)
    out: str = Field(repr=False)
    jobs: int | None = Field(default=None, ge=1)
    timeout: float = Field(default=60.0, gt=0)
    command: tuple[str, ...] = WORKER

    def folder(self) -> ScanFolder:
        """Open the output folder."""
        return ScanFolder(self.out)

    def scorer(self) -> IsolatedScorer:
        """Return a scorer; its process starts when it is first needed."""
        return IsolatedScorer(
            make_setup(self.config.options, self.source, self.jobs, self.timeout), command=self.command
        )


def make_setup(options: ScanOptions, source: str, jobs: int | None, timeout: float) -> Setup:
    """Return what a worker of a scan is told first; it computes on as many cores as it has jobs."""
    return Setup(
        settings=options.settings.model_copy(update={"jobs": jobs, "threads": jobs}),
        source=source,
        seed=options.seed,
        maps=options.maps,
        timeout=timeout,
    )


def score_part(scorer: IsolatedScorer, job: Job, number: int) -> PartReport:
    """Score one part, unless it is finished; returns its report.

    Args:
        scorer: What :meth:`Job.scorer` returned; kept from part to part.
        job: The scan.
        number: The part.

    Raises:
        ScanError: If the worker can't be started, or scores otherwise than the scan.
        OSError: If the folder can't be read or written.
    """
    (report,) = score_parts(scorer, job, [number])
    return report


def score_parts(
    scorer: IsolatedScorer,
    job: Job,
    numbers: Iterable[int],
    *,
    watch: Callable[[int], None] = lambda count: None,
) -> Iterator[PartReport]:
    """Score parts, one after the other; yields each one's report once its file is there.

    The scorer is given the first inputs of the next part while the last ones of this part are still being
    scored, so that the end of a part costs no time. In memory are the rows of the parts that are open.

    Args:
        scorer: What :meth:`Job.scorer` returned.
        job: The scan.
        numbers: The parts. A finished one is not scored again.
        watch: Told how many rows have come.

    Raises:
        ScanError: If the worker can't be started, or scores otherwise than the scan.
        OSError: If the folder can't be read or written.
    """
    job.config.check(scorer.facts())
    folder = job.folder()
    parts: dict[int, _Part] = {}
    there: deque[PartReport] = deque()

    def inputs() -> Iterator[tuple[Place, Item]]:
        for number in numbers:
            if report := folder.report(number):
                there.append(report)
                continue
            part = parts[number] = _Part(folder, number)
            yield from part.inputs()

    for (number, position), row in scorer.score(inputs()):
        watch(parts[number].take(position, row))
        if parts[number].missing == 0:
            yield parts.pop(number).write(folder, maps=job.config.options.maps)
        while there:
            yield there.popleft()
    yield from there


class _Part:
    """A part that is being scored."""

    def __init__(self, folder: ScanFolder, number: int) -> None:
        self._number, self._begun = number, time.time()
        self._planned = read_planned(folder, number)
        self._rows: list[Row | None] = [None] * len(self._planned)
        self.missing = len(self._planned)
        first: dict[str, int] = {}
        self._copies: dict[int, list[int]] = {}  # of each input that is scored, those with the same bytes
        for position, planned in enumerate(self._planned):
            scored = position if planned.sha256 is None else first.setdefault(planned.sha256, position)
            self._copies.setdefault(scored, [])
            if scored != position:
                self._copies[scored].append(position)

    def inputs(self) -> Iterator[tuple[Place, Item]]:
        """Yield what has to be scored."""
        for position in self._copies:
            yield (self._number, position), self._planned[position].item

    def take(self, position: int, row: Row) -> int:
        """Take a row, and make those of its copies; returns how many that are."""
        copies = self._copies[position]
        self._rows[position] = row
        for copy in copies:
            self._rows[copy] = copy_of(row, self._planned[copy].item.id)
        self.missing -= 1 + len(copies)
        return 1 + len(copies)

    def write(self, folder: ScanFolder, *, maps: bool) -> PartReport:
        """Write the rows, in the plan's order."""
        rows = [row for row in self._rows if row is not None]
        for row, planned in zip(rows, self._planned, strict=True):
            row["duplicate_of"] = planned.duplicate_of
        report = PartReport(
            number=self._number,
            items=len(rows),
            refused=sum(row["error_type"] is not None for row in rows),
            copies=sum(len(copies) for copies in self._copies.values()),
            retried=sum(row["attempts"] > 1 for row in rows),
            seconds=sum(row["seconds"] for row in rows),
            begun=self._begun,
            ended=time.time(),
        )
        folder.write_part(self._number, encode_rows(rows, report, maps=maps))
        return report
