"""Images out of a request's body: in memory only, and within the limits at every byte.

Nothing is spooled to a disk, whatever its size; what is too much is refused as soon as it is known.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote_to_bytes

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.types import Receive

from cinemae.serve.config import Limits
from cinemae.serve.problems import ProblemError
from cinemae.serve.schemas import DetectBody, FieldError

FIELD = "file"
LONGEST_NAME = 255
UNNAMED = "upload"
QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"')
EXTENDED_NAME = re.compile(rb";\s*filename\*\s*=\s*([A-Za-z0-9_-]+)'[^';]*'([^;\s]*)", re.IGNORECASE)


class ClientGoneError(Exception):
    """The client has hung up; there is nobody to answer."""


@dataclass(frozen=True)
class Upload:
    """One image as it came.

    Attributes:
        name: What the client calls it.
        data: The file's bytes.
    """

    name: str
    data: bytes


class Memory:
    """The bytes that all bodies together may take.

    Attributes:
        limit: Most of them.
        used: What is taken now.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0


class Claim:
    """One request's part of the memory; given back when the request ends.

    Attributes:
        size: Bytes taken.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory, self.size = memory, 0

    def add(self, count: int) -> None:
        """Take so many bytes more.

        Raises:
            ProblemError: If other requests hold too much.
        """
        if self.memory.used + count > self.memory.limit:
            raise ProblemError(
                "queue-full", "the bodies of other requests fill the memory", headers={"Retry-After": "2"}
            )
        self.memory.used += count
        self.size += count

    def __enter__(self) -> Self:
        """Begin with nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back."""
        self.memory.used -= self.size


async def read_uploads(
    headers: Headers, name: str | None, receive: Receive, limits: Limits, claim: Claim
) -> list[Upload]:
    """Read a body to its end and return its images.

    Args:
        headers: Of the request; the content type says how to read it.
        name: What a raw body is called; None for ``upload``.
        receive: Gives the parts of the body.
        limits: What it must keep to.
        claim: Is charged for every byte.

    Raises:
        ProblemError: If the body is not what it should be, too large, or too slow.
        ClientGoneError: If the client hangs up.
    """
    kind, options = parse_options_header(headers.get("content-type"))
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.body_bytes:
        raise _too_large(limits)
    parts = _parts(receive, limits, claim)
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary")
        if not boundary:
            raise ProblemError("malformed-body", "the content type multipart/form-data has no boundary")
        return await _read_multipart(parts, boundary, limits)
    if kind == b"application/json":
        body = b"".join([part async for part in parts])
        return await asyncio.to_thread(_read_json, body, limits)
    if kind.startswith(b"image/") or kind == b"application/octet-stream":
        return [Upload(name or UNNAMED, b"".join([part async for part in parts]))]
    given = kind.decode("latin-1") or "none"
    raise ProblemError(
        "unsupported-media-type",
        f"the content type is {given}; send multipart/form-data, application/json, image/* or application/octet-stream",
    )


async def _parts(receive: Receive, limits: Limits, claim: Claim) -> AsyncIterator[bytes]:
    """Yield a body as it comes, counting."""
    total, end = 0, time.monotonic() + limits.upload_seconds
    while True:
        try:
            async with asyncio.timeout(min(limits.read_seconds, end - time.monotonic())):
                message = await receive()
        except TimeoutError as error:
            detail = f"nothing came for {limits.read_seconds:g} s, or not all in {limits.upload_seconds:g} s"
            raise ProblemError("upload-timeout", detail, headers={"Connection": "close"}) from error
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part: bytes = message.get("body", b"")
        total += len(part)
        if total > limits.body_bytes:
            raise _too_large(limits)
        claim.add(len(part))
        if part:
            yield part
        if not message.get("more_body", False):
            return


def _too_large(limits: Limits) -> ProblemError:
    return ProblemError("body-too-large", f"the body has more than {limits.body_bytes:,} bytes")


def _too_many(limits: Limits) -> ProblemError:
    return ProblemError("too-many-files", f"more than {limits.files} images")


def _extended_name(disposition: bytes) -> str | None:
    """Return ``filename*`` of a content disposition (RFC 5987), which stands above ``filename``; None without one."""
    found = EXTENDED_NAME.search(QUOTED.sub(b'""', disposition))
    if found is None:
        return None
    charset = found[1].decode("ascii").lower()
    if charset not in ("utf-8", "iso-8859-1", "us-ascii"):
        return None
    return unquote_to_bytes(found[2]).decode(charset, "replace")


class _Form:
    """Collects the files of a multipart body from the parser's callbacks."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.files: list[tuple[str, bytearray]] = []
        self.ended = False
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._disposition = b""

    def callbacks(self) -> dict[str, object]:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self.files[-1][1].extend(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if field != FIELD:
            wrong = FieldError(where=f"body.{field}"[:LONGEST_NAME], message=f"unknown field; images go into {FIELD!r}")
            raise ProblemError("invalid-request", f"the form has a field that is not {FIELD!r}", errors=[wrong])
        if len(self.files) == self.limits.files:
            raise _too_many(self.limits)
        name = (_extended_name(self._disposition) or options.get(b"filename", b"").decode("utf-8", "replace"))[
            :LONGEST_NAME
        ]
        self.files.append((name or UNNAMED, bytearray()))

    def _end(self) -> None:
        self.ended = True


async def _read_multipart(parts: AsyncIterator[bytes], boundary: bytes, limits: Limits) -> list[Upload]:
    form = _Form(limits)
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        async for part in parts:
            parser.write(part)
        parser.finalize()
    except FormParserError as error:
        raise ProblemError("malformed-body", f"the form can't be read: {error}") from error
    if not form.ended:
        raise ProblemError("malformed-body", "the form ends before its last boundary")
    if not form.files:
        wrong = FieldError(where=f"body.{FIELD}", message="there is no image")
        raise ProblemError("invalid-request", f"the form has no {FIELD!r}", errors=[wrong])
    return [Upload(name, bytes(data)) for name, data in form.files]


def _read_json(body: bytes, limits: Limits) -> list[Upload]:
    try:
        images = DetectBody.model_validate_json(body).images
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        if details[0]["type"] == "json_invalid":
            raise ProblemError("malformed-body", f"the body is not JSON: {details[0]['msg']}") from error
        errors = [FieldError(where=".".join(map(str, ("body", *one["loc"]))), message=one["msg"]) for one in details]
        raise ProblemError("invalid-request", "the JSON body is not what it should be", errors=errors[:20]) from error
    if len(images) > limits.files:
        raise _too_many(limits)
    uploads = []
    for number, image in enumerate(images):
        try:
            uploads.append(Upload(image.name, base64.b64decode(image.data, validate=True)))
        except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
            wrong = FieldError(where=f"body.images.{number}.data", message="not base64 (RFC 4648, with padding)")
            raise ProblemError("invalid-request", "an image is not in base64", errors=[wrong]) from error
    return uploads
