"""Admission, deadlines, hang-ups and the orderly end."""

from __future__ import annotations

import asyncio
import time

import pytest

from cinemae.serve.keys import KeyEntry, KeyFile, hash_key

pytestmark = pytest.mark.anyio


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_full_queue_says_when_to_come_again(serving, gate, images, form):
    data = images["real-0.png"]
    async with serving({"queue_images": 4, "files": 3}) as client:
        held = gate(client.service)
        first = asyncio.create_task(client.post("/v1/detect", files=form(*[("a", data)] * 3)))
        await until(lambda: held.begun == 2)
        refused = await client.post("/v1/detect", files=form(("b", data), ("c", data)))
        last = asyncio.create_task(client.post("/v1/detect", files=form(("d", data))))
        await until(lambda: client.service.scheduler.waiting == 2)
        held.open()
        answers = await asyncio.gather(first, last)
    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:cinemae:problem:queue-full"
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert [answer.status_code for answer in answers] == [200, 200]
    assert held.begun == 4  # nothing of the refused request was scored


async def test_too_many_uploads_at_once(serving, images):
    go, begun = asyncio.Event(), asyncio.Event()

    async def slow():
        begun.set()
        await go.wait()
        yield images["real-0.png"]

    png = {"content-type": "image/png"}
    async with serving({"uploads": 1}) as client:
        first = asyncio.create_task(client.post("/v1/detect", content=slow(), headers=png))
        await begun.wait()
        refused = await client.post("/v1/detect", content=images["real-0.png"], headers=png)
        go.set()
        assert (await first).status_code == 200
        assert (await client.post("/v1/detect", content=images["real-0.png"], headers=png)).status_code == 200
    assert refused.status_code == 503
    assert refused.headers["retry-after"]


async def test_the_deadline(serving, gate, images, form):
    data = images["real-0.png"]
    async with serving({"deadline_seconds": 0.2}) as client:
        held = gate(client.service)
        start = time.monotonic()
        answer = await client.post("/v1/detect", files=form(*[("a", data)] * 5))
        took = time.monotonic() - start
        await asyncio.sleep(0)
        assert (client.service.scheduler.waiting, client.service.scheduler.running) == (0, 2)
        held.open()
        await until(lambda: client.service.scheduler.running == 0)
    assert answer.status_code == 504
    assert answer.json()["type"] == "urn:cinemae:problem:deadline"
    assert took >= 0.2
    assert held.begun == 2


async def test_a_client_that_hangs_up_frees_its_places(serving, gate, images, caplog):
    body = images["real-0.png"]
    async with serving() as client:
        held = gate(client.service)
        others = [
            asyncio.create_task(client.post("/v1/detect", content=body, headers={"content-type": "image/png"}))
            for _ in range(2)
        ]
        await until(lambda: held.begun == 2)
        gone, sent = asyncio.Event(), []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"image/png"), (b"content-length", str(len(body)).encode())]
        scope = {
            "type": "http", "method": "POST", "path": "/v1/detect", "raw_path": b"/v1/detect", "query_string": b"",
            "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "",
        }  # fmt: skip
        request = asyncio.create_task(client.app(scope, receive, send))
        await until(lambda: client.service.scheduler.waiting == 1)
        with caplog.at_level("INFO", "cinemae.serve"):
            gone.set()
            await request
        assert client.service.scheduler.waiting == 0
        held.open()
        assert [answer.status_code for answer in await asyncio.gather(*others)] == [200, 200]
        text = (await client.get("/metrics")).text
    assert sent == []
    assert held.begun == 2
    assert [record.status for record in caplog.records if record.message == "request"] == [499]
    assert "cinemae_disconnects_total 1.0" in text


async def test_draining_refuses_new_work_and_finishes_what_was_begun(serving, gate, images, form):
    data = images["real-0.png"]
    async with serving() as client:
        held = gate(client.service)
        assert (await client.get("/readyz")).json() == {"status": "ok"}
        first = asyncio.create_task(client.post("/v1/detect", files=form(*[("a", data)] * 4)))
        await until(lambda: held.begun == 2)
        end = asyncio.create_task(client.service.drain())
        await asyncio.sleep(0.1)
        ready, alive = await client.get("/readyz"), await client.get("/healthz")
        refused = await client.post("/v1/detect", files=form(("b", data)))
        assert not end.done()
        held.open()
        answer = await first
        await asyncio.wait_for(end, 5)
    assert (ready.status_code, alive.status_code, refused.status_code) == (503, 200, 503)
    assert ready.json()["type"] == refused.json()["type"] == "urn:cinemae:problem:draining"
    assert refused.headers["retry-after"]
    assert [result["status"] for result in answer.json()["results"]] == [200] * 4


async def test_draining_ends_when_its_time_is_over(serving, gate, images, form):
    async with serving(drain_seconds=0.2) as client:
        held = gate(client.service)
        request = asyncio.create_task(client.post("/v1/detect", files=form(("a", images["real-0.png"]))))
        await until(lambda: held.begun == 1)
        await asyncio.wait_for(client.service.drain(), 600)
        assert not request.done()
        held.open()
        await request


async def test_draining_waits_for_the_balancer(serving):
    async with serving(drain_delay_seconds=0.3) as client:
        start = time.monotonic()
        await client.service.drain()
    assert time.monotonic() - start >= 0.3


async def test_keys(serving, images, tmp_path, caplog):
    file = tmp_path / "keys.json"
    file.write_text(KeyFile(keys=(KeyEntry(name="alice", sha256=hash_key("open sesame")),)).model_dump_json())
    post = {"url": "/v1/detect", "content": images["real-0.png"]}
    png = {"content-type": "image/png"}
    async with serving(keys=file) as client:
        without = await client.post(**post, headers=png)
        wrong = await client.post(**post, headers=png | {"authorization": "Bearer sesame"})
        model = await client.get("/v1/model")
        with caplog.at_level("INFO", "cinemae.serve"):
            good = await client.post(**post, headers=png | {"authorization": "Bearer open sesame"})
        other = await client.post(**post, headers=png | {"x-api-key": "open sesame"})
        free = [(await client.get(path)).status_code for path in ("/", "/healthz", "/readyz", "/metrics")]
    assert [answer.status_code for answer in (without, wrong, model, good, other)] == [401, 401, 401, 200, 200]
    assert without.headers["www-authenticate"] == "Bearer"
    assert without.json()["type"] == "urn:cinemae:problem:key-required"
    assert free == [200] * 4
    assert [record.key for record in caplog.records if record.message == "request"] == ["alice"]
    assert "sesame" not in str([vars(record) for record in caplog.records])


async def test_keys_of_the_environment_and_metrics_behind_them(serving, monkeypatch):
    monkeypatch.setenv("CINEMAE_API_KEYS", f"bob={hash_key('b')}")
    async with serving(metrics="key") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"x-api-key": "b"})).status_code == 200
    async with serving(metrics="off") as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_a_key_has_its_rate(serving, images, form, tmp_path):
    entries = (
        KeyEntry(name="alice", sha256=hash_key("a")),
        KeyEntry(name="bob", sha256=hash_key("b"), images_per_minute=600),
    )
    (tmp_path / "keys.json").write_text(KeyFile(keys=entries).model_dump_json())
    files = form(*[("a", images["real-0.png"])] * 3)
    async with serving(keys=tmp_path / "keys.json", images_per_minute=4, workers=2) as client:
        # Two workers: two images a minute here. The first request may take more than there is.
        answers = [await client.post("/v1/detect", files=files, headers={"x-api-key": "a"}) for _ in range(2)]
        assert (await client.post("/v1/detect", files=files, headers={"x-api-key": "b"})).status_code == 200
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["type"] == "urn:cinemae:problem:rate-limit"
    assert 50 <= int(answers[1].headers["retry-after"]) <= 61
