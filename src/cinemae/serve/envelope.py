"""What is around every request: its id, its line in the log, its count, and the headers of its answer."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass, field
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinemae.serve.logs import frames_of
from cinemae.serve.metrics import Metrics
from cinemae.serve.problems import ProblemError, respond

CLIENT_GONE = 499
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
DISCARD_SECONDS = 5.0
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
ROUTES = frozenset(("/", "/v1/detect", "/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json"))
log = logging.getLogger("cinemae.serve")


@dataclass
class Trace:
    """What is to be said of one request when it ends.

    Attributes:
        request_id: The client's ``X-Request-ID`` if it is a sane one, else made up.
        begun: On the monotonic clock, in seconds.
        status: HTTP status of the answer; 499 if the client hung up before it.
        images: Images in the request.
        body_bytes: Bytes of its body.
        key: Name of its API key.
        problem: Kind of the problem, if it was refused.
        body_left: Whether a part of the body was not read yet.
        body_begun: Whether any of it was read.
    """

    request_id: str
    begun: float = field(default_factory=time.monotonic)
    status: int = CLIENT_GONE
    images: int = 0
    body_bytes: int = 0
    key: str | None = None
    problem: str | None = None
    body_left: bool = True
    body_begun: bool = False


def trace_of(scope: Scope) -> Trace:
    """Return the trace of a request."""
    trace: Trace = scope["state"]["trace"]
    return trace


class Envelope:
    """Outermost layer of the application (ASGI middleware).

    Attributes:
        app: What is inside.
        metrics: Where requests are counted.
        discard_bytes: A request that is refused before its body was read is still read up to here, and
            thrown away: a client that is cut off while it sends never sees why.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, discard_bytes: int) -> None:
        self.app, self.metrics, self.discard_bytes = app, metrics, discard_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; other kinds of connections are passed on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        trace = Trace(given if SANE_ID.fullmatch(given) else uuid.uuid4().hex)
        scope.setdefault("state", {})["trace"] = trace
        listen, answer = partial(_receive, trace, receive), partial(self._send, trace, scope, receive, send)
        try:
            await self.app(scope, listen, answer)
        except Exception as error:  # a bug: it is written down, and the client learns that it was not its fault
            log.error("unhandled error", extra=_named(trace, error=type(error).__name__, frames=frames_of(error)))
            if trace.status != CLIENT_GONE:  # the answer has begun, it can only be cut off
                raise
            problem = ProblemError("internal-error", "the service met an error that it did not expect")
            trace.problem = "internal-error"
            await respond(problem, trace.request_id)(scope, listen, answer)
        finally:
            self._write_down(trace, scope)

    async def _send(self, trace: Trace, scope: Scope, receive: Receive, send: Send, message: Message) -> None:
        if message["type"] == "http.response.start":
            if trace.body_left:
                await self._discard(trace, scope, receive)
            trace.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", API_POLICY)
            headers.setdefault("Cache-Control", "no-store")
            headers["X-Request-ID"] = trace.request_id
        await send(message)

    async def _discard(self, trace: Trace, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0" if "transfer-encoding" not in headers else "")
        if length == "0" or (length.isdigit() and int(length) > 2 * self.discard_bytes):
            return
        if not trace.body_begun and headers.get("expect", "").lower() == "100-continue":
            return  # it waits for leave to send, and gets the answer instead
        left = self.discard_bytes
        try:
            async with asyncio.timeout(DISCARD_SECONDS):
                while trace.body_left and left > 0:
                    message = await _receive(trace, receive)
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return  # it was given the chance

    def _write_down(self, trace: Trace, scope: Scope) -> None:
        seconds = time.monotonic() - trace.begun
        route = scope["path"] if scope["path"] in ROUTES else "other"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self.metrics.requests.labels(method, route, str(trace.status)).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)
        if trace.status == CLIENT_GONE:
            self.metrics.gone.inc()
        if trace.problem is not None:
            self.metrics.problems.labels(trace.problem).inc()
        facts = _named(trace, method=method, route=route, status=trace.status, seconds=round(seconds, 4))
        facts |= {"images": trace.images, "bytes": trace.body_bytes, "key": trace.key, "problem": trace.problem}
        level = logging.DEBUG if route in ("/healthz", "/readyz", "/metrics") else logging.INFO
        log.log(level, "request", extra={name: value for name, value in facts.items() if value is not None})


async def _receive(trace: Trace, receive: Receive) -> Message:
    message = await receive()
    trace.body_begun = True
    if message["type"] == "http.request":
        trace.body_left = bool(message.get("more_body", False))
    else:
        trace.body_left = False
    return message


def _named(trace: Trace, **facts: object) -> dict[str, object]:
    return {"request_id": trace.request_id} | facts
