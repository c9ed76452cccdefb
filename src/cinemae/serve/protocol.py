"""HTTP/1.1 as uvicorn speaks it, with a time limit for the head of a request, which it lacks."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_SECONDS = 10.0


class PatientProtocol(H11Protocol):
    """Closes a connection that opens, or begins a request, and does not send the whole head in time.

    A body has its own limits, in :mod:`cinemae.serve.uploads`; between requests uvicorn's own limit holds.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _after: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take data; begin to wait if they are the start of another request's head."""
        super().data_received(data)
        idle = self.cycle is None or self.cycle.response_complete
        if idle and (self._head_timer is None or self._after is not self.cycle):
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._after = self.cycle
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._late)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        if self.cycle is self._after and not self.transport.is_closing():  # no request has begun since
            self.transport.close()
