"""The conclusion, as a table: pixels say, the file says, together."""

from __future__ import annotations

import pytest

from cinemae.evidence import Evidence, Finding, conclude
from cinemae.evidence.contradict import contradictions, ordered


def finding(says: str, strength: str, source: str = "generator", **more: object) -> Finding:
    text = {"text": f"{strength} word that it is {says}"}
    return Finding(source=source, says=says, strength=strength, where="here", **text | more)


def evidence(*findings: Finding) -> Evidence:
    marked, said = contradictions(ordered(findings))
    return Evidence(findings=marked, contradictions=tuple(said))


SIGNED_AI = finding("ai", "trusted", "c2pa", signature="trusted")
SIGNED_PART = finding("partly_ai", "trusted", "c2pa", signature="trusted")
SIGNED_CAMERA = finding("captured", "trusted", "c2pa", signature="trusted")
SIGNED_ART = finding("made_by_people", "trusted", "c2pa", signature="trusted")
SIGNED_EDIT = finding("edited", "trusted", "c2pa", signature="trusted")
UNTRUSTED_AI = finding("ai", "signed", "c2pa", signature="untrusted")
UNTRUSTED_CAMERA = finding("captured", "signed", "c2pa", signature="self_signed")
BROKEN_AI = finding("ai", "void", "c2pa", signature="tampered")
STATED_AI = finding("ai", "stated")
STATED_PART = finding("partly_ai", "stated", "iptc")
CAMERA = finding("captured", "weak", "camera")
EDITED = finding("edited", "weak", "software")

TABLE = [
    # what the file says; pixels; together; basis
    ((), "ai", "ai", "pixels"),
    ((), "real", "real", "pixels"),
    ((), "inconclusive", "inconclusive", "pixels"),
    ((), None, "inconclusive", "nothing"),
    ((SIGNED_AI,), "ai", "ai", "signature"),
    ((SIGNED_AI,), "real", "ai", "signature"),
    ((SIGNED_AI,), "inconclusive", "ai", "signature"),
    ((SIGNED_AI,), None, "ai", "signature"),
    ((SIGNED_AI, CAMERA), "real", "ai", "signature"),
    ((SIGNED_PART, CAMERA), "real", "partly_ai", "signature"),
    ((SIGNED_CAMERA,), "ai", "real", "signature"),
    ((SIGNED_CAMERA, STATED_AI), "ai", "real", "signature"),
    ((SIGNED_ART,), "ai", "real", "signature"),
    ((SIGNED_EDIT,), "ai", "ai", "pixels"),
    ((SIGNED_EDIT, STATED_AI), "inconclusive", "ai", "statement"),
    ((UNTRUSTED_AI,), "inconclusive", "ai", "statement"),
    ((UNTRUSTED_AI,), "real", "conflict", "conflict"),
    ((UNTRUSTED_CAMERA,), "ai", "ai", "pixels"),
    ((UNTRUSTED_CAMERA,), "real", "real", "pixels"),
    ((BROKEN_AI,), "real", "real", "pixels"),
    ((BROKEN_AI,), None, "inconclusive", "nothing"),
    ((STATED_AI,), "ai", "ai", "statement and pixels"),
    ((STATED_AI,), "inconclusive", "ai", "statement"),
    ((STATED_AI,), None, "ai", "statement"),
    ((STATED_AI,), "real", "conflict", "conflict"),
    ((STATED_AI, CAMERA), "ai", "conflict", "conflict"),
    ((STATED_AI, CAMERA), None, "conflict", "conflict"),
    ((STATED_AI, EDITED), "ai", "ai", "statement and pixels"),
    ((STATED_PART,), "real", "partly_ai", "statement"),
    ((STATED_PART, CAMERA), "real", "partly_ai", "statement"),
    ((CAMERA,), "ai", "ai", "pixels"),
    ((CAMERA,), "real", "real", "pixels"),
    ((CAMERA,), None, "inconclusive", "nothing"),
]


@pytest.mark.parametrize(("said", "pixels", "together", "basis"), TABLE)
def test_the_table_of_rules(said, pixels, together, basis):
    found = conclude(evidence(*said), pixels, None if pixels is None else 0.5)
    assert (found.verdict, found.basis) == (together, basis)


def test_the_table_is_whole():
    """Every kind of statement is tried against pixels that agree, disagree and abstain somewhere."""
    seen = {(one.strength, one.says) for said, _, _, _ in TABLE for one in said}
    assert {strength for strength, _ in seen} == {"trusted", "signed", "stated", "weak", "void"}
    assert {pixels for _, pixels, _, _ in TABLE} == {"ai", "real", "inconclusive", None}


def test_signed_and_trusted_reads_as_a_person_would_say_it():
    signed = finding("ai", "trusted", "c2pa", text="signed by OpenAI (C2PA, trusted): made by GPT image")
    told = conclude(evidence(signed), "ai", 0.97).text
    assert told == "ai - signed by OpenAI (C2PA, trusted): made by GPT image; pixels: ai, 0.97"


def test_a_contradiction_is_told_and_not_averaged_away():
    told = conclude(evidence(STATED_AI, CAMERA), "inconclusive", 0.5)
    assert told.verdict == "conflict"
    assert f"{STATED_AI.text}, but {CAMERA.text}" in told.text
    told = conclude(evidence(SIGNED_AI, CAMERA), "real", 0.02)
    assert "contradiction" in told.text
    assert "pixels: real, 0.02" in told.text


def test_findings_name_what_they_contradict():
    found = evidence(CAMERA, EDITED, STATED_AI)
    assert [one.source for one in found.findings] == ["generator", "camera", "software"]
    assert [one.contradicts for one in found.findings] == [(1,), (0,), ()]


def test_a_void_signature_contradicts_nothing_but_itself():
    found = evidence(BROKEN_AI, CAMERA)
    assert all(one.contradicts == () for one in found.findings)
    assert found.contradictions == ("the file carries a signature of another version of it",)


def test_absence_is_no_evidence():
    assert conclude(Evidence(), "ai", 0.9).text == "ai - pixels: ai, 0.90; the file says nothing of its making"
    assert conclude(Evidence(), None, looked=False).text.startswith("inconclusive - ")
