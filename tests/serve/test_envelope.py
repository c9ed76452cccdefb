"""What is around every request: ids, log lines, counts, headers, and answers that reach who still sends."""

from __future__ import annotations

import asyncio
import re

import pytest

from cinemae.serve.envelope import HEADERS, SANE_ID
from pictures import encode
from toys import pink

pytestmark = pytest.mark.anyio
PATHS = ("/", "/page.js", "/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json", "/nothing", "/v1/nothing")


async def test_every_answer_has_the_security_headers(serving, images):
    async with serving() as client:
        answers = [await client.get(path) for path in PATHS]
        answers.append(await client.post("/v1/detect", content=b"x", headers={"content-type": "image/png"}))
        answers.append(await client.put("/v1/detect"))
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
        assert SANE_ID.fullmatch(answer.headers["x-request-id"])


@pytest.mark.parametrize("given", ["abc-123._Z", "x" * 64])
async def test_a_sane_request_id_is_kept(serving, given):
    async with serving() as client:
        assert (await client.get("/healthz", headers={"x-request-id": given})).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "a\tb"])
async def test_other_request_ids_are_replaced(serving, given):
    async with serving() as client:
        made = [(await client.get("/healthz", headers={"x-request-id": given})).headers["x-request-id"] for _ in "ab"]
    assert made[0] != made[1]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)


async def test_one_log_line_a_request_without_names_and_contents(serving, images, form, caplog):
    data = images["real-0.png"]
    with caplog.at_level("INFO", "cinemae.serve"):
        async with serving() as client:
            good = await client.post(
                "/v1/detect?name=secret", files=form(("secret.png", data)), headers={"x-request-id": "r1"}
            )
            await client.post("/v1/detect", files=form(("secret.png", b"secret")))
            await client.get("/secret.html?secret=1")
            await client.get("/healthz")
    lines = [vars(record) for record in caplog.records if record.message == "request"]
    facts = [{name: line[name] for name in ("method", "route", "status", "images")} for line in lines]
    assert facts == [
        {"method": "POST", "route": "/v1/detect", "status": 200, "images": 1},
        {"method": "POST", "route": "/v1/detect", "status": 415, "images": 1},
        {"method": "GET", "route": "other", "status": 404, "images": 0},
    ]
    assert lines[0]["request_id"] == "r1"
    assert lines[0]["bytes"] == int(good.request.headers["content-length"])
    assert 0 < lines[0]["seconds"] < 60
    assert lines[1]["problem"] == "unsupported-format"
    assert "secret" not in str([vars(record) for record in caplog.records if record.name.startswith("cinemae")])


async def test_metrics_count_what_happened(serving, images, form):
    async with serving() as client:
        files = form(("a.png", images["real-0.png"]), ("b.png", images["real-1.png"]), ("c.png", b"x"))
        verdicts = (await client.post("/v1/detect", files=files)).json()["results"]
        await client.post("/v1/detect", content=b"x", headers={"content-type": "text/plain"})
        answer = await client.get("/metrics")
    text = answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'cinemae_requests_total{method="POST",route="/v1/detect",status="200"} 1.0' in text
    assert 'cinemae_requests_total{method="POST",route="/v1/detect",status="415"} 1.0' in text
    assert 'cinemae_problems_total{problem="unsupported-media-type"} 1.0' in text
    assert 'cinemae_images_total{outcome="unsupported-format"} 1.0' in text
    for label in {result["verdict"]["verdict"] for result in verdicts[:2]}:
        assert f'cinemae_images_total{{outcome="{label}"}}' in text
    assert "cinemae_image_seconds_count 3.0" in text
    assert "cinemae_queue_seconds_count 3.0" in text
    for gauge in ("images_waiting", "images_running", "uploads", "body_memory_bytes"):
        assert f"cinemae_{gauge} 0.0" in text
    assert re.search(
        r'cinemae_model_info\{device="cpu",fingerprint="\w+-\w+-\w+",precision="\w+",version=".+"\} 1.0', text
    )


async def test_an_unexpected_error_is_a_problem_and_no_text_of_it_gets_out(serving, monkeypatch, caplog):
    async with serving() as client:

        def broken(request):
            raise RuntimeError("secret")

        monkeypatch.setattr(client.service, "admit", broken)
        answer = await client.get("/v1/model")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["type"] == "urn:cinemae:problem:internal-error"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if record.message == "unhandled error"]
    assert record.error == "RuntimeError"
    assert "secret" not in str(vars(record))


async def test_an_early_refusal_first_takes_what_is_still_sent(serving):
    """Who is cut off while it sends sees a broken connection, not the answer."""
    taken = 0

    async def body():
        nonlocal taken
        for _ in range(5):
            taken += 1
            yield b"x" * 1000

    async with serving() as client:
        answer = await client.post("/v1/detect", content=body(), headers={"content-type": "text/plain"})
        assert (answer.status_code, taken) == (415, 5)
    async with serving({"body_bytes": 2000}) as client:
        taken = 0
        answer = await client.post("/v1/detect", content=body(), headers={"content-type": "image/png"})
        assert (answer.status_code, taken) == (413, 5)


async def test_but_neither_for_ever_nor_from_who_waits_for_leave(serving, monkeypatch):
    monkeypatch.setattr("cinemae.serve.envelope.DISCARD_SECONDS", 0.1)
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1
            await asyncio.sleep(0)
            yield b"x" * 1000

    async def stuck():
        await asyncio.sleep(30)
        yield b"x"

    async with serving({"body_bytes": 10_000}) as client:
        assert (await client.post("/nothing", content=endless())).status_code == 405
        assert taken <= 11
        assert (await asyncio.wait_for(client.post("/nothing", content=stuck()), 5)).status_code == 405
        taken = 0
        polite = {"expect": "100-continue", "content-type": "text/plain"}
        assert (await client.post("/v1/detect", content=endless(), headers=polite)).status_code == 415
        assert taken == 0


async def test_other_origins_are_let_in_only_when_told(serving):
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    async with serving() as client:
        answer = await client.get("/healthz", headers={"origin": "https://a.example"})
        before = await client.options("/v1/detect", headers=asked)
        assert not any(name.startswith("access-control") for name in (*answer.headers, *before.headers))
        assert before.status_code == 405
    async with serving(cors_origins=("https://a.example",)) as client:
        answer = await client.get("/healthz", headers={"origin": "https://a.example"})
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "access-control-allow-credentials" not in answer.headers
        before = await client.options("/v1/detect", headers=asked | {"access-control-request-headers": "x-api-key"})
        assert before.status_code == 200
        other = await client.get("/healthz", headers={"origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_nothing_and_no_method_are_problems(serving):
    async with serving() as client:
        missing, wrong = await client.get("/v1/nothing"), await client.get("/v1/detect")
        twisted = await client.get("/v1/detect/")
    assert (missing.status_code, wrong.status_code, twisted.status_code) == (404, 405, 404)
    assert missing.json()["type"] == "urn:cinemae:problem:not-found"
    assert wrong.json()["type"] == "urn:cinemae:problem:method-not-allowed"
    assert wrong.headers["allow"] == "POST"


async def test_memory_is_given_back_after_every_kind_of_end(serving, form):
    large = encode(pink(1, 300), "PNG")
    async with serving() as client:
        await client.post("/v1/detect", files=form(("a", large), ("b", b"x")))
        await client.post("/v1/detect", files=form(("a", b"x")))
        await client.post("/v1/detect", content=large, headers={"content-type": "application/json"})
        assert client.service.memory.used == 0
