"""How verdicts are written: table, JSON lines, CSV."""

import csv
import io
import json

import pytest

from cinemae.cli.output import CsvWriter, JsonWriter, TableWriter, make_writer, readable_bytes, table_line
from cinemae.evidence import Evidence, Finding, conclude
from cinemae.verdict import ErrorInfo, Verdict

GOOD = Verdict(
    path="holiday, 2.jpg",
    verdict="ai",
    probability=0.93251,
    threshold=0.5,
    band=(0.4, 0.6),
    alpha=0.05,
    p_ai=0.75,
    p_real=0.125,
    bits_per_dim=4.56789,
    width=1024,
    height=768,
    format="JPEG",
    file_bytes=123_456,
    sha256="ab",
    frames=1,
    notes=("EXIF orientation 6 applied", "first of 2 frames"),
    model="m",
    seconds=0.25,
)
BAD = Verdict(path="x.png", error=ErrorInfo(type="TruncatedImageError", message='x.png: the file "ends" too early'))


class Flushed(io.StringIO):
    """Remembers what had been flushed at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[str] = []

    def flush(self) -> None:
        self.states.append(self.getvalue())


def test_json_lines_are_verdicts_and_flushed_one_by_one():
    stream = Flushed()
    writer = JsonWriter(stream)
    writer.write(GOOD)
    writer.write(BAD)
    assert [state.count("\n") for state in stream.states] == [1, 2]
    lines = stream.getvalue().splitlines()
    assert [Verdict.model_validate_json(line) for line in lines] == [GOOD, BAD]
    assert json.loads(lines[1])["error"] == {
        "type": "TruncatedImageError",
        "message": 'x.png: the file "ends" too early',
    }


def test_csv_has_a_header_and_every_field():
    stream = Flushed()
    writer = CsvWriter(stream)
    writer.write(GOOD)
    writer.write(BAD)
    assert [state.count("\n") for state in stream.states] == [1, 2, 3]
    good, bad = csv.DictReader(io.StringIO(stream.getvalue()))
    spread = {"band_low", "band_high", "error_type", "error_message"}
    together = {"conclusion", "conclusion_basis", "conclusion_text"}
    said = {"generator", "findings", "contradictions", "evidence_notes"}
    assert good.keys() == Verdict.model_fields.keys() - {"band", "error", "evidence"} | spread | together | said
    assert good["path"] == "holiday, 2.jpg"
    assert (good["band_low"], good["band_high"]) == ("0.4", "0.6")
    assert (good["alpha"], good["p_ai"], good["p_real"]) == ("0.05", "0.75", "0.125")
    assert good["notes"] == "EXIF orientation 6 applied; first of 2 frames"
    assert good["error_type"] == ""
    assert float(good["probability"]) == GOOD.probability
    assert bad["error_type"] == "TruncatedImageError"
    assert bad["error_message"] == BAD.error.message
    assert bad["verdict"] == bad["probability"] == bad["band_low"] == ""


def test_table_is_aligned_and_plain_in_a_pipe():
    stream = io.StringIO()
    writer = TableWriter(stream)
    writer.write(GOOD)
    writer.write(BAD)
    head, good, bad = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert "\t" not in stream.getvalue()
    at = head.index("path")
    assert good[at:].startswith("holiday, 2.jpg  (EXIF orientation 6 applied; first of 2 frames)")
    assert bad[at:] == BAD.error.message
    assert good[:at].split() == ["ai", "0.933", "4.568", "1024x768", "JPEG", "123.5", "kB", "0.25"]
    assert bad.split()[0] == "refused"


def test_long_lines_are_not_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = io.StringIO()
    TableWriter(stream).write(GOOD.model_copy(update={"path": "deep/" * 100 + "x.png", "notes": ()}))
    assert stream.getvalue().splitlines()[1].endswith("deep/" * 100 + "x.png")


@pytest.mark.parametrize("path", ["a\nb.png", "a\x1b[2Jb.png", "a\tb.png", "[red]a[/red].png", "a\u202eb.png"])
def test_names_cannot_break_the_table(path):
    stream = io.StringIO()
    TableWriter(stream).write(GOOD.model_copy(update={"path": path, "notes": ()}))
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert not set(text) & {"\x1b", "\t", "\u202e"}
    assert text.rstrip("\n").endswith(path.encode("unicode_escape").decode())


def test_no_head_no_probability():
    label, line = table_line(GOOD.model_copy(update={"verdict": "inconclusive", "probability": None}))
    assert label == "inconclusive"
    assert line.split()[1] == "-"


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB")])
def test_readable_bytes(count, text):
    assert readable_bytes(count) == text


@pytest.mark.parametrize("kind", ["json", "csv", "table"])
def test_any_name_can_be_written_whatever_the_locale(kind):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    make_writer(kind, stream).write(GOOD.model_copy(update={"path": "Grüße-日本.png"}))
    stream.flush()
    wanted = "Grüße-日本.png".encode("ascii", "backslashreplace") if kind == "table" else "Grüße-日本.png".encode()
    assert wanted in raw.getvalue()


def said(**more: object) -> Verdict:
    finding = Finding(source="generator", says="ai", strength="stated", generator="ComfyUI", where="PNG", text="made")
    evidence = Evidence(findings=(finding,), notes=("XMP \x1b[31m: not read",))
    return GOOD.model_copy(update={"evidence": evidence, "conclusion": conclude(evidence, "ai", 0.5)} | more)


def test_the_conclusion_stands_below_its_line():
    stream = io.StringIO()
    writer = TableWriter(stream)
    writer.write(said())
    writer.write(GOOD.model_copy(update={"evidence": Evidence(), "conclusion": conclude(Evidence(), "ai", 0.5)}))
    head, first, below, second = stream.getvalue().splitlines()
    assert below == r"  -> ai - made (PNG, not signed); pixels: ai, 0.50; not read: XMP \x1b[31m: not read"
    assert first[head.index("path") :].startswith("holiday")
    assert second == first


def test_csv_holds_the_conclusion_and_the_findings():
    stream = Flushed()
    CsvWriter(stream).write(said())
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert (row["conclusion"], row["conclusion_basis"], row["generator"]) == ("ai", "statement and pixels", "ComfyUI")
    assert json.loads(row["findings"])[0]["strength"] == "stated"


def test_a_verdict_without_pixels_has_its_conclusion_in_the_first_column():
    label, line = table_line(said(verdict=None, probability=None, width=None, height=None))
    assert label == "ai"
    assert "None" not in line
