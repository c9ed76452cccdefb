"""A worker process seen from outside: its lines in, its replies out, what it said last, and its end."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from pydantic import BaseModel, ValidationError

from cinemae.scan.messages import Reply

WORKER = (sys.executable, "-P", "-m", "cinemae.scan.worker")  # -P: nothing is imported from the working folder
LAST_LINES = 20


class Child:
    """One running worker process.

    Three threads keep its pipes from filling up, whatever state it is in: a decoder that hangs may hold
    the interpreter's lock, and then nobody reads what it is sent.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Start it.

        Raises:
            OSError: If there is no such program.
        """
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the driver, which then closes standard input
        )
        self._replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        targets = (self._write, self._read, self._listen)
        self._threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def send(self, message: BaseModel) -> None:
        """Send a line; never waits."""
        self._lines.put(message.model_dump_json(exclude_none=True).encode() + b"\n")

    def reply(self, timeout: float | None) -> Reply | None:
        """Return the next reply; None once the process has ended.

        Raises:
            TimeoutError: If there is none in so many seconds.
        """
        try:
            return self._replies.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None

    def kill(self) -> None:
        """Kill the process; may be called from another thread."""
        self._process.kill()

    def end(self) -> str:
        """Kill the process if it still runs, wait for it, and say how it ended and what it said last."""
        self._process.kill()
        status = self._process.wait()
        self._lines.put(None)
        for thread in self._threads:
            thread.join()
        if status < 0:
            return _signal(-status)
        said = next((line for line in reversed(self._said) if line), "")
        return f"exit status {status}" + (f": {said}" if said else "")

    def last_words(self) -> list[str]:
        """Return the last lines of its standard error; whole only after :meth:`end`."""
        return list(self._said)

    def _write(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:  # its end is seen on the other pipe
            while (line := self._lines.get()) is not None:
                pipe.write(line)
                if self._lines.empty():
                    pipe.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            for line in pipe:
                try:
                    self._replies.put(Reply.model_validate_json(line))
                except ValidationError:  # killed while it wrote this
                    break
        self._replies.put(None)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as pipe:
            while line := pipe.readline(4096):
                self._said.append(line.decode(errors="replace").strip())


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"
