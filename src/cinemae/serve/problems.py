"""Errors as RFC 9457 problem details: what is wrong, in a form that programs and people read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from starlette.responses import Response

from cinemae.serve.schemas import FieldError, ItemResult, Problem, ProblemReply
from cinemae.verdict import ErrorInfo

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:cinemae:problem:"


class Kind(NamedTuple):
    """A kind of problem: its status and the sentence that is the same for all of its occurrences."""

    status: int
    title: str


KINDS = {
    "unreadable-file": Kind(400, "The file is empty or can't be read"),
    "unsupported-format": Kind(415, "Not an image of a supported format"),
    "pixel-limit": Kind(413, "The image has too many pixels"),
    "too-small": Kind(422, "The image is too small"),
    "truncated-image": Kind(422, "The image file is cut off"),
    "corrupt-image": Kind(422, "The image file is damaged"),
    "all-refused": Kind(422, "None of the images could be scored"),
    "invalid-request": Kind(422, "The request does not say what it should"),
    "malformed-body": Kind(400, "The body can't be read"),
    "body-too-large": Kind(413, "The body is too large"),
    "too-many-files": Kind(413, "Too many images in one request"),
    "unsupported-media-type": Kind(415, "The body is of an unknown content type"),
    "upload-timeout": Kind(408, "The body came too slowly"),
    "key-required": Kind(401, "A valid API key is needed"),
    "rate-limit": Kind(429, "Too many images in a minute"),
    "queue-full": Kind(503, "The service is busy"),
    "draining": Kind(503, "The service is about to stop"),
    "deadline": Kind(504, "The images were not scored in time"),
    "internal-error": Kind(500, "An error of the service"),
    "not-found": Kind(404, "There is nothing here"),
    "method-not-allowed": Kind(405, "This method is not allowed here"),
}
"""All kinds by the end of their ``type``, which never changes."""

REFUSALS = {
    "UnreadableFileError": "unreadable-file",
    "UnsupportedFormatError": "unsupported-format",
    "PixelLimitError": "pixel-limit",
    "TooSmallError": "too-small",
    "TruncatedImageError": "truncated-image",
    "CorruptImageError": "corrupt-image",
    "InternalError": "internal-error",
}
"""Kinds of the refusals of an image, by the type of a verdict's error."""


class ProblemError(Exception):
    """A request that is refused as a whole.

    Attributes:
        problem: What is wrong.
        headers: Headers of the answer, for example ``Retry-After``.
        errors: The parts of the request that are wrong.
        results: One result an image, if all of them were refused.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        errors: list[FieldError] | None = None,
        results: list[ItemResult] | None = None,
    ) -> None:
        super().__init__(kind)
        self.problem = make_problem(kind, detail, status)
        self.headers, self.errors, self.results = headers or {}, errors, results


def make_problem(kind: str, detail: str, status: int | None = None) -> Problem:
    """Return a problem of a kind; a status given replaces the kind's own."""
    known = KINDS[kind]
    return Problem(type=PREFIX + kind, title=known.title, status=status or known.status, detail=detail)


def of_refusal(error: ErrorInfo) -> Problem:
    """Return the problem of an image that was refused."""
    return make_problem(REFUSALS[error.type], error.message)


def of_status(status: int, detail: str) -> ProblemError:
    """Return the problem of a plain HTTP status that a library raised."""
    kind = {404: "not-found", 405: "method-not-allowed"}.get(status)
    if kind is not None:
        return ProblemError(kind, detail)
    error = ProblemError("invalid-request" if status < 500 else "internal-error", detail, status=status)
    error.problem = error.problem.model_copy(update={"title": HTTPStatus(status).phrase})
    return error


def respond(error: ProblemError, request_id: str) -> Response:
    """Return the response that says what is wrong; fields that say nothing are left out."""
    reply = ProblemReply(
        **error.problem.model_dump(),
        instance=f"urn:cinemae:request:{request_id}",
        errors=error.errors,
        results=error.results,
    )
    body = {name: value for name, value in reply.model_dump(mode="json").items() if value is not None}
    return Response(json.dumps(body), reply.status, headers=error.headers, media_type=MEDIA_TYPE)
