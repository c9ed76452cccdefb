"""Everything that a service can be told, as data: it travels as JSON to the worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cinemae.settings import DetectorSettings

MIB = 1 << 20


class Limits(BaseModel):
    """What one request, and all of them together, may ask for.

    Attributes:
        body_bytes: Most bytes of a request's body.
        files: Most images in a request.
        uploads: Most requests whose body is read at the same time.
        queue_images: Most images waiting or in work.
        memory_bytes: Most bytes of all bodies in memory, from the first byte to the answer.
        read_seconds: Longest wait for the next part of a body.
        upload_seconds: Longest time for a whole body.
        deadline_seconds: Longest time from the end of the body to the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(default=64 * MIB, ge=1024)
    files: int = Field(default=32, ge=1)
    uploads: int = Field(default=128, ge=1)
    queue_images: int = Field(default=256, ge=1)
    memory_bytes: int = Field(default=512 * MIB, ge=1024)
    read_seconds: float = Field(default=10.0, gt=0)
    upload_seconds: float = Field(default=120.0, gt=0)
    deadline_seconds: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _one_request_fits(self) -> Self:
        if self.files > self.queue_images:
            raise ValueError(f"a request of {self.files} images never fits a queue of {self.queue_images}")
        if self.body_bytes > self.memory_bytes:
            raise ValueError(f"a body of {self.body_bytes} bytes never fits a memory of {self.memory_bytes}")
        return self


class ServeConfig(BaseModel):
    """A service.

    Attributes:
        detector: Which detector to load.
        limits: Limits of requests.
        keys: JSON file with the hashes of the API keys; None takes those of ``CINEMAE_API_KEYS``, and
            without these the service is open to all who reach it.
        images_per_minute: What a key may ask for, unless its entry says otherwise; None is no limit.
        cors_origins: Origins whose pages may call the API from a browser.
        metrics: Whether ``/metrics`` is ``open``, needs a ``key``, or is ``off``.
        workers: Processes, each with its own model; rates are divided by it.
        drain_seconds: Longest time for the work in hand when the service is told to stop.
        drain_delay_seconds: Time between ``/readyz`` saying 503 and the end of listening, so that a load
            balancer sees it.
        log_level: Least level that is logged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: DetectorSettings = DetectorSettings()
    limits: Limits = Limits()
    keys: Path | None = None
    images_per_minute: float | None = Field(default=None, gt=0)
    cors_origins: tuple[str, ...] = ()
    metrics: Literal["open", "key", "off"] = "open"
    workers: int = Field(default=1, ge=1)
    drain_seconds: float = Field(default=30.0, ge=0)
    drain_delay_seconds: float = Field(default=0.0, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _pixels_and_no_personal_data(self) -> Self:
        if self.detector.evidence == "only":
            raise ValueError("the service scores pixels: evidence can be on or off")
        if self.detector.personal:
            raise ValueError("the service does not tell places, names and serial numbers")
        return self
