"""The one queue in front of the one detector.

Images of all requests wait in one bounded queue, first come, first served, and ``jobs`` threads score
them. An image that finds nothing else to do gets all cores; under load each core works on an image
of its own, all at the same time. Images are never put into one tensor: their numbers would then depend on
who else asks. A request gets places for all of its images or for none.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")
LONGEST_RETRY = 120
FIRST_GUESS = 0.5  # seconds an image, until some were measured
SMOOTHING = 0.1


class QueueFullError(Exception):
    """There are not as many free places as a request has images.

    Attributes:
        retry_after: Seconds until there should be.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"queue full, retry after {retry_after} s")
        self.retry_after = retry_after


class Job(Generic[T]):
    """One image's work; its future is done when the work is, or cancelled with it."""

    def __init__(self, work: Callable[[bool], T], future: asyncio.Future[T]) -> None:
        self.work, self.future = work, future
        self.since = time.monotonic()


class Scheduler(Generic[T]):
    """Runs work in threads, a bounded number of pieces waiting; used from one event loop.

    Attributes:
        jobs: Threads.
        places: Most pieces waiting or in work.
        on_start: Called with the seconds that a piece waited, in the event loop.
        on_end: Called with the seconds that a piece took, in the event loop.
    """

    def __init__(
        self,
        jobs: int,
        places: int,
        *,
        on_start: Callable[[float], None] = lambda _: None,
        on_end: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.jobs, self.places, self.on_start, self.on_end = jobs, places, on_start, on_end
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="cinemae-score")
        self._waiting: deque[Job[T]] = deque()
        self._running = 0
        self._closed = False
        self._seconds = FIRST_GUESS

    @property
    def waiting(self) -> int:
        """Pieces that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Pieces in work; those whose asker has gone are still counted until they end."""
        return self._running

    def submit(self, works: Sequence[Callable[[bool], T]]) -> list[asyncio.Future[T]]:
        """Queue all pieces of work, or none.

        A future that is cancelled takes its piece out of the queue; one in work goes on, for a
        thread can't be stopped, and its result is thrown away.

        Args:
            works: Each is called in a thread, with whether nothing else is to be done.

        Raises:
            QueueFullError: If there is no room for all of them.
            RuntimeError: If the scheduler is closed.
        """
        if self._closed:
            raise RuntimeError("the scheduler is closed")
        if self.waiting + self.running + len(works) > self.places:
            raise QueueFullError(self.retry_after(len(works)))
        loop = asyncio.get_running_loop()
        futures = []
        for work in works:
            job = Job(work, loop.create_future())
            self._waiting.append(job)
            job.future.add_done_callback(partial(self._forget, job))
            futures.append(job.future)
        self._start()
        return futures

    def retry_after(self, images: int = 1) -> int:
        """Return the whole seconds until so many places should be free, from the measured speed."""
        over = self.waiting + self.running + images - self.places
        return min(LONGEST_RETRY, max(1, math.ceil(max(over, 1) * self._seconds / self.jobs)))

    def close(self) -> None:
        """Let the threads end once their work is done; what waits is cancelled."""
        self._closed = True
        for job in list(self._waiting):
            job.future.cancel()  # takes it out of the queue, by a callback of the loop
        self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._waiting and self._running < self.jobs:
            job = self._waiting.popleft()
            self._running += 1
            # With one thread nothing else ever runs meanwhile.
            alone = self.jobs == 1 or (self._running == 1 and not self._waiting)
            begun = time.monotonic()
            self.on_start(begun - job.since)
            loop = asyncio.get_running_loop()
            done = loop.run_in_executor(self._pool, job.work, alone)
            done.add_done_callback(partial(self._end, job, begun))

    def _end(self, job: Job[T], begun: float, done: asyncio.Future[T]) -> None:
        self._running -= 1
        seconds = time.monotonic() - begun
        self._seconds += SMOOTHING * (seconds - self._seconds)
        self.on_end(seconds)
        error = done.exception()
        if not job.future.done():  # else its asker has gone
            if error is None:
                job.future.set_result(done.result())
            else:
                job.future.set_exception(error)
        self._start()

    def _forget(self, job: Job[T], future: asyncio.Future[T]) -> None:
        if future.cancelled() and job in self._waiting:
            self._waiting.remove(job)
