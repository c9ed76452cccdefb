"""The local engine: worker processes on this machine, each owned by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from cinemae.scan.isolate import IsolatedScorer
from cinemae.scan.parts import Job, score_parts
from cinemae.scan.rows import PartReport

_Said = PartReport | BaseException | None


def run_local(
    job: Job, numbers: Iterable[int], scorers: Sequence[IsolatedScorer], *, watch: Callable[[int], None]
) -> Iterator[PartReport]:
    """Score parts with several workers; yields the reports as parts are finished.

    Whoever stops taking them stops the workers; finished parts stay.

    Args:
        job: The scan.
        numbers: The parts to score; each is taken by the first worker that is free.
        scorers: One a worker; closed at the end.
        watch: Told how many rows have come; called from any thread.

    Raises:
        ScanError: If a worker can't be started, or scores otherwise than the scan.
        OSError: If the folder can't be read or written.
    """
    said: queue.SimpleQueue[_Said] = queue.SimpleQueue()
    shared = _Shared(numbers)

    def work(scorer: IsolatedScorer) -> None:
        try:
            with scorer:
                for report in score_parts(scorer, job, shared, watch=watch):
                    said.put(report)
            said.put(None)
        except BaseException as error:  # raised again in the thread that waits
            said.put(error)

    threads = [threading.Thread(target=work, args=(scorer,), name="scan", daemon=True) for scorer in scorers]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            word = said.get()
            if isinstance(word, BaseException):
                raise word
            if word is None:
                running -= 1
            else:
                yield word
    finally:
        shared.end()
        for scorer in scorers:
            scorer.stop()
        for thread in threads:
            thread.join()


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers, self._lock = iter(numbers), threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)

    def end(self) -> None:
        """Give nothing more."""
        with self._lock:
            self._numbers = iter(())
