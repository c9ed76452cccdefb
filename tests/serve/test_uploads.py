"""Bodies: in memory only, counted at every byte, and refused for what is wrong with them."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from cinemae.serve.config import Limits
from cinemae.serve.problems import ProblemError
from cinemae.serve.uploads import Claim, ClientGoneError, Memory, Upload, read_uploads
from pictures import encode
from toys import pink

pytestmark = pytest.mark.anyio
LIMITS = Limits(body_bytes=100_000, files=3, memory_bytes=150_000, read_seconds=0.2, upload_seconds=0.5)
PNG = {"content-type": "image/png"}
FORM = {"content-type": "multipart/form-data; boundary=edge"}


def body_of(*files: tuple[str, bytes], field: str = "file", end: bytes = b"--edge--\r\n") -> bytes:
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
        % (field.encode(), name.encode(), data)
        for name, data in files
    ]
    return b"".join(parts) + end


async def read(headers: dict[str, str], parts: list[bytes], memory: Memory | None = None) -> list[Upload]:
    waiting = list(parts)

    async def receive() -> dict[str, object]:
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    with Claim(memory or Memory(LIMITS.memory_bytes)) as claim:
        return await read_uploads(Headers(headers), None, receive, LIMITS, claim)


async def refusal(headers: dict[str, str], body: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        await read(headers, [body])
    return caught.value


@settings(max_examples=60)
@given(
    files=st.lists(
        st.tuples(st.text("abü漢.-_ ", min_size=1, max_size=20), st.binary(max_size=300)), min_size=1, max_size=3
    ),
    step=st.integers(1, 80),
)
def test_files_come_out_as_they_went_in_however_they_are_cut(files, step):
    files = [(name, data + b"\r\n--edg\r\n--edgy") for name, data in files]
    whole = body_of(*files)
    parts = [whole[start : start + step] for start in range(0, len(whole), step)]
    assert asyncio.run(read(FORM, parts)) == [Upload(name, data) for name, data in files]


async def test_a_file_without_a_name_gets_one():
    assert await read(FORM, [body_of(("", b"x"))]) == [Upload("upload", b"x")]
    assert await read(PNG, [b"x"]) == [Upload("upload", b"x")]


@pytest.mark.parametrize(
    ("headers", "body", "kind"),
    [
        ({}, b"x", "unsupported-media-type"),
        ({"content-type": "text/plain"}, b"x", "unsupported-media-type"),
        ({"content-type": "multipart/form-data"}, b"x", "malformed-body"),
        (FORM, b"no form at all", "malformed-body"),
        (FORM, b"", "malformed-body"),
        (FORM, body_of(("a", b"x"), end=b""), "malformed-body"),
        (FORM, b"--edge--\r\n", "invalid-request"),
        (FORM, body_of(("a", b"x"), field="picture"), "invalid-request"),
        (FORM, body_of(*[("a", b"x")] * 4), "too-many-files"),
        ({"content-type": "application/json"}, b"{", "malformed-body"),
        ({"content-type": "application/json"}, b"[" * 50_000, "malformed-body"),
        ({"content-type": "application/json"}, b'{"images": []}', "invalid-request"),
        ({"content-type": "application/json"}, b'{"images": [{"url": "http://localhost/"}]}', "invalid-request"),
        ({"content-type": "application/json"}, b'{"images": [{"data": "a b"}]}', "invalid-request"),
        ({"content-type": "application/json"}, '{"images": [{"data": "ü"}]}'.encode(), "invalid-request"),
        (
            {"content-type": "application/json"},
            b'{"images": [' + b'{"data": ""},' * 3 + b'{"data": ""}]}',
            "too-many-files",
        ),
        (PNG | {"content-length": "100001"}, b"x", "body-too-large"),
        (PNG, b"x" * 100_001, "body-too-large"),
        (FORM, body_of(("a", b"x" * 100_000)), "body-too-large"),
    ],
)
async def test_what_is_refused(headers, body, kind):
    assert (await refusal(headers, body)).problem.type == f"urn:cinemae:problem:{kind}"


async def test_what_is_wrong_in_a_body_is_named():
    json = {"content-type": "application/json"}
    error = await refusal(json, b'{"images": [{"data": ""}, {"data": "%%%"}]}')
    assert [wrong.where for wrong in error.errors] == ["body.images.1.data"]
    error = await refusal(json, b'{"images": [{"name": ""}], "more": 1}')
    assert {wrong.where for wrong in error.errors} == {"body.images.0.name", "body.images.0.data", "body.more"}
    assert "picture" in (await refusal(FORM, body_of(("a", b"x"), field="picture"))).errors[0].where


async def test_a_body_without_a_length_is_counted_while_it_comes():
    taken = 0

    async def receive() -> dict[str, object]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 10_000, "more_body": True}  # for ever

    with pytest.raises(ProblemError, match="body-too-large"), Claim(Memory(LIMITS.memory_bytes)) as claim:
        await read_uploads(Headers(PNG), None, receive, LIMITS, claim)
    assert taken == 11


async def test_all_bodies_share_the_memory_and_give_it_back():
    memory = Memory(LIMITS.memory_bytes)
    with Claim(memory) as other:
        other.add(100_000)
        with pytest.raises(ProblemError, match="queue-full") as caught:
            await read(PNG, [b"x" * 50_001], memory)
        assert caught.value.headers["Retry-After"]
        assert memory.used == 100_000
    assert memory.used == 0
    assert await read(PNG, [b"x" * 50_001], memory)
    assert memory.used == 0


async def drip(pause: float) -> AsyncIterator[dict[str, object]]:
    while True:
        await asyncio.sleep(pause)
        yield {"type": "http.request", "body": b"x", "more_body": True}


@pytest.mark.parametrize("pause", [5, 0.05])
async def test_a_body_that_comes_too_slowly(pause):
    source = drip(pause)
    start = asyncio.get_running_loop().time()
    with pytest.raises(ProblemError, match="upload-timeout"), Claim(Memory(LIMITS.memory_bytes)) as claim:
        await read_uploads(Headers(PNG), None, source.__anext__, LIMITS, claim)
    assert asyncio.get_running_loop().time() - start < 2
    await source.aclose()


async def test_a_client_that_hangs_up():
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGoneError), Claim(Memory(LIMITS.memory_bytes)) as claim:
        await read_uploads(Headers(PNG), None, receive, LIMITS, claim)


async def test_no_upload_touches_a_disk(serving, form, monkeypatch):
    """Neither through tempfile nor past it: no file is opened for writing while large bodies are read."""

    def forbidden(*arguments, **options):
        raise AssertionError("a temporary file")

    written = []

    def watch(event: str, arguments: tuple) -> None:
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
        if watching and event == "open" and isinstance(arguments[2], int) and arguments[2] & writes:
            written.append(arguments[0])

    watching = False
    sys.addaudithook(watch)
    large = encode(pink(1, 1000), "PNG")  # more than Starlette keeps in memory
    assert len(large) > 2 << 20
    async with serving() as client:
        client.service.scorer.warm_up()  # graphs are compiled, and cached on disk
        for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp", "_mkstemp_inner"):
            monkeypatch.setattr(tempfile, name, forbidden)
        watching = True
        answers = [
            await client.post("/v1/detect", files=form(("a.png", large), ("b.png", large))),
            await client.post("/v1/detect", content=large, headers={"content-type": "image/png"}),
        ]
        watching = False
    assert [answer.status_code for answer in answers] == [200, 200]
    assert written == []


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("filename*=UTF-8''%E5%9B%BE%20a.png", "图 a.png"),
        ("filename=\"plain.png\"; filename*=UTF-8''caf%C3%A9.png", "café.png"),
        ("filename*=utf-8'fr'caf%C3%A9.png; filename=\"plain.png\"", "café.png"),
        ("filename*=ISO-8859-1''caf%E9.png", "café.png"),
        ("filename=\"a; filename*=UTF-8''b.png\"", "a; filename*=UTF-8''b.png"),
        ("filename=\"plain.png\"; filename*=KOI8-R''%C1.png", "plain.png"),
    ],
)
async def test_names_in_the_extended_form(disposition: str, name: str) -> None:
    body = f'--edge\r\nContent-Disposition: form-data; name="file"; {disposition}\r\n\r\nx\r\n--edge--\r\n'.encode()
    (upload,) = await read(FORM, [body])
    assert upload.name == name
