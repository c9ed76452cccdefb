"""The service without a network: an application around the toy detector, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cinemae import Detector
from cinemae.serve.app import create_app
from cinemae.serve.config import Limits, ServeConfig
from cinemae.serve.service import Service
from cinemae.settings import DetectorSettings
from pictures import encode
from toys import pink, upsampled

Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def detector(head_folder: Path) -> Detector:
    """The toy detector, two images at the same time."""
    return DetectorSettings(model=str(head_folder), device="cpu", jobs=2, max_pixels=1_000_000).load()


@pytest.fixture
def serving(detector: Detector, head_folder: Path) -> Serving:
    """A client of an application with these limits and settings; ``client.service`` is what is behind it."""

    @asynccontextmanager
    async def serve(limits: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        config = ServeConfig(
            detector=DetectorSettings(model=str(head_folder), device="cpu"), limits=Limits(**limits or {}), **settings
        )
        app = create_app(config, detector)
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://cinemae.test") as client:
            client.app, client.service = app, app.state.service
            yield client
        app.state.service.scheduler.close()

    return serve


@pytest.fixture(scope="session")
def images() -> dict[str, bytes]:
    """16 different pictures as PNG and JPEG files, by name."""
    files = {f"real-{n}.png": encode(pink(n), "PNG") for n in range(8)}
    return files | {f"ai-{n}.jpg": encode(upsampled(n), "JPEG", quality=95) for n in range(8)}


class Gate:
    """Holds scoring threads until it is opened."""

    def __init__(self, service: Service) -> None:
        import threading

        self._open, self.begun = threading.Event(), 0
        score = service.scorer.score

        def held(*arguments: Any) -> Any:
            self.begun += 1
            assert self._open.wait(20)
            return score(*arguments)

        service.scorer.score = held

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> type[Gate]:
    return Gate


def form(*files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Files for httpx."""
    return [("file", (name, data, "application/octet-stream")) for name, data in files]


@pytest.fixture(name="form")
def _form() -> Callable[..., Any]:
    return form
