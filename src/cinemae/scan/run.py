"""A scan from beginning to end: what is there already, the plan, the engine, the count at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from cinemae import __version__
from cinemae.mae.runtime import cores
from cinemae.pipeline import ordered_map
from cinemae.scan.child import WORKER
from cinemae.scan.config import ScanConfig, ScanError, ScanOptions, WorkerFacts
from cinemae.scan.dedupe import equal_together
from cinemae.scan.folder import PlanState, ScanFolder, Totals
from cinemae.scan.isolate import IsolatedScorer
from cinemae.scan.items import Item
from cinemae.scan.local import run_local
from cinemae.scan.parts import Job, make_setup
from cinemae.scan.plan import Planned, write_plan
from cinemae.scan.progress import Progress, Quiet
from cinemae.scan.rows import PartReport
from cinemae.scan.sources import list_items, read_item

Engine = Literal["local", "ray"]
READERS = 8  # finished parts that are looked at together when a scan goes on
COUNTED = 100  # inputs between two words on the listing


def scan(
    source: str,
    out: str,
    options: ScanOptions,
    *,
    engine: Engine = "local",
    workers: int | None = None,
    jobs: int | None = None,
    timeout: float = 60.0,
    address: str | None = None,
    progress: Progress | None = None,
    command: Sequence[str] = WORKER,
) -> Totals:
    """Scan a source into a folder, or go on with what is missing there.

    Args:
        source: The source with what is needed to reach it, as :func:`cinemae.scan.sources.list_items` takes it.
        out: The output folder, likewise.
        options: What the scan is; must be the same whenever it goes on.
        engine: ``local``: processes on this machine; ``ray``: a Ray cluster.
        workers: Worker processes; None: one for 8 cores here, as many as there is room for on a cluster.
        jobs: Images that a worker scores at the same time, each on one core; None: its share of the cores.
        timeout: Seconds that reading one input may take, and again that decoding and scoring it may.
        address: Of a running Ray cluster; None starts one here.
        progress: Is told how far it has come.
        command: The worker's program.

    Returns:
        Counts over the whole table, what earlier runs have done included.

    Raises:
        ScanError: If the folder holds another scan, the model can't be loaded, or rows are missing at the end.
        OSError: If the source can't be listed, or the folder can't be read or written.
    """
    progress = progress or Quiet()
    if engine == "local":
        workers = workers or max(1, cores() // 8)
        jobs = jobs or max(1, cores() // workers)
    setup = make_setup(options, source, jobs, timeout)
    folder = open_folder(out)
    keep_apart(options.source, folder)
    with IsolatedScorer(setup, command=command) as first:
        config = begin(folder, options, first.facts())
        before = folder.totals()
        if before is not None and before.parts == len(folder.finished()):
            return before
        folder.clean()
        plan = folder.plan() or make_plan(folder, config, source, progress)
        totals = Totals()
        finished = set()
        for report in reports(folder):
            totals.add(report)
            finished.add(report.number)
        progress.scoring(plan.items, totals.items)
        missing = (number for number in range(plan.parts) if number not in finished)
        job = Job(config=config, source=source, out=out, jobs=jobs, timeout=timeout, command=tuple(command))
        if engine == "local":
            others = [job.scorer() for _ in range((workers or 1) - 1)]
            made = run_local(job, missing, [first, *others], watch=progress.scored)
        else:
            from cinemae.scan.ray import run_ray

            first.close()  # the cluster has workers of its own
            made = run_ray(job, missing, workers=workers, address=address, watch=progress.scored)
        for report in made:
            totals.add(report)
    if (totals.parts, totals.items) != (plan.parts, plan.items):
        raise ScanError(f"{totals.items} rows in {totals.parts} parts, planned are {plan.items} in {plan.parts}")
    folder.write_totals(totals)
    return totals


def open_folder(out: str) -> ScanFolder:
    """Open an output folder.

    Raises:
        ScanError: If it can't be one.
    """
    try:
        return ScanFolder(out)
    except (ValueError, ImportError) as error:
        raise ScanError(str(error)) from error


def keep_apart(source: str, folder: ScanFolder) -> None:
    """Check that the table is not written into the source, where the next listing would find it.

    Args:
        source: As :func:`cinemae.scan.config.source_name` gives it.
        folder: The output folder.

    Raises:
        ScanError: If it is.
    """
    if f"{folder.storage.uri}/".startswith(f"{source.rstrip('/')}/"):
        raise ScanError(f"{folder.storage.uri}: lies in the source, {source}; give a folder outside of it")


def begin(folder: ScanFolder, options: ScanOptions, facts: WorkerFacts) -> ScanConfig:
    """Write what the scan is, or check that the folder holds the same one.

    Raises:
        ScanError: If it holds another; the message says what differs.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    config = ScanConfig(options=options, cinemae=__version__, model=facts.model, precision=facts.precision, started=now)
    before = folder.config()
    if before is None or folder.plan() is None:  # nothing is scored before the plan is complete
        folder.write_config(config)
        return config
    if differences := before.differences(config):
        raise ScanError(
            f"{folder.storage.uri}: holds a scan with other settings: {'; '.join(differences)}."
            " Go on with the settings that it was begun with, or give another folder"
        )
    return before


def make_plan(folder: ScanFolder, config: ScanConfig, source: str, progress: Progress) -> PlanState:
    """List the source and write the plan.

    Raises:
        ScanError: If it can't be a source.
        OSError: If the source can't be listed.
    """
    options = config.options
    left_out = Counter[str]()
    try:
        listed = list_items(
            source,
            since=options.since,
            sample=options.sample,
            seed=options.seed,
            limit=options.limit,
            left_out=left_out,
        )
    except (ValueError, ImportError) as error:
        raise ScanError(str(error)) from error
    items = counted(listed, progress)
    if options.dedupe:
        read = partial(read_item, source=source, limit=options.settings.max_bytes)
        planned: Iterable[Planned] = equal_together(items, read)
    else:
        planned = map(Planned, items)
    return write_plan(folder, planned, options.part_size, left_out)


def counted(items: Iterable[Item], progress: Progress) -> Iterator[Item]:
    """Yield the items, and tell how many they are."""
    count = 0
    for item in items:
        yield item
        count += 1
        if count == COUNTED:
            progress.listed(count)
            count = 0
    progress.listed(count)


def reports(folder: ScanFolder) -> Iterator[PartReport]:
    """Yield the reports of the finished parts."""
    found = ordered_map(folder.report, folder.finished(), workers=READERS, ahead=2 * READERS)
    return (report for report in found if report is not None)
