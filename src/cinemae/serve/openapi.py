"""The API's description: words and examples for the OpenAPI document."""

from __future__ import annotations

import base64
import io
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from PIL import Image
from pydantic import BaseModel

from cinemae.evidence import Detail, Evidence, Finding, conclude
from cinemae.serve.problems import KINDS, MEDIA_TYPE, make_problem
from cinemae.serve.schemas import DetectBody, DetectResponse, Health, ItemResult, MapResult, ModelInfo, ProblemReply
from cinemae.verdict import ErrorInfo, Verdict

Responses = dict[int | str, dict[str, Any]]
REQUEST_ID = "3f0c2a9e5b7d4e61a8c4d2b19f6e7a50"

DESCRIPTION = """\
Says of an image whether an AI generator made it. Give it files; it fetches nothing from other places, and what is
sent is neither stored nor logged. Beside the verdict on the pixels stands what the file says of itself (C2PA, IPTC,
generators' metadata, camera data; `evidence`), and what both come to (`conclusion`). GPS positions, names of people and
serial numbers are not told, only that they are there.

Errors are problem details (RFC 9457) whose `type` never changes. `503` and `429` come with `Retry-After`.
"""

DETECT = """\
Send one or many images, as a form, as JSON, or one image as the raw body. The answer has one result an image, in
the order of the request. An image that is refused does not stop the others: its result has its own `status` and
`problem`. If all are refused, the whole answer is a problem with that status (`422` if they differ), and has the
`results` too.
"""


def _example_image() -> str:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


_IMAGE = _example_image()
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}
_RAW = {"schema": _BINARY, "examples": {"photo": {"summary": "The bytes of the file", "value": "(bytes of photo.jpg)"}}}
REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "description": "The images. A field of a form that is not `file` is refused.",
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "array", "items": _BINARY, "minItems": 1}},
                "required": ["file"],
                "additionalProperties": False,
            },
            "examples": {"two": {"summary": "Two files", "value": {"file": ["(bytes of a.jpg)", "(bytes of b.png)"]}}},
        },
        "application/json": {
            "schema": {"$ref": "#/components/schemas/DetectBody"},
            "examples": {
                "one": {"summary": "A small PNG", "value": {"images": [{"name": "gradient.png", "data": _IMAGE}]}}
            },
        },
        "application/octet-stream": _RAW,
        "image/*": _RAW,
    },
}

_EVIDENCE = Evidence(
    findings=(
        Finding(
            source="camera", says="captured", strength="weak", where="EXIF",
            text="the file has the data of a camera (Example X100), which anyone can write or copy",
            details=(
                Detail(name="camera", value="Example X100"), Detail(name="GPS position", value="there, not shown"),
            ),
        ),
    ),
)  # fmt: skip
_VERDICT = Verdict(
    path="photo.jpg", verdict="real", probability=0.0312, threshold=0.5, band=(0.35, 0.65),
    alpha=0.1, p_ai=0.0041, p_real=0.9123, bits_per_dim=3.9017,
    width=1600, height=1200, format="JPEG", file_bytes=412_907,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", frames=1,
    model="5d1c0e9b7a3f2468-0a1b2c3d4e5f6071-8899aabbccddeeff", precision="f32", seconds=0.182,
    evidence=_EVIDENCE, conclusion=conclude(_EVIDENCE, "real", 0.0312),
)  # fmt: skip
_CUT = Verdict(
    path="cut.jpg",
    model=_VERDICT.model,
    seconds=0.001,
    error=ErrorInfo(type="TruncatedImageError", message="cut.jpg: the file ends before the image does"),
)
_SCORED = ItemResult(status=200, verdict=_VERDICT)
_REFUSED = ItemResult(
    status=422, verdict=_CUT, problem=make_problem("truncated-image", "cut.jpg: the file ends before the image does")
)
_MAP = MapResult(
    rows=2, cols=2, bits=((3.8, 4.1), (4.0, 3.7)), gap=((-0.1, 0.3), (0.2, -0.2)), box=(200, 0, 1400, 1200), png=_IMAGE
)


def _examples(media: str, **values: BaseModel) -> dict[str, Any]:
    shown = {name: {"value": value.model_dump(mode="json")} for name, value in values.items()}
    return {"content": {media: {"examples": shown}}}


def _problems(*kinds: str) -> Responses:
    """Return responses for kinds of problems, an example each, sorted by status."""
    found: Responses = {}
    for kind in kinds:
        status = KINDS[kind].status
        reply = ProblemReply(
            **make_problem(kind, _DETAILS.get(kind, KINDS[kind].title)).model_dump(),
            instance=f"urn:cinemae:request:{REQUEST_ID}",
            results=[_REFUSED] if kind == "truncated-image" else None,
        )
        entry = found.setdefault(status, {"model": ProblemReply, "description": KINDS[kind].title, "content": {}})
        examples = entry["content"].setdefault("application/json", {"examples": {}})["examples"]
        value = {name: part for name, part in reply.model_dump(mode="json").items() if part is not None}
        examples[kind] = {"value": value}
        if len(examples) > 1:
            entry["description"] = "One of: " + ", ".join(f"`{name}`" for name in examples)
        if status in (429, 503):
            entry["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return found


_DETAILS = {
    "unsupported-format": "notes.txt: not an image of a supported format",
    "truncated-image": "cut.jpg: the file ends before the image does",
    "body-too-large": "the body has more than 67,108,864 bytes",
    "queue-full": "the queue of images is full",
    "key-required": "send an API key: Authorization: Bearer KEY",
}


def detect_responses() -> Responses:
    """Return the answers of ``/v1/detect``."""
    some = DetectResponse(results=[_SCORED, _REFUSED], request_id=REQUEST_ID)
    mapped = DetectResponse(results=[_SCORED.model_copy(update={"map": _MAP})], request_id=REQUEST_ID)
    good = {"description": "At least one image was scored"} | _examples("application/json", some=some, map=mapped)
    kinds = [kind for kind in KINDS if kind not in ("not-found", "method-not-allowed")]
    return {200: good} | _problems(*kinds)


def model_responses(info: ModelInfo) -> Responses:
    """Return the answers of ``/v1/model``."""
    return {200: _examples("application/json", model=info)} | _problems("key-required")


def health_responses() -> Responses:
    """Return the answer of ``/healthz``."""
    return {200: _examples("application/json", ok=Health(status="ok"))}


def ready_responses() -> Responses:
    """Return the answers of ``/readyz``."""
    return health_responses() | _problems("draining")


def metrics_responses() -> Responses:
    """Return the answers of ``/metrics``."""
    text = '# TYPE cinemae_images_total counter\ncinemae_images_total{outcome="real"} 5.0\n'
    content = {"text/plain": {"schema": {"type": "string"}, "examples": {"some": {"value": text}}}}
    return {200: {"description": "Prometheus's text form", "content": content}} | _problems("key-required")


def install(app: FastAPI, *, keys: bool, metrics_key: bool) -> None:
    """Complete the document that FastAPI writes: media types of problems, schemas of bodies, keys.

    Args:
        app: The application, with all of its routes.
        keys: Whether the API needs a key.
        metrics_key: Whether the metrics need one as well.
    """
    plain = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            written = plain()
            _restore_examples(written, app)
            app.openapi_schema = _complete(written, keys, metrics_key)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _restore_examples(written: dict[str, Any], app: FastAPI) -> None:
    """Put the examples back as they are: FastAPI leaves out every null, which answers have."""
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.methods:
            continue
        (method,) = route.methods
        for status, response in route.responses.items():
            content = written["paths"][route.path][method.lower()]["responses"][str(status)]["content"]
            for media, described in response.get("content", {}).items():
                content[media]["examples"] = described["examples"]


def _complete(written: dict[str, Any], keys: bool, metrics_key: bool) -> dict[str, Any]:
    parts = written.setdefault("components", {})
    body = DetectBody.model_json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"] |= body.pop("$defs") | {"DetectBody": body}
    parts["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, methods in written["paths"].items():
        for operation in methods.values():
            if keys and (path.startswith("/v1/") or (path == "/metrics" and metrics_key)):
                operation["security"] = [{"bearer": []}, {"header": []}]
            for status, response in operation["responses"].items():
                named = {"description": "Names the request in the logs.", "schema": {"type": "string"}}
                response.setdefault("headers", {})["X-Request-ID"] = named
                if int(status) >= 400:
                    examples = response["content"]["application/json"]["examples"]
                    schema = {"$ref": f"#/components/schemas/{ProblemReply.__name__}"}
                    response["content"] = {MEDIA_TYPE: {"schema": schema, "examples": examples}}
    return written
