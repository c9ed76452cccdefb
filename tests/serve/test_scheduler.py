"""The queue: bounded, in order, all or nothing, and free of those who left."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from cinemae.serve.scheduler import QueueFullError, Scheduler

pytestmark = pytest.mark.anyio


class Work:
    """Pieces of work that wait for leave, and remember what they were told."""

    def __init__(self) -> None:
        self.leave, self.begun, self.alone = threading.Event(), [], []
        self.busy = self.most = 0
        self.lock = threading.Lock()

    def piece(self, name: object):
        def run(alone: bool) -> object:
            with self.lock:
                self.begun.append(name)
                self.alone.append(alone)
                self.busy += 1
                self.most = max(self.most, self.busy)
            assert self.leave.wait(10)
            with self.lock:
                self.busy -= 1
            return name

        return run

    def pieces(self, *names: object):
        return [self.piece(name) for name in names]


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_as_many_at_once_as_there_are_jobs_and_in_order():
    work, scheduler = Work(), Scheduler(2, 10)
    futures = scheduler.submit(work.pieces(*range(6)))
    await until(lambda: len(work.begun) == 2)
    assert (scheduler.running, scheduler.waiting) == (2, 4)
    work.leave.set()
    assert await asyncio.gather(*futures) == list(range(6))
    assert (work.most, scheduler.running, scheduler.waiting) == (2, 0, 0)
    assert work.begun[2:] == sorted(work.begun[2:])


async def test_all_or_nothing():
    work, scheduler = Work(), Scheduler(1, 3)
    first = scheduler.submit(work.pieces(1, 2))
    with pytest.raises(QueueFullError):
        scheduler.submit(work.pieces(3, 4))
    last = scheduler.submit(work.pieces(5))
    with pytest.raises(QueueFullError):
        scheduler.submit(work.pieces(6))
    work.leave.set()
    assert await asyncio.gather(*first, *last) == [1, 2, 5]
    assert work.begun == [1, 2, 5]
    assert await scheduler.submit(work.pieces(7))[0] == 7


async def test_what_is_cancelled_leaves_the_queue_at_once():
    work, scheduler = Work(), Scheduler(1, 3)
    running, *queued = scheduler.submit(work.pieces(1, 2, 3))
    await until(lambda: work.begun == [1])
    for future in (running, *queued):
        future.cancel()
    await asyncio.sleep(0)
    assert (scheduler.running, scheduler.waiting) == (1, 0)  # a thread can't be stopped
    (later,) = scheduler.submit(work.pieces(4))
    work.leave.set()
    assert await later == 4
    assert work.begun == [1, 4]


async def test_alone_is_who_finds_nothing_else_to_do():
    work, scheduler = Work(), Scheduler(2, 10)
    work.leave.set()
    for name in range(2):
        await scheduler.submit(work.pieces(name))[0]
    assert work.alone == [True, True]
    await asyncio.gather(*scheduler.submit(work.pieces(*range(6))))
    assert work.alone[2:7] == [False] * 5  # the last one may find the other thread free again
    single = Scheduler(1, 10)
    await asyncio.gather(*single.submit(work.pieces(7, 8)))
    assert work.alone[-2:] == [True, True]


async def test_an_error_is_its_askers():
    scheduler = Scheduler(1, 10)

    def fail(alone: bool) -> None:
        raise MemoryError

    bad, good = scheduler.submit([fail, lambda alone: 1])
    with pytest.raises(MemoryError):
        await bad
    assert await good == 1


async def test_retry_after_follows_the_measured_speed():
    slow, quick = Scheduler(1, 200), Scheduler(1, 200)
    await asyncio.gather(*quick.submit([lambda alone: None] * 100))
    for _ in range(2):
        await slow.submit([lambda alone: time.sleep(0.5)])[0]
    assert quick.retry_after(400) < slow.retry_after(400)
    assert 97 <= slow.retry_after(400) <= 120  # half a second each, or more on a busy machine, for two in a row
    assert 1 <= slow.retry_after(1) <= slow.retry_after(400)
    assert slow.retry_after(100_000) == 120


async def test_observers_are_told():
    waited, took = [], []
    scheduler = Scheduler(1, 10, on_start=waited.append, on_end=took.append)
    await asyncio.gather(*scheduler.submit([lambda alone: time.sleep(0.05)] * 2))
    assert waited[0] < waited[1]
    assert waited[1] > 0.04
    assert min(took) > 0.04


async def test_after_its_end_nothing_waits_for_ever():
    scheduler = Scheduler(1, 10)
    begun, waiting = scheduler.submit([lambda alone: time.sleep(0.1), lambda alone: None])
    scheduler.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await begun
    with pytest.raises(RuntimeError, match="closed"):
        scheduler.submit([lambda alone: None])
    assert (scheduler.waiting, scheduler.running) == (0, 0)
