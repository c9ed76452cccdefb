"""The verdict's schema: what the command line, JSON and reports promise."""

import json

import pytest
from pydantic import ValidationError

from cinemae.verdict import ErrorInfo, Verdict, guarantee

FULL = Verdict(
    path="a.jpg", verdict="ai", probability=0.9, threshold=0.5, band=(0.4, 0.6), alpha=0.1, p_ai=0.7,
    p_real=0.02, bits_per_dim=3.2,
    width=640, height=480, format="JPEG", file_bytes=12345, sha256="0" * 64,
    frames=1, notes=("note",), model="m", seed=3, seconds=0.25,
)  # fmt: skip


def test_the_fields_that_the_command_line_promises_are_there():
    promised = {"path", "verdict", "probability", "bits_per_dim", "width", "height", "format", "error"}
    assert promised <= json.loads(FULL.model_dump_json()).keys()
    assert json.loads(Verdict(path="b").model_dump_json())["error"] is None


def test_json_round_trip():
    refused = Verdict(path="b", error=ErrorInfo(type="TruncatedImageError", message="b: cut off"))
    for verdict in (FULL, refused):
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    assert json.loads(refused.model_dump_json())["error"] == {"type": "TruncatedImageError", "message": "b: cut off"}
    assert refused.verdict is None
    assert refused.probability is None


@pytest.mark.parametrize("wrong", [{"verdict": "fake"}, {"colour": "red"}, {"error": {"type": "X"}}, {"path": None}])
def test_anything_else_is_refused(wrong):
    with pytest.raises(ValidationError):
        Verdict.model_validate({"path": "a"} | wrong)


def test_verdicts_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        FULL.verdict = "real"


@pytest.mark.parametrize(("alpha", "share"), [(0.1, "10 %"), (0.05, "5 %"), (0.025, "2.5 %")])
def test_what_an_error_rate_means_is_said_of_both_classes(alpha, share):
    said = f"at most {share} of AI images like those of calibration are called real, and of real ones AI"
    assert guarantee(alpha) == said
