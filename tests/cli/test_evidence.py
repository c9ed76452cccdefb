"""Evidence on the command line: beside the verdicts, alone, switched off, and with what is personal."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from pyarrow import parquet

import statements as st
from cinemae.verdict import Verdict
from pictures import encode, photo


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stated, a contradictory, a camera's and a bare picture."""
    place = tmp_path_factory.mktemp("papers")
    both = st.exif({0x010F: "Canon", 0x0110: "EOS R5"}, {0x829A: (1, 200), 0x9286: st.comment(st.A1111)})
    (place / "a-stated.png").write_bytes(st.with_chunks(st.text("parameters", st.A1111)))
    (place / "b-both.jpg").write_bytes(st.jpeg_with(st.jpeg_exif(both)))
    (place / "c-camera.jpg").write_bytes(st.jpeg_with(st.jpeg_exif(st.CAMERA)))
    (place / "d-bare.png").write_bytes(encode(photo(), "PNG"))
    return place


def verdicts(text: str) -> list[Verdict]:
    return [Verdict.model_validate_json(line) for line in text.splitlines()]


def test_evidence_stands_beside_the_verdict(cinemae, papers, head_folder):
    done = cinemae("detect", papers, "--model", head_folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    stated, both, camera, bare = verdicts(done.stdout)
    assert stated.evidence.findings[0].generator == "AUTOMATIC1111 web UI"
    assert both.conclusion.verdict == "conflict"
    assert camera.conclusion.basis == bare.conclusion.basis == "pixels"
    assert camera.conclusion.verdict == camera.verdict
    assert bare.evidence.findings == ()


def test_no_evidence_gives_the_same_pixels(cinemae, papers, head_folder):
    beside = verdicts(cinemae("detect", papers, "--model", head_folder, "--json").stdout)
    silent = verdicts(cinemae("detect", papers, "--model", head_folder, "--json", "--no-evidence").stdout)
    nothing = {"evidence": None, "conclusion": None, "seconds": 0.0}
    assert [one.model_copy(update=nothing) for one in beside] == [one.model_copy(update=nothing) for one in silent]
    assert all(one.evidence is None and one.conclusion is None for one in silent)


def test_evidence_only_needs_no_model(cinemae, papers, bad_files):
    text = bad_files["UnsupportedFormatError"]
    done = cinemae("detect", papers, text, "--evidence-only", "--model", "/no/such/head")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()[1:]
    words = [line.split()[0] for line in lines if not line.startswith("  ->")]
    assert words == ["ai", "conflict", "inconclusive", "inconclusive", "refused"]
    below = [line for line in lines if line.startswith("  ->")]
    made = 'the file says that AUTOMATIC1111 web UI made it (PNG tEXt "parameters", not signed)'
    wanted = f"ai - {made}; pixels: not looked at"
    assert below[0] == f"  -> {wanted}"
    assert len(below) == 3


def test_evidence_only_as_csv_and_from_standard_input(cinemae, papers):
    done = cinemae("detect", "-", "--evidence-only", "--csv", stdin=(papers / "a-stated.png").read_bytes())
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["path"], row["verdict"], row["conclusion"], row["generator"]) == ("-", "", "ai", "AUTOMATIC1111 web UI")


def test_personal_data_are_told_when_asked_for(cinemae, papers):
    camera = papers / "c-camera.jpg"
    plain, told = (
        cinemae("detect", camera, "--evidence-only", "--json", *more).stdout for more in ((), ("--personal",))
    )
    assert "SERIAL77" not in plain
    assert "SERIAL77" in told
    assert "48.20833, 11.50000" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--no-evidence", "--evidence-only"), "not both"),
        (("--evidence-only", "--map", "maps"), "no map without pixels"),
        (("--evidence-only", "--trust-list", "none.pem"), "none.pem"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(cinemae, papers, tmp_path, arguments, said):
    done = cinemae("detect", papers, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_map_carries_the_conclusion(cinemae, papers, head_folder, tmp_path):
    from PIL import Image

    done = cinemae("detect", papers / "a-stated.png", "--model", head_folder, "--map", tmp_path, "--json")
    with Image.open(tmp_path / "a-stated.overlay.png") as drawn:
        assert drawn.text["cinemae-conclusion"] == json.loads(done.stdout)["conclusion"]["text"]


def test_a_scan_stores_evidence_and_nothing_personal(cinemae, papers, tmp_path):
    done = cinemae("scan", papers, "--out", tmp_path / "out", "--evidence-only", "--workers", 1)
    assert done.returncode == 0, done.stderr
    rows = parquet.read_table(tmp_path / "out" / "parts").to_pylist()
    assert [row["conclusion"]["verdict"] for row in sorted(rows, key=lambda row: row["id"])] == [
        "ai", "conflict", "inconclusive", "inconclusive",
    ]  # fmt: skip
    assert all(row["verdict"] is None and row["model"] == "evidence-only" and row["sha256"] is None for row in rows)
    assert "SERIAL77" not in json.dumps(rows)
    again = cinemae("scan", papers, "--out", tmp_path / "out", "--evidence-only", "--workers", 1, "--personal")
    assert again.returncode == 2
    assert "personal" in again.stderr
