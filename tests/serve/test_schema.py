"""Whatever the OpenAPI document allows, and much that it doesn't: no server error, and answers as described."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from cinemae import Detector
from cinemae.serve.app import create_app
from cinemae.serve.config import Limits, ServeConfig
from cinemae.settings import DetectorSettings
from pictures import encode
from toys import pink

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def app(detector: Detector, head_folder: Path) -> Any:
    """The application around the toy detector, with limits that generated requests do meet."""
    settings = DetectorSettings(model=str(head_folder), device="cpu")
    made = create_app(ServeConfig(detector=settings, limits=Limits(files=3, body_bytes=20_000)), detector)
    yield made
    made.state.service.scheduler.close()


@pytest.fixture(scope="module")
def api(app: Any) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", LongLived(app))


class LongLived:
    """Keeps the application going when a client leaves: schemathesis starts and ends it for every request."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})


GETS = ("/v1/model", "/healthz", "/readyz", "/metrics")
OPERATIONS = [
    *(("/v1/detect", "POST", mode) for mode in GenerationMode),
    *((path, "GET", GenerationMode.POSITIVE) for path in GETS),  # these take nothing that could be wrong
]


def test_generated_requests_meet_no_server_error(api: Any) -> None:
    """Requests as the document allows, and requests that break it."""
    seen: Counter[tuple[str, int]] = Counter()
    for path, method, mode in OPERATIONS:

        @hypothesis.given(api[path][method].as_strategy(generation_mode=mode))
        @hypothesis.settings(
            max_examples=60 if path == "/v1/detect" else 3,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        def run(path: str, case: Any) -> None:
            response = case.call()
            seen[path, response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        run(path)
    assert {path for path, _ in seen} == {"/v1/detect", *GETS}
    # What was sent was not all turned away at the door.
    assert {status for path, status in seen if path == "/v1/detect"} & {400, 415, 422}
    assert not [key for key in seen if key[1] >= 500]


def test_the_document_s_own_examples_work(app: Any) -> None:
    """With TestClient, which raises whatever the application lets out."""
    client = TestClient(app)
    document = client.get("/openapi.json").json()
    content = document["paths"]["/v1/detect"]["post"]["requestBody"]["content"]
    (example,) = content["application/json"]["examples"].values()
    answer = client.post("/v1/detect", json=example["value"])
    assert answer.status_code == 200
    assert answer.json()["results"][0]["verdict"]["format"] == "PNG"


SOUND = base64.b64encode(encode(pink(1), "JPEG")).decode()
ODD_BODIES: dict[str, bytes] = {
    "deep": b'{"images":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "nan": b'{"images": [{"data": NaN}]}',
    "huge number": b'{"images": [{"data": ' + b"9" * 5000 + b"}]}",
    "lone surrogate": json.dumps({"images": [{"name": "\ud800", "data": SOUND}]}).encode(),
    "null in the name": json.dumps({"images": [{"name": "a\0b", "data": SOUND}]}).encode(),
    "twice the same key": b'{"images": [], "images": [{"data": ""}]}',
    "utf-16": json.dumps({"images": [{"data": SOUND}]}).encode("utf-16"),
    "list": b"[]",
    "nothing": b"",
    "no image": b'{"images": []}',
    "empty data": b'{"images": [{"data": ""}]}',
    "unpadded": b'{"images": [{"data": "QUJ"}]}',
    "spaces": b'{"images": [{"data": "QUJD "}]}',
    "unicode": '{"images": [{"data": "äöü"}]}'.encode(),
}
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
ODD_FORMS: dict[str, bytes] = {
    "no end": PART + b"\r\nabc",
    "no header": b"--x\r\n\r\nabc\r\n--x--\r\n",
    "only the end": b"--x--\r\n",
    "another boundary": PART.replace(b"--x", b"--y") + b"\r\nabc\r\n--y--\r\n",
    "long header": b"--x\r\n" + b"A" * 9000 + b": b\r\n\r\nabc\r\n--x--\r\n",
    "encoding": PART + b"Content-Transfer-Encoding: base64\r\n\r\nabc\r\n--x--\r\n",
    "name in bytes": PART.replace(b'"a"', b'"\xff\xfe"') + b"\r\nabc\r\n--x--\r\n",
    "four files": (PART + b"\r\nabc\r\n") * 4 + b"--x--\r\n",
    "no name": b"--x\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--x--\r\n",
    "after the end": PART + b"\r\nabc\r\n--x--\r\nmore and more",
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_odd_json_is_answered(body: bytes, app: Any) -> None:
    answer = TestClient(app).post("/v1/detect", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400, 422)
    assert answer.status_code == 200 or answer.json()["type"].startswith("urn:cinemae:problem:")


@pytest.mark.parametrize("body", ODD_FORMS.values(), ids=ODD_FORMS)
def test_odd_forms_are_answered(body: bytes, app: Any) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = TestClient(app).post("/v1/detect", content=body, headers=headers)
    assert answer.status_code in (400, 413, 415, 422)
    assert answer.json()["type"].startswith("urn:cinemae:problem:")


CONTENT_TYPES = [
    "multipart/form-data", "multipart/form-data; boundary=", "image/", "", ";", "json",
    'multipart/form-data; boundary="',
    "multipart/mixed; boundary=x", "multipart/form-data; boundary=" + "y" * 3000, "application/json; charset=utf-7",
    "image/png; a=b; a=c", "\xff\xfe",
]  # fmt: skip


@pytest.mark.parametrize("given", CONTENT_TYPES)
def test_odd_content_types_are_answered(given: str, app: Any) -> None:
    headers = {"content-type": given.encode("latin-1")}
    answer = TestClient(app).post("/v1/detect", content=b"abc", headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
