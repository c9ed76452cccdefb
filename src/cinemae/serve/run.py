"""Starting and stopping the service's processes."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI
from prometheus_client import disable_created_metrics
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cinemae.serve.app import create_app
from cinemae.serve.config import ServeConfig
from cinemae.serve.keys import ENVIRONMENT, KeyRing
from cinemae.serve.logs import configure
from cinemae.serve.metrics import FOLDER, forget_dead
from cinemae.serve.protocol import PatientProtocol
from cinemae.serve.service import Service

CONFIG = "CINEMAE_SERVE_CONFIG"
STOP_SECONDS = 5  # for connections whose answers are written, once the work is done
FORCE_SECONDS = 10  # from the end of the work to the end of the process, whatever a thread still does
MOST_CONNECTIONS = 1000
START_SECONDS = 60  # a worker that says nothing for longer is replaced
log = logging.getLogger("cinemae.serve")


def run(config: ServeConfig, host: str, port: int) -> None:
    """Serve until told to stop by SIGTERM or SIGINT; the work in hand is finished first.

    Raises:
        SystemExit: With status 2 if a worker can't start; the log says why.
        AddressError: If nothing can listen at this address.
        KeyFileError: If the API keys can't be read.
    """
    KeyRing(config.keys, os.environ.get(ENVIRONMENT))  # wrong keys are told before anything else is done
    check_address(host, port)
    configure(config.log_level)
    os.environ[CONFIG] = config.model_dump_json()
    # uvicorn raises the signal again when all is done; a service that was told to stop has not failed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    settings = uvicorn.Config(
        "cinemae.serve.run:make_worker",
        factory=True,
        host=host,
        port=port,
        workers=config.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=PatientProtocol,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_worker_healthcheck=START_SECONDS,
    )
    try:
        _serve(config, settings)
    except SystemExit as end:  # uvicorn's, with a status of its own
        raise SystemExit(2) from end


class AddressError(OSError):
    """Nothing can listen at the address that was asked for; the message says why, and what to give instead."""


def check_address(host: str, port: int) -> None:
    """Find out before the model is loaded whether the service can listen; port 0 is any that is free.

    Raises:
        AddressError: If it can't.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
            probe.bind(address)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"port {port} is in use by another program; stop it, or give another --port",
            errno.EACCES: f"port {port} is only for root; give a --port from 1024 on",
            errno.EADDRNOTAVAIL: f"{host} is no address of this machine; give another --host",
        }
        reason = reasons.get(error.errno or 0, f"can't listen at {host}, port {port}: {error.strerror or error}")
        raise AddressError(reason) from error


def _serve(config: ServeConfig, settings: uvicorn.Config) -> None:
    if config.workers == 1:
        settings.app, settings.factory = make_app(), False
        uvicorn.Server(settings).run()
        return
    with tempfile.TemporaryDirectory(prefix="cinemae-metrics-") as folder:
        os.environ[FOLDER] = folder
        supervisor = Supervisor(settings, sockets=[settings.bind_socket()])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise SystemExit(STARTUP_FAILURE)


class Supervisor(Multiprocess):
    """Starts workers and replaces those that die, at once."""

    def keep_subprocess_alive(self) -> None:
        """Look after the workers; called twice a second."""
        for process in self.processes:
            # While the parent holds the worker's end too, it does not see that a worker has died while it answers.
            process.child_conn.close()
        super().keep_subprocess_alive()


def make_worker() -> FastAPI:
    """Make the application of a worker process.

    Raises:
        SystemExit: If it can't be made; its status tells the parent that another try is no use.
    """
    try:
        return make_app()
    except Exception as error:
        log.error("can't start", extra={"error": type(error).__name__, "reason": str(error)})
        raise SystemExit(STARTUP_FAILURE) from error


def make_app() -> FastAPI:
    """Make the application of this process, as the environment says."""
    config = ServeConfig.model_validate_json(os.environ[CONFIG])
    configure(config.log_level)
    if FOLDER in os.environ:
        forget_dead(os.environ[FOLDER])
    disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the lines, for what Prometheus knows itself
    app = create_app(config, lifespan=drain_on_signals)
    service: Service = app.state.service
    service.scorer.warm_up()
    return app


@asynccontextmanager
async def drain_on_signals(app: FastAPI) -> AsyncIterator[None]:
    """Put draining before what uvicorn does when it is told to stop; a second signal does not wait."""
    service: Service = app.state.service
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    seen: list[int] = []

    async def stop(number: int, then: signal._HANDLER) -> None:
        await service.drain()
        force = threading.Timer(FORCE_SECONDS, os._exit, (1,))  # a decoder that hangs must not keep the process
        force.daemon = True
        force.start()
        signal.signal(number, then)
        signal.raise_signal(number)

    def begin(number: int, frame: FrameType | None) -> None:
        # Ctrl-C reaches the workers, which then get SIGTERM from their parent too: that is no second one.
        again, service.draining = number in seen, True
        seen.append(number)
        if again:
            for each, handler in before.items():
                signal.signal(each, handler)
            signal.raise_signal(number)
        elif len(seen) == 1:
            loop.call_soon_threadsafe(lambda: tasks.add(loop.create_task(stop(number, before[number]))))

    before: dict[int, signal._HANDLER] = {}
    for each in (signal.SIGTERM, signal.SIGINT):
        before[each] = signal.signal(each, begin)
    yield
    for task in tasks:
        task.cancel()
