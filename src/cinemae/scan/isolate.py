"""Scoring in a process of its own: a crash or a hang of the decoder costs one input, never the scan."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from cinemae.scan.child import WORKER, Child
from cinemae.scan.config import ScanError, WorkerFacts
from cinemae.scan.items import Item
from cinemae.scan.messages import AHEAD, Setup, Task
from cinemae.scan.rows import Row, row_of
from cinemae.verdict import ErrorInfo, Verdict

Key = TypeVar("Key", bound=Hashable)
TRIES = 2
STARTS = 3  # processes in a row that may end without having done anything
START_LIMIT = 600.0  # seconds for loading; a model may have to be downloaded


@dataclass
class _Work(Generic[Key]):
    """An input on its way.

    Attributes:
        key: The caller's name for it.
        item: The input.
        tries: How often the decoder was given it.
        begun: Whether it is with the decoder now.
        until: When its time is up, by the monotonic clock; None while it only waits.
    """

    key: Key
    item: Item
    tries: int = 0
    begun: bool = False
    until: float | None = None


class IsolatedScorer:
    """Owns one worker process, and starts another when it has crashed or hangs.

    Inputs that were with the decoder at that moment are suspects: each is tried once more, alone. One that
    ends the process again, or takes too long again, gets a row with the error. The others go on.

    Not for several threads at once. Use it in a ``with`` block, or call :meth:`close`.

    Attributes:
        setup: What the process is to load.
        barren: Processes in a row that have ended without a result.
    """

    def __init__(self, setup: Setup, *, command: Sequence[str] = WORKER) -> None:
        """Prepare; the process is started when it is first needed.

        Args:
            setup: What the process is to load.
            command: The worker's program; tests give another.
        """
        self.setup, self.barren = setup, 0
        self._command = command
        self._child: Child | None = None
        self._facts: WorkerFacts | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Id of the process, or None if there is none now."""
        return None if self._child is None else self._child.pid

    def facts(self) -> WorkerFacts:
        """Return what the worker says of itself; starts it if need be.

        Raises:
            ScanError: If it can't start; the message says why.
        """
        self.running()
        assert self._facts is not None
        return self._facts

    def score(self, work: Iterable[tuple[Key, Item]]) -> Iterator[tuple[Key, Row]]:
        """Score inputs; yields each one's row as it is ready, in any order.

        Inputs are taken as they are needed, a few more than are scored at a time.

        Args:
            work: Inputs with the caller's names for them.

        Raises:
            ScanError: If the process can't be started.
        """
        run = _Run(self, iter(work))
        try:
            yield from run.rows()
        finally:
            if run.sent:  # the caller has stopped: nobody wants these any more
                self.close()

    def stop(self) -> None:
        """End the process, and :meth:`score` with a ScanError; may be called from another thread."""
        self._stopped = True
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def __enter__(self) -> IsolatedScorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def running(self) -> Child:
        """Return the process, started if need be.

        Raises:
            ScanError: If it can't start, or the scorer was stopped.
        """
        if self._stopped:
            raise ScanError("stopped")
        while self._child is None:
            self._child = self._start()
        return self._child

    def replace(self) -> str:
        """End the process, so that another is started for what comes next; says how it ended.

        Raises:
            ScanError: If too many in a row have ended without a result.
        """
        child = self.running()
        self._child = None
        ended = child.end()
        self._fruitless(ended, child)
        return ended

    def _start(self) -> Child | None:
        child = Child(self._command)
        child.send(self.setup)
        try:
            reply = child.reply(START_LIMIT)
        except TimeoutError:
            child.end()
            raise ScanError(f"the worker process has not loaded its model in {START_LIMIT:.0f} s") from None
        if reply is not None and reply.ready is not None:
            self._facts = reply.ready
            return child
        ended = child.end()
        if reply is not None and reply.failed is not None:
            raise ScanError(reply.failed.message)
        self._fruitless(ended, child)
        return None

    def _fruitless(self, ended: str, child: Child) -> None:
        self.barren += 1
        if self.barren >= STARTS:
            words = "\n".join(child.last_words())
            raise ScanError(f"{STARTS} worker processes in a row ended without a result ({ended})\n{words}".rstrip())


class _Run(Generic[Key]):
    """One call of :meth:`IsolatedScorer.score`.

    Attributes:
        sent: What the process has been sent and has not answered.
    """

    def __init__(self, scorer: IsolatedScorer, work: Iterator[tuple[Key, Item]]) -> None:
        self.sent: dict[int, _Work[Key]] = {}
        self._scorer, self._fresh = scorer, work
        self._again: deque[_Work[Key]] = deque()  # innocent: they only lost their process
        self._suspects: deque[_Work[Key]] = deque()
        self._failed: deque[tuple[Key, Row]] = deque()
        self._number = 0

    def rows(self) -> Iterator[tuple[Key, Row]]:
        """Yield what is done until nothing is under way."""
        while self._send():
            yield from self._receive()

    def _send(self) -> bool:
        """Give the process as much as it should have; tell whether anything is under way."""
        child = self._scorer.running()
        while self._room() and (work := self._next()) is not None:
            self._number += 1
            self.sent[self._number] = work
            child.send(Task(number=self._number, item=work.item))
        return bool(self.sent)

    def _room(self) -> bool:
        if self._suspects:
            return not self.sent
        if any(work.tries for work in self.sent.values()):  # a suspect is alone
            return False
        return len(self.sent) < AHEAD + self._scorer.facts().jobs

    def _next(self) -> _Work[Key] | None:
        if self._suspects:
            return self._suspects.popleft()
        if self._again:
            return self._again.popleft()
        taken = next(self._fresh, None)
        return None if taken is None else _Work(*taken)

    def _receive(self) -> Iterator[tuple[Key, Row]]:
        """Take one reply, or see that there will be none; yields what that settles."""
        deadline = min((work.until for work in self.sent.values() if work.until), default=None)
        try:
            reply = self._scorer.running().reply(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            yield from self._lost(late=True)
            return
        if reply is None:
            yield from self._lost(late=False)
        elif reply.done is not None:
            work = self.sent.pop(reply.done)
            self._scorer.barren = 0
            assert reply.verdict is not None
            yield work.key, row_of(reply.verdict, reply.likelihood, attempts=work.tries + 1)
        elif reply.begun is not None:
            self._clock(reply.begun, begun=True)
        elif reply.reading is not None:
            self._clock(reply.reading, begun=False)
        elif reply.read is not None:  # it waits for those before it, which have clocks of their own
            self.sent[reply.read].until = None

    def _clock(self, number: int, *, begun: bool) -> None:
        work = self.sent[number]
        work.begun, work.until = begun, time.monotonic() + self._scorer.setup.timeout

    def _lost(self, *, late: bool) -> Iterator[tuple[Key, Row]]:
        """Sort the inputs of a process that has ended, or that is ended now because one took too long."""
        how = self._scorer.replace()
        suspects = self._suspected(late=late)
        innocent = [work for work in self.sent.values() if all(work is not suspect for suspect in suspects)]
        self._again.extendleft(reversed(innocent))
        for work in innocent:
            work.begun, work.until = False, None
        self.sent.clear()
        if suspects:
            self._scorer.barren = 0  # it did get somewhere; what it could not do is written down
        for work in suspects:
            work.tries += 1
            if work.tries == TRIES:
                yield work.key, self._error(work, how, late=late)
            else:
                work.begun, work.until = False, None
                self._suspects.append(work)

    def _suspected(self, *, late: bool) -> list[_Work[Key]]:
        """Return what may have ended the process: what was with the decoder, or else what was being read.

        If time was up, and only for inputs that were being read, it is these and no other.
        """
        begun = [work for work in self.sent.values() if work.begun]
        timed = [work for work in self.sent.values() if work.until is not None]
        if not late:
            return begun or timed
        first = min((work.until for work in timed if work.until is not None), default=0.0)
        overdue = [work for work in timed if work.until is not None and work.until <= max(first, time.monotonic())]
        return overdue if not any(work.begun for work in overdue) else [*begun, *(w for w in overdue if not w.begun)]

    def _error(self, work: _Work[Key], how: str, *, late: bool) -> Row:
        if not late:
            kind, said = "CrashedError", f"the process that decoded it ended, in two tries ({how})"
        elif work.begun:
            kind, said = "TimeoutError", f"not decoded and scored in {self._scorer.setup.timeout:g} s, in two tries"
        else:
            kind, said = "TimeoutError", f"not read in {self._scorer.setup.timeout:g} s, in two tries"
        error = ErrorInfo(type=kind, message=f"{work.item.id}: {said}")
        setup, facts = self._scorer.setup, self._scorer.facts()
        verdict = Verdict(path=work.item.id, model=facts.model, seed=setup.seed, error=error)
        return row_of(verdict, attempts=work.tries)
