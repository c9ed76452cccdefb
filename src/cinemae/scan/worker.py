"""The worker process of a scan: ``python -m cinemae.scan.worker``.

Decoders meet hostile files: one that crashes, hangs or eats the memory takes this process with it, and not
the scan. It is told what to do by lines on standard input (:mod:`cinemae.scan.messages`) and ends when
that is closed, so that it never outlives who started it, however that ended.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from cinemae.evidence.beside import EvidenceOnly, Read
from cinemae.scan.config import WorkerFacts
from cinemae.scan.items import Item
from cinemae.scan.messages import AHEAD, Reply, Setup, Task
from cinemae.scan.rows import LikelihoodMap
from cinemae.scan.sources import read_item
from cinemae.verdict import ErrorInfo, Verdict

if TYPE_CHECKING:
    from cinemae.detector import Detector, Scored

MOST_READ = 256 << 20  # bytes of files in memory, beyond which only one more file is read
BUG = 70  # exit status: EX_SOFTWARE of sysexits


class Budget:
    """Keeps the bytes that are held below a bound; one holder is let in whatever it asks for."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self._free = threading.Condition()

    def take(self, count: int) -> None:
        """Wait until so many bytes are free, and hold them."""
        with self._free:
            self._free.wait_for(lambda: self.held == 0 or self.held + count <= self.most)
            self.held += count

    def give(self, count: int) -> None:
        """Give bytes back."""
        with self._free:
            self.held -= count
            self._free.notify_all()


class Watchdog:
    """Ends the process when nothing has entered or left the decoder for too long while something was in it.

    Whoever started the process does that earlier. But should it be gone, and a decoder hang with the
    interpreter's lock in its hand, nobody here could see that standard input is closed: this clock
    is a thread that needs no lock.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._inside, self._lock = seconds, 0, threading.Lock()

    def __enter__(self) -> None:
        self._count(1)

    def __exit__(self, *_: object) -> None:
        self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._inside += change
            if self._inside:
                faulthandler.dump_traceback_later(self._seconds, exit=True)
            else:
                faulthandler.cancel_dump_traceback_later()


class Worker:
    """Reads inputs ahead in some threads and scores them in others.

    Attributes:
        detector: Scores.
        setup: What was asked for.
    """

    def __init__(self, detector: Detector | EvidenceOnly, setup: Setup, say: Callable[[Reply], None]) -> None:
        """Start the threads.

        Args:
            detector: Scores.
            setup: What was asked for.
            say: Sends a reply; called from any thread.
        """
        self.detector, self.setup, self._say = detector, setup, say
        self._budget = Budget(MOST_READ)
        self._watch = Watchdog(2 * setup.timeout)
        self._readers = ThreadPoolExecutor(AHEAD, thread_name_prefix="read")
        self._scorers = ThreadPoolExecutor(detector.jobs, thread_name_prefix="score")

    def submit(self, task: Task) -> None:
        """Have an input read and scored; its replies come when they come."""
        self._readers.submit(self._read, task)

    def _read(self, task: Task) -> None:
        with bugs_end_the_process():
            size = task.item.size or 0
            self._budget.take(size)
            self._say(Reply(reading=task.number))
            try:
                data = read_item(task.item, source=self.setup.source, limit=self.setup.settings.max_bytes)
            except OSError as error:
                self._budget.give(size)
                self._say(Reply(done=task.number, verdict=self._unreadable(task.item, error)))
                return
            self._say(Reply(read=task.number))
            self._scorers.submit(self._score, task, data, size)

    def _score(self, task: Task, data: bytes, held: int) -> None:
        with bugs_end_the_process():
            self._say(Reply(begun=task.number))
            with self._watch:
                # Others are scored meanwhile, here or in other workers.
                scored = self.detector.score(data, name=task.item.id, seed=self.setup.seed, alone=False)
            verdict = scored.verdict
            if verdict.error is not None:  # what was refused has a hash, too
                digest = hashlib.sha256(data).hexdigest()
                verdict = verdict.model_copy(update={"sha256": digest, "file_bytes": len(data)})
            self._budget.give(held)
            self._say(Reply(done=task.number, verdict=verdict, likelihood=self._map(scored)))

    def _map(self, scored: Scored | Read) -> LikelihoodMap | None:
        if not self.setup.maps or scored.extraction is None:
            return None
        likelihood = scored.extraction.likelihoods["semantic"][0]
        bits = likelihood.per_patch(likelihood.nll)
        return LikelihoodMap(rows=bits.shape[0], cols=bits.shape[1], bits=tuple(bits.ravel().tolist()))

    def _unreadable(self, item: Item, error: OSError) -> Verdict:
        info = ErrorInfo(type=type(error).__name__, message=str(error))
        return Verdict(path=item.id, model=self.detector.fingerprint, seed=self.setup.seed, error=info)


@contextmanager
def bugs_end_the_process() -> Iterator[None]:
    """End the process after anything unforeseen, out of memory too, with its traceback on standard error.

    What happened to one input may have left anything behind: a new process takes over, and the input is
    tried once more in it.
    """
    try:
        yield
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(BUG)


def main() -> None:
    """Serve until standard input is closed."""
    faulthandler.enable()  # where a decoder crashed is seen on standard error
    # What libraries print must not get between the replies: they are given standard error instead.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(reply: Reply) -> None:
        with lock:
            replies.write(reply.model_dump_json(exclude_none=True) + "\n")
            replies.flush()

    serve(sys.stdin.buffer, say)
    os._exit(0)  # nobody waits any more for what is being scored


def serve(lines: IO[bytes], say: Callable[[Reply], None]) -> None:
    """Load the detector, then take tasks until there are no more lines."""
    setup = Setup.model_validate_json(lines.readline())
    try:
        detector = load(setup)
    except (OSError, RuntimeError, ValueError) as error:  # all our own refusals are ValueErrors
        say(Reply(failed=ErrorInfo(type=type(error).__name__, message=str(error))))
        return
    say(Reply(ready=facts_of(detector)))
    worker = Worker(detector, setup, say)
    for line in lines:
        worker.submit(Task.model_validate_json(line))


def facts_of(detector: Detector | EvidenceOnly) -> WorkerFacts:
    """Return what a worker says of itself."""
    if isinstance(detector, EvidenceOnly):
        return WorkerFacts(model=detector.fingerprint, precision="f32", device="none", jobs=detector.jobs)
    extractor = detector.extractor
    device = next(iter(extractor.backbones.values())).runtime.device
    return WorkerFacts(model=detector.fingerprint, precision=extractor.precision, device=device, jobs=detector.jobs)


def load(setup: Setup) -> Detector | EvidenceOnly:
    """Load the detector, or what reads evidence alone.

    Raises:
        ValueError: If it has no semantic scale and maps are wanted.
    """
    if setup.settings.evidence == "only":
        return setup.settings.load_reader()
    detector = setup.settings.load()
    if setup.maps and "semantic" not in detector.extractor.spec.scales:
        raise ValueError("this model has no semantic scale to store maps of")
    return detector


if __name__ == "__main__":
    main()
