"""A worker whose decoder does what a hostile file makes it do: crash, hang, fill the memory, or fail in a new way.

Started in place of ``python -m cinemae.scan.worker``; the worker's own code is as it is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import cinemae.detector
from cinemae.scan.worker import main

decode = cinemae.detector.load_image


def once(data: bytes) -> bool:
    """Tell whether this is the first time that a process meets these bytes; they name a marker file."""
    marker = Path(data.split(b"once:")[1].split(b"\n")[0].decode())
    if marker.exists():
        return False
    marker.touch()
    return True


def poisoned(source: bytes, **options: Any) -> Any:
    """Decode, or do what the bytes say at their end."""
    said = source[-400:]
    if b"once:" in said and not once(said):
        return decode(source, **options)
    if b"segfault" in said:
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(60)
    if b"outofmemory" in said:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    if b"bug" in said:
        raise RuntimeError("a bug that nobody foresaw")
    if b"hold" in said:  # a hang that keeps the interpreter's lock: no Python thread runs any more
        ctypes.PyDLL(None).sleep(600)
    if b"hang" in said:
        time.sleep(600)
    if b"chatter" in said:
        os.write(1, b"a library prints to standard output\n")
        print("and so does Python", flush=True)
    if b"slow" in said:
        time.sleep(0.3)
    return decode(source, **options)


cinemae.detector.load_image = poisoned
main()
sys.exit(1)  # main never returns
