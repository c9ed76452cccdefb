"""The application: routes, errors and layers around the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from cinemae.detector import Detector
from cinemae.serve import openapi
from cinemae.serve.config import ServeConfig
from cinemae.serve.envelope import Envelope, trace_of
from cinemae.serve.head import HeadAsGet
from cinemae.serve.problems import PREFIX, ProblemError, of_status, respond
from cinemae.serve.schemas import DetectResponse, FieldError, Health, ModelInfo
from cinemae.serve.scoring import Wishes
from cinemae.serve.service import Service
from cinemae.serve.static import page

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(config: ServeConfig, detector: Detector | None = None, *, lifespan: Lifespan | None = None) -> FastAPI:
    """Make the application.

    Args:
        config: What it is told.
        detector: A detector that is there already; None loads the one that the configuration names.
        lifespan: What else to do at start and end (ASGI lifespan).

    Raises:
        KeyFileError: If the API keys can't be read.
        CheckpointError: If an MAE does not load.
        DeviceError: If the device can't be used.
        HeadError: If the head is missing or does not fit.
    """
    from cinemae import __version__

    service = Service(config, detector or config.detector.load())

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with (lifespan or _nothing)(app):
            yield
        service.scheduler.close()

    app = FastAPI(
        title="cinemae",
        version=__version__,
        description=openapi.DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
    )
    app.state.service = service
    _add_api(app, service)
    _add_operations(app, service)
    app.add_route("/", page, methods=["GET"], include_in_schema=False)
    app.add_route("/{name}", page, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_middleware(HeadAsGet)
    if config.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID"],
        )
    app.add_middleware(Envelope, metrics=service.metrics, discard_bytes=config.limits.body_bytes)
    openapi.install(app, keys=service.keys.required, metrics_key=config.metrics == "key")
    return app


def _add_api(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/detect",
        operation_id="detect",
        summary="Score images",
        description=openapi.DETECT,
        response_model=DetectResponse,
        responses=openapi.detect_responses(),
        openapi_extra={"requestBody": openapi.REQUEST_BODY},
    )
    async def detect(
        request: Request,
        map: Annotated[bool, Query(description="Add the map, as numbers and as a PNG.")] = False,
        reconstruction: Annotated[bool, Query(description="Add the MAE's view and its prediction.")] = False,
        accurate: Annotated[bool, Query(description="Four rounds of masks: slower, less noise.")] = False,
        evidence: Annotated[bool, Query(description="Add what the file says of itself, and the conclusion.")] = True,
        seed: Annotated[int, Query(ge=0, le=2**32 - 1, description="Seed of the masks.")] = 0,
        name: Annotated[str, Query(min_length=1, max_length=255, description="Name of a raw body.")] = "upload",
    ) -> Response:
        return await service.detect(request, Wishes(map, reconstruction, accurate, seed, evidence), name)

    @app.get(
        "/v1/model",
        operation_id="model",
        summary="The model and the limits",
        response_model=ModelInfo,
        responses=openapi.model_responses(service.model),
    )
    async def model(request: Request) -> Response:
        service.admit(request)
        return Response(service.model.model_dump_json(), media_type="application/json")


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get(
        "/healthz",
        operation_id="health",
        summary="Whether the process lives",
        response_model=Health,
        responses=openapi.health_responses(),
    )
    async def health() -> Health:
        return Health(status="ok")

    @app.get(
        "/readyz",
        operation_id="ready",
        summary="Whether it takes work",
        response_model=Health,
        responses=openapi.ready_responses(),
    )
    async def ready() -> Health:
        if service.draining:
            raise ProblemError("draining", "no new work is taken", headers={"Retry-After": "1"})
        return Health(status="ok")

    if service.config.metrics == "off":
        return

    @app.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics for Prometheus",
        response_class=PlainTextResponse,
        responses=openapi.metrics_responses(),
    )
    async def metrics(request: Request) -> Response:
        if service.config.metrics == "key":
            service.admit(request)
        return Response(service.metrics.render(), media_type=PROMETHEUS)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    trace = trace_of(request.scope)
    trace.problem = error.problem.type.removeprefix(PREFIX)
    return respond(error, trace.request_id)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [FieldError(where=".".join(map(str, one["loc"])), message=one["msg"]) for one in error.errors()]
    return await _problem(
        request, ProblemError("invalid-request", "a parameter is not what it should be", errors=wrong)
    )


async def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = of_status(error.status_code, error.detail)
    problem.headers = error.headers or {}
    return await _problem(request, problem)


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield
