"""Evidence beside a verdict: in the detector, alone, and switched off."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import statements as st
from cinemae import Detector
from cinemae.evidence import EvidenceOptions, TrustListError
from cinemae.evidence.beside import EVIDENCE_ONLY, EvidenceOnly, gather
from cinemae.verdict import Verdict
from pictures import encode, photo
from processes import environment

STATED = st.with_chunks(st.text("parameters", st.A1111))


@pytest.fixture(scope="module")
def detector(head_folder) -> Detector:
    return Detector.load(head_folder, device="cpu", jobs=1)


def test_the_pixels_verdict_stays_what_it_is(detector, head_folder):
    """Nothing of the file's words enters the score; every field of the pixels is the same with and without."""
    silent = Detector.load(head_folder, device="cpu", jobs=1, evidence=None).detect_one(STATED)
    verdict = detector.detect_one(STATED)
    bare = verdict.model_copy(update={"evidence": None, "conclusion": None, "seconds": silent.seconds})
    assert bare == silent
    assert silent.evidence is silent.conclusion is None
    assert verdict.evidence.findings[0].generator == "AUTOMATIC1111 web UI"
    assert verdict.conclusion.basis in ("statement", "statement and pixels", "conflict")


def test_a_verdict_with_evidence_survives_json(detector):
    verdict = detector.detect_one(STATED)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_pixels_without_a_file_have_no_evidence(detector):
    verdict = detector.detect_one(photo())
    assert verdict.verdict is not None
    assert verdict.evidence is verdict.conclusion is None


def test_a_refused_picture_still_says_what_it_says(detector):
    cut = STATED[:-60]
    verdict = detector.detect_one(cut)
    assert verdict.error is not None
    assert verdict.evidence.findings[0].generator == "AUTOMATIC1111 web UI"
    assert verdict.conclusion.verdict == "ai"
    assert "pixels: not scored" in verdict.conclusion.text


def test_a_trust_list_that_cannot_be_used_is_told_at_once(head_folder, tmp_path):
    options = EvidenceOptions(trust_list=tmp_path / "none.pem")
    with pytest.raises(TrustListError, match=r"none\.pem"):
        Detector.load(head_folder, device="cpu", evidence=options)
    with pytest.raises(TrustListError, match=r"none\.pem"):
        EvidenceOnly(options)


def test_a_fault_of_a_reader_costs_the_evidence_only(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("cinemae.evidence.beside.read_evidence", fail)
    evidence = gather(STATED, EvidenceOptions())
    assert evidence.findings == ()
    assert "KeyError" in evidence.notes[0]


def test_evidence_alone_from_paths_bytes_and_streams(tmp_path):
    place = tmp_path / "x.png"
    place.write_bytes(STATED)
    large = tmp_path / "large.png"
    large.write_bytes(st.with_chunks(st.text("parameters", st.A1111), st.text("k", "v" * 70_000)))
    reader = EvidenceOnly()
    with place.open("rb") as stream:
        found = [read.verdict for read in reader.score_many([place, str(place), STATED, stream, large])]
    assert [one.conclusion.verdict for one in found] == ["ai"] * 5
    assert all(one.verdict is None and one.error is None and one.model == EVIDENCE_ONLY for one in found)
    assert found[0].file_bytes == len(STATED)
    assert "not looked at" in found[0].conclusion.text


def test_evidence_alone_refuses_what_is_no_picture(tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "empty.png").touch()
    sources = [tmp_path / "notes.txt", tmp_path / "empty.png", tmp_path / "none.png", tmp_path, np.zeros((9, 9, 3))]
    found = [read.verdict for read in EvidenceOnly().score_many([*sources, encode(photo(), "BMP")])]
    types = [one.error and one.error.type for one in found]
    assert types == ["UnsupportedFormatError", *["UnreadableFileError"] * 4, None]
    assert "notes.txt" in found[0].error.message


def test_evidence_alone_loads_neither_model_nor_opencv(tmp_path):
    (tmp_path / "x.png").write_bytes(STATED)
    code = (
        "import sys; from cinemae.evidence.beside import EvidenceOnly;"
        f"print(EvidenceOnly().score({str(tmp_path / 'x.png')!r}).verdict.conclusion.verdict);"
        "print([m for m in ('openvino', 'torch', 'cv2', 'c2pa', 'cinemae.detector') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.split("\n")[:2] == ["ai", "[]"]


def test_importing_the_detector_loads_no_reader():
    code = "import sys, cinemae.detector; print([m for m in sys.modules if m.startswith('cinemae.evidence')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    loaded = json.loads(done.stdout.replace("'", '"'))
    assert sorted(loaded) == ["cinemae.evidence", "cinemae.evidence.schema"]
