"""HEAD is GET without the body, on every page: probes ask so."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio
PAGES = ("/", "/page.js", "/healthz", "/readyz", "/metrics", "/v1/model", "/openapi.json", "/nowhere", "/v1/detect")


@pytest.mark.parametrize("page", PAGES)
async def test_head_has_the_status_and_headers_of_get_and_no_body(serving, page):
    async with serving() as client:
        asked, got = await client.head(page), await client.get(page)
    assert asked.status_code == got.status_code
    assert asked.status_code == {"/nowhere": 404, "/v1/detect": 405}.get(page, 200)
    assert asked.content == b""
    assert got.content
    moving = {"x-request-id", "date"} | ({"content-length"} if page == "/metrics" else set())
    headers = [{n: v for n, v in answer.headers.items() if n not in moving} for answer in (asked, got)]
    assert headers[0] == headers[1]


async def test_head_of_a_service_that_drains_is_not_ready(serving):
    async with serving() as client:
        client.service.draining = True
        asked = await client.head("/readyz")
    assert (asked.status_code, asked.content) == (503, b"")


async def test_head_needs_a_key_where_get_does(serving, tmp_path):
    from cinemae.serve.keys import make_key

    key, _ = make_key("probe", tmp_path / "keys.json")
    async with serving(keys=tmp_path / "keys.json") as client:
        assert (await client.head("/v1/model")).status_code == 401
        assert (await client.head("/v1/model", headers={"X-API-Key": key})).status_code == 200
        assert (await client.head("/healthz")).status_code == 200


async def test_what_was_asked_is_what_is_counted(serving):
    async with serving() as client:
        await client.head("/healthz")
        text = (await client.get("/metrics")).text
    assert 'cinemae_requests_total{method="HEAD",route="/healthz",status="200"} 1.0' in text
