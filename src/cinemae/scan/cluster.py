"""A Ray cluster: reaching one or starting one here, without its chatter, and how many actors it has room for."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cinemae.mae.runtime import cores
from cinemae.scan.config import ScanError

MOST_CORES = 8  # of an actor, if nobody says how many
OBJECT_STORE = 256 << 20  # bytes of shared memory of a Ray that is started here; only reports pass through it
CONNECT_LIMIT = 10.0  # seconds
LOGGERS = ("ray", "ray.data")


@dataclass(frozen=True)
class Size:
    """Of an actor, and of their pool.

    Attributes:
        cpus: Cores of an actor.
        gpus: GPUs of an actor, 0 or 1.
        fits: Actors that the cluster has room for now.
    """

    cpus: int
    gpus: int
    fits: int


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one here; leave or end it afterwards.

    Raises:
        ScanError: If it can't be reached, or this process is connected already.
    """
    # Before Ray is imported: it reads these then.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what its core says of actors is no news
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # an actor without a GPU sees none
    import ray
    import ray.data

    if ray.is_initialized():
        raise ScanError("this process is connected to Ray already")
    if address is not None and address.startswith("ray://"):
        raise ScanError(f"{address}: give the cluster's own address, HOST:6379, and run this on one of its nodes")
    where: dict[str, Any] = {"address": address}
    if address is not None:
        _reach(address)
    else:
        where = {
            "address": "local",  # whatever RAY_ADDRESS says
            "num_cpus": cores(),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
        }
    with _quiet():
        try:
            with _speechless():
                ray.init(**where, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ScanError(f"{address or 'Ray'}: {error}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _reach(address: str) -> None:
    """See whether somebody listens there: Ray itself would try for minutes.

    Raises:
        ScanError: If nobody does.
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit():  # "auto"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_LIMIT).close()
    except OSError as error:
        raise ScanError(f"{address}: no Ray cluster answers there: {error}") from error


def size_of(nodes: Iterable[dict[str, Any]], jobs: int | None, device: str | None) -> Size:
    """Return how large an actor is, and how many there is room for.

    Args:
        nodes: What ``ray.nodes()`` returns.
        jobs: Cores of an actor, if somebody said so.
        device: The detector's; ``cpu`` leaves GPUs alone.

    Raises:
        ScanError: If no node has room for one.
    """
    rooms = [node["Resources"] for node in nodes if node["Alive"]]
    usable = [(int(room.get("CPU", 0)), int(room.get("GPU", 0))) for room in rooms]
    usable = [(cpus, gpus) for cpus, gpus in usable if cpus]
    if not usable:
        raise ScanError("the Ray cluster has no node with a CPU for us")
    if device != "cpu" and (with_gpus := [(cpus, gpus) for cpus, gpus in usable if gpus]):
        wanted = jobs or max(1, min(MOST_CORES, *(cpus // gpus for cpus, gpus in with_gpus)))
        fits = sum(min(gpus, cpus // wanted) for cpus, gpus in with_gpus)
        size = Size(wanted, 1, fits)
    else:
        wanted = jobs or min(MOST_CORES, *(cpus for cpus, _ in usable))
        size = Size(wanted, 0, sum(cpus // wanted for cpus, _ in usable))
    if not size.fits:
        raise ScanError(f"no node of the Ray cluster has {size.cpus} cores, as --jobs asks for")
    return size


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Ray say errors only."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _speechless() -> Iterator[None]:
    """Keep what Ray's native code says of its own log level off standard error; a failure is an exception."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
