"""Evidence in the API: on, off, and never personal."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import statements as st
from cinemae.serve.config import ServeConfig
from cinemae.settings import DetectorSettings
from cinemae.verdict import Verdict

pytestmark = pytest.mark.anyio
STATED = st.with_chunks(st.text("parameters", st.A1111))
CAMERA = st.jpeg_with(st.jpeg_exif(st.CAMERA))


async def test_an_answer_has_evidence_and_conclusion(serving, form):
    async with serving() as client:
        answer = await client.post("/v1/detect", files=form(("a.png", STATED), ("b.jpg", CAMERA)))
    stated, camera = (Verdict.model_validate(result["verdict"]) for result in answer.json()["results"])
    assert stated.evidence.findings[0].generator == "AUTOMATIC1111 web UI"
    assert stated.conclusion.text.startswith(stated.conclusion.verdict)
    assert camera.evidence.findings[0].source == "camera"
    assert "SERIAL77" not in answer.text
    assert "48.2" not in answer.text


async def test_a_request_may_ask_for_pixels_alone(serving, form):
    async with serving() as client:
        both = await client.post("/v1/detect", files=form(("a.png", STATED)))
        bare = await client.post("/v1/detect", params={"evidence": "false"}, files=form(("a.png", STATED)))
    told, silent = (answer.json()["results"][0]["verdict"] for answer in (both, bare))
    assert silent["evidence"] is silent["conclusion"] is None
    assert {**told, "seconds": 0, "evidence": None, "conclusion": None} == {**silent, "seconds": 0}


async def test_a_refused_picture_has_its_evidence_in_the_problem(serving, form):
    async with serving() as client:
        answer = await client.post("/v1/detect", files=form(("a.png", STATED[:-60])))
    assert answer.status_code == 422
    (result,) = answer.json()["results"]
    assert result["verdict"]["conclusion"]["verdict"] == "ai"


async def test_the_model_says_whether_evidence_is_read(serving):
    async with serving() as client:
        assert (await client.get("/v1/model")).json()["evidence"] is True


@pytest.mark.parametrize("wrong", [{"evidence": "only"}, {"personal": True}])
def test_a_service_without_pixels_or_with_personal_data_is_refused(wrong):
    with pytest.raises(ValidationError, match="the service"):
        ServeConfig(detector=DetectorSettings(**wrong))
