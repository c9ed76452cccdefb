"""Camera data: weak, personal parts hidden, and what can't be true."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from PIL import Image
from skimage import data

import statements as st
from cinemae.evidence import EvidenceOptions, conclude, read_evidence
from cinemae.evidence.camera import AGREES, impossible_dates, thumbnail_agrees
from cinemae.evidence.exif import Tags, read_tags
from pictures import encode, photo

CAMERA = st.jpeg_with(st.jpeg_exif(st.CAMERA))


def test_camera_data_are_weak():
    (finding,) = read_evidence(CAMERA).findings
    assert (finding.source, finding.says, finding.strength) == ("camera", "captured", "weak")
    assert "Canon EOS R5" in finding.text
    assert "anyone can write" in finding.text
    assert finding.detail("lens") == "RF 50mm"
    assert conclude(read_evidence(CAMERA), "ai", 0.9).verdict == "ai"


def test_places_and_serial_numbers_are_told_only_when_asked_for():
    hidden = read_evidence(CAMERA).model_dump_json()
    assert "SERIAL77" not in hidden
    assert "48.2" not in hidden
    (finding,) = read_evidence(CAMERA).findings
    assert finding.detail("GPS position") == finding.detail("serial number") == "there, not shown"
    (finding,) = read_evidence(CAMERA, EvidenceOptions(personal=True)).findings
    assert finding.detail("GPS position") == "48.20833, 11.50000"
    assert finding.detail("serial number") == "SERIAL77"


def test_names_of_people_are_told_only_when_asked_for():
    file = st.jpeg_with(st.iptc(By_line="Jane Doe"), st.jpeg_xmp(st.xmp(dc_creator="Jane Doe")))
    assert "Jane" not in read_evidence(file).model_dump_json()
    assert "Jane Doe" in read_evidence(file, EvidenceOptions(personal=True)).model_dump_json()


def test_camera_and_generator_in_one_file_contradict_each_other():
    both = st.exif({0x010F: "Canon", 0x0110: "EOS R5"}, {0x829A: (1, 200), 0x9286: st.comment(st.A1111)})
    evidence = read_evidence(st.jpeg_with(st.jpeg_exif(both)))
    assert [one.contradicts for one in evidence.findings] == [(1,), (0,)]
    assert len(evidence.contradictions) == 1
    assert conclude(evidence, "inconclusive").verdict == "conflict"


def test_a_generators_graph_in_the_tags_of_a_camera_is_no_camera():
    tags = st.exif({0x010F: 'workflow:{"nodes": [], "links": []}', 0x0110: 'prompt:{"1": {"class_type": "KSampler"}}'})
    assert {one.source for one in read_evidence(st.jpeg_with(st.jpeg_exif(tags))).findings} == {"generator"}


def dated(taken: str | None, changed: str | None) -> list[str]:
    named = {"DateTimeOriginal": taken, "ModifyDate": changed}
    return impossible_dates(Tags(text={k: v for k, v in named.items() if v}), datetime(2026, 12, 1))


@pytest.mark.parametrize(
    ("taken", "changed", "word"),
    [
        ("2030:01:01 00:00:00", None, "future"),
        (None, "1970:01:01 00:00:00", "older"),
        ("2024:05:03 00:00:00", "2024:05:01 00:00:00", "after it was last changed"),
    ],
)
def test_dates_that_cannot_be(taken, changed, word):
    (said,) = dated(taken, changed)
    assert word in said


@pytest.mark.parametrize("when", ["0000:00:00 00:00:00", "yesterday", "", "2024:13:45 99:00:00"])
def test_dates_that_are_none_say_nothing(when):
    assert dated(when, when) == []
    assert dated("2024:05:01 10:00:00", "2024:05:01 10:00:00") == []


def thumbnail(pixels: np.ndarray, size: tuple[int, int] = (160, 120)) -> bytes:
    return encode(Image.fromarray(pixels).resize(size), "JPEG", quality=60)


@pytest.mark.parametrize("picture", [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()])
def test_a_thumbnail_of_the_picture_agrees_also_turned_and_with_bars(picture):
    turned = thumbnail(np.ascontiguousarray(np.rot90(picture)))
    inner = np.asarray(Image.fromarray(picture).resize((160, 90)))
    barred = np.zeros((120, 160, 3), np.uint8)
    barred[15:105] = inner
    for small in (thumbnail(picture), turned, encode(barred, "JPEG")):
        assert thumbnail_agrees(small, picture) > AGREES + 0.2


def test_a_thumbnail_of_another_picture_is_told():
    """As an editor leaves it that keeps the old EXIF: its second directory, with the old preview."""
    small = thumbnail(data.coffee())
    head = b"II*\0\x08\0\0\0" + b"\0\0" + (14).to_bytes(4, "little")
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0" + value.to_bytes(4, "little")
        for tag, value in ((0x0201, 44), (0x0202, len(small)))
    )
    block = head + b"\x02\0" + entries + b"\0\0\0\0"
    structure = block + small
    assert len(block) == 44
    assert read_tags(structure).thumbnail == small
    picture = data.astronaut()
    segment = st.jpeg_exif(structure)
    file = st.jpeg_with(segment)
    (said,) = read_evidence(file, pixels=picture).contradictions
    assert "thumbnail shows another picture" in said
    assert read_evidence(file, pixels=data.coffee()).contradictions == ()
    assert read_evidence(file).contradictions == ()


def test_a_thumbnail_that_is_none_says_nothing():
    for broken in (b"", b"\xff\xd8\xff", encode(photo(), "PNG"), encode(photo(8, 8), "JPEG")):
        assert thumbnail_agrees(broken, data.coffee()) is None
    assert thumbnail_agrees(thumbnail(data.coffee()), np.full((64, 64, 3), 9, np.uint8)) is None
