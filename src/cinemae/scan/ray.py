"""The Ray engine: Ray Data spreads the parts over a cluster's actors, and replaces what is lost.

Ray schedules, restarts and retries; what is done with a part is what the local engine does. Each actor owns
one worker process, so that a file that crashes the decoder costs no actor.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SecretStr

from cinemae.scan.child import WORKER
from cinemae.scan.cluster import Size, connected, size_of
from cinemae.scan.config import ScanError
from cinemae.scan.parts import Job, score_parts
from cinemae.scan.rows import PartReport
from cinemae.scan.storage.uris import is_uri, local_place

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import Dataset

SHARES = 200  # of the parts, an actor: at the end of a scan the last one is waited for
MOST_BLOCKS = 10_000  # tasks that the driver keeps in its books, at some 50 kB each


class Answer(BaseModel):
    """What an actor says of a block of parts; travels as JSON.

    Attributes:
        reports: Of the block's parts, by number.
        error: Why the scan can't go on.
        storage: Whether that was the storage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reports: tuple[PartReport, ...] = ()
    error: str | None = None
    storage: bool = False


class PartScorer:
    """What runs in an actor: scores a block of parts with a worker process of its own."""

    def __init__(self, job: SecretStr) -> None:
        """Prepare; the model is loaded with the first block.

        Args:
            job: The :class:`Job` as JSON, in a wrapping that no log prints.
        """
        self._job = Job.model_validate_json(job.get_secret_value())
        self._scorer = self._job.scorer()

    def __call__(self, block: dict[str, Any]) -> dict[str, list[str]]:
        """Score a block's parts, and return the one :class:`Answer`."""
        return {"answer": [self.answer(block["parts"][0].tolist()).model_dump_json()]}

    def answer(self, numbers: list[int]) -> Answer:
        """Score parts.

        An error of the scan is an answer, too: as an exception Ray would print it with its own frames, or
        try again. The reports are sorted, so that a block that is done once more has the same answer.
        """
        try:
            reports = sorted(score_parts(self._scorer, self._job, numbers), key=lambda report: report.number)
        except (ScanError, OSError) as error:
            return Answer(error=f"{_here()}: {error}", storage=isinstance(error, OSError))
        return Answer(reports=tuple(reports))


def run_ray(
    job: Job, numbers: Iterable[int], *, workers: int | None, address: str | None, watch: Callable[[int], None]
) -> Iterator[PartReport]:
    """Score parts on a Ray cluster; yields the reports as blocks of parts are finished.

    Args:
        job: The scan; its ``jobs`` are the cores of an actor, None takes up to 8 of the smallest node's.
        numbers: The parts to score.
        workers: Most actors; None: as many as the cluster has room for, also when it grows.
        address: Of a running cluster; None starts one here, and ends it.
        watch: Told how many rows have come.

    Raises:
        ScanError: If the cluster can't be reached or has no room, a worker can't be started there, or it scores
            otherwise than the scan.
        OSError: If the folder can't be read or written there.
    """
    missing = array("q", numbers)
    if not missing:
        return
    with connected(address):
        from ray.exceptions import RayError

        try:
            with closing(_answers(job, missing, workers)) as texts:  # Ray Data ends before Ray does
                for text in texts:
                    answer = Answer.model_validate_json(text)
                    if answer.error is not None:
                        raise OSError(answer.error) if answer.storage else ScanError(answer.error)
                    for report in answer.reports:
                        watch(report.items)
                        yield report
        except RayError as error:
            raise ScanError(f"Ray gave up: {error}") from error


def blocks_of(missing: array[int], actors: int) -> Iterator[array[int]]:
    """Cut the parts into blocks, each a task of Ray's.

    Many enough that a block is a small share of an actor's work, and no more than the driver can keep
    account of, however many parts there are.
    """
    count = max(1, min(len(missing), SHARES * actors, MOST_BLOCKS))
    for number in range(count):
        yield missing[number * len(missing) // count : (number + 1) * len(missing) // count]


def sent(job: Job, cpus: int) -> SecretStr:
    """Return a job as the actors get it: with what holds in another folder and on another machine."""
    settings = job.config.options.settings
    local = {
        name: str(Path(value).resolve())
        for name in ("model", "backbone")
        if (value := getattr(settings, name)) is not None and Path(value).exists()
    }
    options = job.config.options.model_copy(update={"settings": settings.model_copy(update=local)})
    there = job.model_copy(
        update={
            "config": job.config.model_copy(update={"options": options}),
            "out": job.out if is_uri(job.out) else local_place(job.out),
            "jobs": cpus,
        }
    )
    # The usual worker is the one of the Python that the actor runs in, wherever that is installed.
    return SecretStr(there.model_dump_json(exclude={"command"} if job.command == WORKER else None))


def _answers(job: Job, missing: array[int], workers: int | None) -> Generator[str, None, None]:
    """Yield the answers, block by block."""
    import ray
    from ray.data import DataContext

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    size = size_of(nodes, job.jobs, job.config.options.settings.device)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = -1  # a block may take longer than Ray's half hour
    with DataContext.current(context):
        data = _scored(job, missing, workers, size)
        batches: Iterable[Any] = data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
        for batch in batches:
            yield from batch["answer"].to_pylist()


def _scored(job: Job, missing: array[int], workers: int | None, size: Size) -> Dataset:
    import pyarrow as pa
    from ray.data import ActorPoolStrategy, from_arrow

    first = min(workers or size.fits, size.fits)
    # A row is a block and a block is a batch, so that Ray neither joins nor splits them.
    blocks: list[pa.Table] = [pa.table({"parts": [block.tolist()]}) for block in blocks_of(missing, first)]
    first = min(first, len(blocks))
    return from_arrow(blocks).map_batches(
        PartScorer,
        fn_constructor_args=(sent(job, size.cpus),),
        batch_size=1,
        num_cpus=size.cpus,
        num_gpus=size.gpus,
        # Not a pool of a fixed size: the actor of a lost node waits for room, and it is there as soon as
        # another is idle and is given up. Lost actors and their tasks are tried again without end.
        compute=ActorPoolStrategy(min_size=1, max_size=workers, initial_size=first, max_tasks_in_flight_per_actor=2),
    )


def _here() -> str:
    import ray

    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return f"node {address}"
