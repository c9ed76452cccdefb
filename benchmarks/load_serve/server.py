"""The service as a process of its own: started, watched, and told to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 180.0
STOP_SECONDS = 60.0
FAULTS = ("error", "critical")


class Server:
    """A ``cinemae serve``.

    Args:
        arguments: Its command line, without host and port.
        log: File of its log.

    Attributes:
        url: Where it listens.
        memory: Seconds since the start and resident MB of all its processes, once a second.
    """

    def __init__(self, arguments: list[str], log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log, self.memory = log, list[tuple[float, float]]()
        self.command = ["cinemae", "serve", *arguments]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cinemae", "serve", *arguments, "--port", str(port)],
                stdout=file,
                stderr=file,
            )
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Wait until it is ready.

        Raises:
            RuntimeError: If it never is.
        """
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise RuntimeError(f"the service did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.2)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make sure that it is gone."""
        self._done.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """Tell it to stop, as a supervisor does, and return its exit status."""
        self._done.set()
        self._watch.join()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def counted(self) -> dict[str, float]:
        """Return what the service itself has counted of ``/v1/detect``, by status."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        found: dict[str, float] = {}
        for line in lines:
            if line.startswith("cinemae_requests_total{") and 'route="/v1/detect"' in line:
                status = line.split('status="')[1].split('"')[0]
                found[status] = found.get(status, 0) + float(line.rsplit(" ", 1)[1])
        return found

    def complaints(self) -> list[str]:
        """Return the lines of its log that tell of a fault."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if not line.startswith("{") or json.loads(line).get("level") in FAULTS]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _sample(self) -> None:
        start = time.monotonic()
        while not self._done.wait(1.0):
            self.memory.append((time.monotonic() - start, sum(map(_resident, family(self.process.pid)))))


def family(number: int) -> list[int]:
    """Return a process and all that come from it."""
    found = [number]
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # it has ended
            continue
        for child in children:
            found += family(int(child))
    return found


def _resident(number: int) -> float:
    try:
        pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    except OSError:  # it has ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
