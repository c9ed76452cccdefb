"""Work that overlaps: one function over many items in threads, in order, in constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Iterator[R]:
    """Apply a function to items in threads; yields the results in the order of the items.

    At most ``ahead`` items have been taken whose result was not yielded yet, so any number of items
    needs the same memory. What is not begun when the caller stops is never begun.

    Args:
        function: Called in ``workers`` threads; should release the GIL for most of its time.
        items: Taken one by one, in the caller's thread.
        workers: Number of threads.
        ahead: Bound on items in work.
    """
    rest = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cinemae")
    try:
        waiting: deque[Future[R]] = deque(pool.submit(function, item) for item in islice(rest, max(ahead, workers)))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(rest, 1))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
