"""What a scan says while it runs: a bar on a terminal, otherwise a line now and then on standard error."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

EVERY = 30.0  # seconds between two lines


class Progress(Protocol):
    """Is told how far a scan has come; from any thread."""

    def listed(self, count: int) -> None:
        """So many more inputs are listed."""
        ...

    def scoring(self, total: int, done: int) -> None:
        """The plan has so many inputs, so many were finished before this run."""
        ...

    def scored(self, count: int) -> None:
        """So many more rows are there."""
        ...


class Quiet:
    """Says nothing."""

    def listed(self, count: int) -> None:
        """Say nothing."""

    def scoring(self, total: int, done: int) -> None:
        """Say nothing."""

    def scored(self, count: int) -> None:
        """Say nothing."""


class Lines:
    """Prints a line every so many seconds, and one at the end.

    The rate is that of this run: what was finished before does not count.
    """

    def __init__(self, every: float = EVERY) -> None:
        self._every, self._lock = every, threading.Lock()
        self._begun = self._said = time.monotonic()
        self._listed = self._total = self._before = self._done = 0

    def listed(self, count: int) -> None:
        """Count, and print if it is time."""
        with self._lock:
            self._listed += count
            self._print(f"listed {self._listed:,} inputs")

    def scoring(self, total: int, done: int) -> None:
        """Print what is to be done."""
        with self._lock:
            self._total, self._before, self._begun = total, done, time.monotonic()
            self._print(f"{total:,} inputs, {done:,} of them finished before", now=True)

    def scored(self, count: int) -> None:
        """Count, and print if it is time."""
        with self._lock:
            self._done += count
            done = self._before + self._done
            rate = self._done / max(1e-9, time.monotonic() - self._begun)
            left = duration((self._total - done) / rate) if rate else "?"
            ends = done == self._total
            self._print(f"{done:,} of {self._total:,}, {rate:.1f} images/s, {left} to go", now=ends)

    def _print(self, text: str, *, now: bool = False) -> None:
        if now or time.monotonic() - self._said >= self._every:
            self._said = time.monotonic()
            print(f"cinemae: {text}", file=sys.stderr, flush=True)


class Drawn:
    """Draws a bar with rate and remaining time."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def listed(self, count: int) -> None:
        """Show the count."""
        self._bar.advance(self._task, count)

    def scoring(self, total: int, done: int) -> None:
        """Begin anew, with a known end."""
        self._bar.reset(self._task, description="scoring", total=total, completed=done)

    def scored(self, count: int) -> None:
        """Show the count."""
        self._bar.advance(self._task, count)


@contextmanager
def shown() -> Iterator[Progress]:
    """Yield what shows the progress where somebody watches."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f} images/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        yield Drawn(bar, bar.add_task("listing", total=None))


def duration(seconds: float) -> str:
    """Return a time for people: ``45 s``, ``3 min``, ``2 h 05 min``, ``3 d 4 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
