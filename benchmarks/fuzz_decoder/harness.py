"""The process that watches: it feeds a child, takes the time, and survives whatever the child does."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from .child import PIXELS

ROOT = Path(__file__).parents[2]
PATIENCE = 5
START_SECONDS = 120.0  # until a child has made its sound files, on a busy machine


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        number: Number of the file in the run.
        kind: The sound file it came from and what was done to it.
        bytes: Its size.
        outcome: ``image``, the class of the refusal, or a text that begins with ``defect:``.
        seconds: Time of decoding it.
        peak_kb: Peak resident memory of the child so far; 0 if it died.
    """

    number: int
    kind: str
    bytes: int
    outcome: str
    seconds: float
    peak_kb: int

    @property
    def defect(self) -> bool:
        """Whether this should never happen."""
        return self.outcome.startswith("defect:")


@dataclass
class Tally:
    """Counts of a run.

    Attributes:
        outcomes: Files by outcome.
        defects: Files with which something is wrong.
        slowest: The slowest files, slowest first.
        peak_mb: Peak resident memory of any child.
        restarts: Children that had to be ended, or ended by themselves.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[Outcome] = field(default_factory=list)
    slowest: list[Outcome] = field(default_factory=list)
    peak_mb: float = 0.0
    restarts: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one file."""
        self.outcomes[outcome.outcome.split(":")[0]] += 1
        if outcome.defect:
            self.defects.append(outcome)
        self.slowest = sorted([*self.slowest, outcome], key=lambda one: -one.seconds)[:10]
        self.peak_mb = max(self.peak_mb, outcome.peak_kb / 1024)


class Child:
    """One decoding process.

    Args:
        seed: Seed of the run.
        memory: Most bytes of address space that decoding may take.
        pixels: Most pixels of an image.
    """

    def __init__(self, seed: int, memory: int, pixels: int = PIXELS) -> None:
        command = [sys.executable, "-m", f"{__package__}.child", str(seed), str(memory), str(pixels)]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0
        )
        self.begun = False
        self._kept = b""

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            if pipe is not None:
                pipe.close()
        self.process.wait()

    def decode(self, number: int, seconds: float) -> Outcome:
        """Have one file decoded, for at most so many seconds of processor time, and five times as many by the clock.

        A machine that is busy with something else so doesn't pass for a file that hangs.

        Raises:
            RuntimeError: If the child doesn't even begin: that is no file's fault.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\n".encode())
        facts = self._line(START_SECONDS)
        if facts is None:
            raise RuntimeError(f"the decoding process doesn't work: {self._said()}")
        start, spent = time.perf_counter(), self._processor_seconds()
        end = self._line(seconds)
        while end is None and self.process.poll() is None and time.perf_counter() - start < PATIENCE * seconds:
            if self._processor_seconds() - spent > seconds:
                break
            end = self._line(seconds / 4)
        if end is None:
            took = time.perf_counter() - start
            status = self.process.poll()
            if status is None:
                outcome = f"defect: hang: longer than {seconds:g} s"
            else:
                by = signal.Signals(-status).name if status < 0 else f"status {status}"
                outcome = f"defect: crash: {by}: {self._said()}"
            return Outcome(number, facts["kind"], facts["bytes"], outcome, took, 0)
        return Outcome(number, facts["kind"], facts["bytes"], end["outcome"], end["seconds"], end["peak_kb"])

    def _processor_seconds(self) -> float:
        """Return what the process has had of the processors so far."""
        try:
            times = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        except OSError:  # it has ended
            return 0.0
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")

    def _line(self, seconds: float) -> dict[str, Any] | None:
        """Return the next answer, or None if it doesn't come in time or the process ends."""
        assert self.process.stdout is not None
        until = time.perf_counter() + seconds
        while b"\n" not in self._kept:
            left = until - time.perf_counter()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            part = self.process.stdout.read(65536)
            if not part:
                self.process.wait()
                return None
            self._kept += part
        line, self._kept = self._kept.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _said(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-1500:]


def fuzz(
    numbers: Iterable[int], *, seed: int, seconds: float, memory: int, pixels: int = PIXELS
) -> Iterator[tuple[Outcome, bool]]:
    """Decode files in a child that is replaced when it dies or hangs.

    A file whose time was up gets a second try alone.

    Args:
        numbers: Which files of the seed.
        seed: Seed of the run.
        seconds: Most time for one file, as in :meth:`Child.decode`.
        memory: Most bytes of address space that decoding may take.
        pixels: Most pixels of an image.

    Yields:
        What became of each file, and whether a child had to be replaced for it.
    """
    child = Child(seed, memory, pixels)
    try:
        for number in numbers:
            outcome = child.decode(number, seconds)
            replaced = child.process.poll() is not None or "hang" in outcome.outcome
            if replaced:
                child.close()
                if "hang" in outcome.outcome:
                    with Child(seed, memory, pixels) as alone:
                        outcome = alone.decode(number, seconds)
                child = Child(seed, memory, pixels)
            yield outcome, replaced
    finally:
        child.close()
