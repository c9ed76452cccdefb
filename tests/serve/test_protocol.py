"""A connection must send the head of a request in time; a body and an idle connection have other limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from cinemae.serve import protocol
from cinemae.serve.protocol import PatientProtocol

pytestmark = pytest.mark.anyio
LIMIT = 0.3


async def app(scope, receive, send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.fixture
async def connect(monkeypatch):
    """Connections to a server with a short limit."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", LIMIT)
    config = uvicorn.Config(app, port=0, http=PatientProtocol, lifespan="off", log_level="error", ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    async with asyncio.timeout(600):
        while not server.started:
            await asyncio.sleep(0.01)
    place = server.servers[0].sockets[0].getsockname()[:2]

    @asynccontextmanager
    async def open_one() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(*place)
        yield reader, writer
        writer.close()

    yield open_one
    server.should_exit = True
    await task


async def closed_after(reader: asyncio.StreamReader) -> float:
    start = asyncio.get_running_loop().time()
    async with asyncio.timeout(600):
        await reader.read()
    return asyncio.get_running_loop().time() - start


async def test_silence_is_cut_off(connect):
    async with connect() as (reader, _):
        assert await closed_after(reader) > LIMIT * 0.8


async def test_half_a_head_is_cut_off(connect):
    async with connect() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert await closed_after(reader) > LIMIT * 0.8


async def test_half_of_a_second_head_is_cut_off_too(connect):
    async with connect() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"204" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await closed_after(reader) > LIMIT * 0.8


async def test_a_slow_body_and_a_pause_between_requests_are_left_alone(connect):
    async with connect() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(2 * LIMIT)
        writer.write(b"b")
        assert b"204" in await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(2 * LIMIT)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"204" in await reader.readuntil(b"\r\n\r\n")
