"""The page's files: the right types, a strict policy, and nothing else of the disk."""

from __future__ import annotations

from importlib.resources import files

import pytest

from cinemae.serve.static import TYPES

pytestmark = pytest.mark.anyio


async def test_the_page_and_its_files(serving):
    async with serving() as client:
        first = await client.get("/")
        assert first.headers["content-type"] == "text/html; charset=utf-8"
        assert first.content == (files("cinemae.serve") / "page" / "index.html").read_bytes()
        served = [file for file in (files("cinemae.serve") / "page").iterdir() if file.is_file()]
        for file in served:
            answer = await client.get(f"/{file.name}")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == TYPES["." + file.name.rsplit(".", 1)[1]]
            assert answer.content == file.read_bytes()
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self';" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy


async def test_a_browser_that_has_it_gets_nothing(serving):
    async with serving() as client:
        tag = (await client.get("/")).headers["etag"]
        again = await client.get("/", headers={"if-none-match": tag})
        other = await client.get("/", headers={"if-none-match": '"else"'})
        head = await client.head("/")
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/app.py",
        "/..%2fapp.py",
        "/%2e%2e/app.py",
        "/..%5capp.py",
        "/.hidden.js",
        "/none.js",
        "/page",
        "/a%00.js",
        "/.js",
    ],
)
async def test_nothing_else_is_served(serving, path):
    async with serving() as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
