"""``cinemae`` as a process of its own, as a user starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any


def environment(**changes: str) -> dict[str, str]:
    """Surroundings without a network, a wide terminal's width or colours that the tests did not ask for."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR")}
    return kept | {"HF_HUB_OFFLINE": "1", "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | changes


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start ``cinemae`` with these arguments."""
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()} | options
    return subprocess.Popen(
        [sys.executable, "-m", "cinemae", *map(str, arguments)],
        # A test run in the background is started with SIGINT ignored, which a child inherits.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **settings,
    )
