"""The API's description is complete, valid, and what the service does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from cinemae.serve.problems import KINDS
from cinemae.serve.schemas import DetectBody, DetectResponse, ModelInfo, ProblemReply

pytestmark = pytest.mark.anyio


@pytest.fixture
async def document(serving) -> dict[str, Any]:
    async with serving() as client:
        return (await client.get("/openapi.json")).json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


async def test_what_is_there(document):
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {"/v1/detect", "/v1/model", "/healthz", "/readyz", "/metrics"}
    assert not any("HTTPValidationError" in name for name in document["components"]["schemas"])
    body = document["paths"]["/v1/detect"]["post"]["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/json", "application/octet-stream", "image/*"}
    statuses = document["paths"]["/v1/detect"]["post"]["responses"]
    expected = {200} | {kind.status for name, kind in KINDS.items() if name not in ("not-found", "method-not-allowed")}
    assert {int(status) for status in statuses} == expected


async def test_every_body_and_answer_has_an_example_that_fits_its_schema(document):
    checked = 0
    for path, operation in operations(document):
        answers = [(status, answer["content"]) for status, answer in operation["responses"].items()]
        for status, content in [("body", operation.get("requestBody", {}).get("content", {})), *answers]:
            for media, described in content.items():
                assert described["examples"], (path, status, media)
                schema = described["schema"] | {"components": document["components"]}
                for example in described["examples"].values():
                    jsonschema_rs.validator_for(schema).validate(example["value"])
                    checked += 1
                assert status == "body" or (media == "application/problem+json") == (int(status) >= 400)
    assert checked > 30


async def test_examples_are_what_the_code_reads_and_writes(document, serving):
    detect = document["paths"]["/v1/detect"]["post"]
    for example in detect["responses"]["200"]["content"]["application/json"]["examples"].values():
        assert DetectResponse.model_validate(example["value"]).model_dump(mode="json") == example["value"]
    for example in detect["responses"]["422"]["content"]["application/problem+json"]["examples"].values():
        ProblemReply.model_validate(example["value"])
    body = detect["requestBody"]["content"]["application/json"]["examples"]["one"]["value"]
    DetectBody.model_validate(body)
    async with serving() as client:
        assert (await client.post("/v1/detect", json=body)).status_code == 200
        model = await client.get("/v1/model")
    ModelInfo.model_validate(model.json())


async def test_keys_are_in_it_where_they_are_needed(serving, monkeypatch, document):
    assert not any("security" in operation for _, operation in operations(document))
    monkeypatch.setenv("CINEMAE_API_KEYS", "a=" + "0" * 64)
    async with serving() as client:
        closed = (await client.get("/openapi.json")).json()
    assert {path for path, operation in operations(closed) if "security" in operation} == {"/v1/detect", "/v1/model"}
    assert set(closed["components"]["securitySchemes"]) == {"bearer", "header"}


async def test_real_answers_fit_their_schemas(serving, document, images, form):
    async with serving() as client:
        answers = {
            ("/v1/detect", "post"): [
                await client.post("/v1/detect?map=true&reconstruction=true", files=form(("a", images["real-0.png"]))),
                await client.post("/v1/detect", files=form(("a", images["real-0.png"]), ("b", b"x"))),
                await client.post("/v1/detect", files=form(("a", b"x"))),
                await client.post("/v1/detect?seed=x"),
                await client.post("/v1/detect", content=b"x", headers={"content-type": "text/plain"}),
                await client.post("/v1/detect", json={"images": [{"data": 1}]}),
            ],
            ("/v1/model", "get"): [await client.get("/v1/model")],
            ("/readyz", "get"): [await client.get("/readyz")],
        }
    for (path, method), given in answers.items():
        for answer in given:
            described = document["paths"][path][method]["responses"][str(answer.status_code)]["content"]
            schema = described[answer.headers["content-type"]]["schema"] | {"components": document["components"]}
            jsonschema_rs.validator_for(schema).validate(json.loads(answer.text))
    assert [answer.status_code for answer in answers["/v1/detect", "post"]] == [200, 200, 415, 422, 415, 422]


async def test_it_is_written_once(serving):
    async with serving() as client:
        first, second = await asyncio.gather(client.get("/openapi.json"), client.get("/openapi.json"))
    assert isinstance(first, httpx.Response)
    assert first.content == second.content
