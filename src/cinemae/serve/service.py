"""The service without its routes: admission, scoring, answers, and the orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cinemae.detector import Detector
from cinemae.serve.config import ServeConfig
from cinemae.serve.envelope import Trace, trace_of
from cinemae.serve.keys import ENVIRONMENT, KeyEntry, KeyRing, RateLimiter
from cinemae.serve.metrics import MODEL_LABELS, Metrics
from cinemae.serve.problems import PREFIX, ProblemError
from cinemae.serve.scheduler import QueueFullError, Scheduler
from cinemae.serve.schemas import DetectResponse, ItemResult
from cinemae.serve.scoring import Scorer, Wishes
from cinemae.serve.uploads import Claim, ClientGoneError, Memory, Upload, read_uploads

DRAIN_STEP = 0.05
log = logging.getLogger("cinemae.serve")


class NoAnswer(Response):
    """Sends nothing: the client has hung up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do nothing."""


class Service:
    """Everything that requests share.

    Attributes:
        config: What it was told.
        scorer: The detector.
        keys: Who may ask.
        metrics: What is counted.
        scheduler: The queue.
        model: What is told of the model.
        draining: Whether it is about to stop.
    """

    def __init__(self, config: ServeConfig, detector: Detector) -> None:
        """Put the parts together.

        Raises:
            KeyFileError: If the keys can't be read.
        """
        self.config, self.scorer = config, Scorer(detector)
        self.keys = KeyRing(config.keys, os.environ.get(ENVIRONMENT))
        self.rates = RateLimiter()
        self.metrics = Metrics()
        self.memory = Memory(config.limits.memory_bytes)
        self.scheduler: Scheduler[ItemResult] = Scheduler(
            detector.jobs,
            config.limits.queue_images,
            on_start=self._begun,
            on_end=self._ended,
        )
        self.draining = False
        self._uploads = self._active = 0
        self.model = self.scorer.describe(config)
        self.metrics.model.labels(*(str(getattr(self.model, label)) for label in MODEL_LABELS)).set(1)

    def admit(self, request: Request) -> KeyEntry | None:
        """Return the key of a request, None where none is needed.

        Raises:
            ProblemError: If it is missing, unknown, or has asked for too much.
        """
        if not self.keys.required:
            return None
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = request.headers.get("x-api-key", "")
        entry = self.keys.find(given.strip()) if given else None
        if entry is None:
            detail = "this API key is not valid" if given else "send an API key: Authorization: Bearer KEY"
            raise ProblemError("key-required", detail, headers={"WWW-Authenticate": "Bearer"})
        trace_of(request.scope).key = entry.name
        return entry

    async def detect(self, request: Request, wishes: Wishes, name: str | None) -> Response:
        """Answer a request for verdicts.

        Raises:
            ProblemError: If it is refused as a whole.
        """
        trace = trace_of(request.scope)
        entry = self.admit(request)
        self._check(wishes)
        self._charge(entry, 0)
        self._active += 1
        try:
            with Claim(self.memory) as claim:
                uploads = await self._read(request, name, claim, trace)
                self._charge(entry, len(uploads))
                results = await self._score(uploads, wishes, request.receive)
        except ClientGoneError:
            return NoAnswer()
        finally:
            self._active -= 1
            self._show()
        self._count(results)
        if all(result.status != 200 for result in results):
            raise refused(results)
        reply = DetectResponse(results=results, request_id=trace.request_id)
        return Response(reply.model_dump_json(), media_type="application/json")

    async def drain(self) -> None:
        """Refuse new work from now on, and return once what was begun is done, or its time is over."""
        self.draining = True
        begun = time.monotonic()
        log.info("draining", extra={"requests": self._active})
        while self._active and time.monotonic() - begun < self.config.drain_seconds:
            await asyncio.sleep(DRAIN_STEP)
        await asyncio.sleep(max(0.0, self.config.drain_delay_seconds - (time.monotonic() - begun)))
        log.info("drained", extra={"requests": self._active, "seconds": round(time.monotonic() - begun, 3)})

    def _check(self, wishes: Wishes) -> None:
        if self.draining:
            raise ProblemError("draining", "send it to another instance", headers={"Retry-After": "1"})
        if (wishes.map or wishes.reconstruction) and not self.scorer.semantic:
            raise ProblemError("invalid-request", "this model has no semantic scale to draw maps of")
        if wishes.accurate and self.scorer.accurate is None:
            raise ProblemError("invalid-request", "this model has no rounds of masks to add")

    def _charge(self, entry: KeyEntry | None, images: int) -> None:
        """Take images from a key's share; a share that is used up refuses."""
        if entry is None or (rate := entry.images_per_minute or self.config.images_per_minute) is None:
            return
        rate /= self.config.workers
        if (wait := self.rates.wait(entry.name, rate)) > 0:
            retry = {"Retry-After": str(int(wait) + 1)}
            raise ProblemError("rate-limit", f"the key {entry.name} has used up its images", headers=retry)
        if images:
            self.rates.take(entry.name, rate, images)

    async def _read(self, request: Request, name: str | None, claim: Claim, trace: Trace) -> list[Upload]:
        if self._uploads >= self.config.limits.uploads:
            retry = {"Retry-After": str(self.scheduler.retry_after())}
            raise ProblemError("queue-full", "too many bodies are being read", headers=retry)
        self._uploads += 1
        self._show()
        try:
            uploads = await read_uploads(request.headers, name, request.receive, self.config.limits, claim)
        finally:
            self._uploads -= 1
            trace.body_bytes = claim.size
            self.metrics.bytes.inc(claim.size)
        trace.images = len(uploads)
        return uploads

    async def _score(self, uploads: list[Upload], wishes: Wishes, receive: Receive) -> list[ItemResult]:
        try:
            futures = self.scheduler.submit([partial(self.scorer.score, upload, wishes) for upload in uploads])
        except QueueFullError as error:
            retry = {"Retry-After": str(error.retry_after)}
            raise ProblemError("queue-full", "the queue of images is full", headers=retry) from error
        self._show()
        everything = asyncio.create_task(_collect(futures))
        hang_up = asyncio.create_task(_hang_up(receive))
        try:
            seconds = self.config.limits.deadline_seconds
            both: set[asyncio.Future[Any]] = {everything, hang_up}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if everything.done():
                return everything.result()
            if hang_up.done():
                raise ClientGoneError
            raise ProblemError("deadline", f"not all of {len(futures)} images were scored in {seconds:g} s")
        finally:
            for future in futures:
                future.cancel()  # what waits leaves the queue
            everything.cancel()
            hang_up.cancel()

    def _begun(self, waited: float) -> None:
        self.metrics.queue_seconds.observe(waited)
        self._show()

    def _ended(self, seconds: float) -> None:
        self.metrics.image_seconds.observe(seconds)
        self._show()

    def _count(self, results: Iterable[ItemResult]) -> None:
        for result in results:
            kind = result.problem.type.removeprefix(PREFIX) if result.problem else result.verdict.verdict
            self.metrics.images.labels(str(kind)).inc()

    def _show(self) -> None:
        self.metrics.waiting.set(self.scheduler.waiting)
        self.metrics.running.set(self.scheduler.running)
        self.metrics.uploads.set(self._uploads)
        self.metrics.memory.set(self.memory.used)


def refused(results: list[ItemResult]) -> ProblemError:
    """Return the problem of a request none of whose images was scored: their own if it is the same for all."""
    problems = [result.problem for result in results if result.problem is not None]
    kinds = {problem.type.removeprefix(PREFIX) for problem in problems}
    if len(problems) == 1:
        return ProblemError(kinds.pop(), problems[0].detail, results=results)
    statuses = {problem.status for problem in problems}
    status = statuses.pop() if len(statuses) == 1 else None
    kind = kinds.pop() if len(kinds) == 1 else "all-refused"
    return ProblemError(kind, f"all {len(results)} images were refused", status=status, results=results)


async def _collect(futures: list[asyncio.Future[ItemResult]]) -> list[ItemResult]:
    return [await future for future in futures]


async def _hang_up(receive: Receive) -> None:
    """Return when the client has hung up; the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
