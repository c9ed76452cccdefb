"""The page at ``/`` and its files, out of the package, under a strict policy."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response

from cinemae.serve.problems import ProblemError

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self';"
    " manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


async def page(request: Request) -> Response:
    """Answer with a file of the page; ``/`` is ``index.html``.

    Raises:
        ProblemError: If there is no such file.
    """
    name = request.path_params.get("name", "index.html")
    kind = TYPES.get(PurePosixPath(name).suffix)
    found = files("cinemae.serve") / "page" / name
    if kind is None or not NAME.fullmatch(name) or not found.is_file():
        raise ProblemError("not-found", "there is no such page")
    data = found.read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=kind)
