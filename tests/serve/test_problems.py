"""Problems: every refusal of an image has one, and statuses are those of their kinds."""

from __future__ import annotations

import json

import pytest

from cinemae import ImageError
from cinemae.serve.problems import KINDS, REFUSALS, ProblemError, of_refusal, of_status, respond
from cinemae.serve.schemas import FieldError
from cinemae.verdict import ErrorInfo


def test_every_refusal_of_the_decoder_has_a_kind():
    assert {one.__name__ for one in ImageError.__subclasses__()} | {"InternalError"} == set(REFUSALS)
    for name, kind in REFUSALS.items():
        problem = of_refusal(ErrorInfo(type=name, message="a.png: why"))
        assert (problem.type, problem.detail) == (f"urn:cinemae:problem:{kind}", "a.png: why")
        assert problem.status == KINDS[kind].status


def test_a_reply_says_only_what_there_is_to_say():
    error = ProblemError("invalid-request", "no", errors=[FieldError(where="query.seed", message="why")])
    reply = respond(error, "r1")
    assert (reply.status_code, reply.media_type) == (422, "application/problem+json")
    assert json.loads(bytes(reply.body)) == {
        "type": "urn:cinemae:problem:invalid-request",
        "title": KINDS["invalid-request"].title,
        "status": 422,
        "detail": "no",
        "instance": "urn:cinemae:request:r1",
        "errors": [{"where": "query.seed", "message": "why"}],
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, "not-found"), (405, "method-not-allowed"), (431, "invalid-request"), (501, "internal-error")],
)
def test_plain_statuses_keep_their_number(status, kind):
    error = of_status(status, "why")
    assert (error.problem.type, error.problem.status) == (f"urn:cinemae:problem:{kind}", status)
