"""Metadata are hostile input: bombs, depths, numbers and letters cost nothing but their own finding."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

import statements as st
from cinemae import Detector
from cinemae.evidence import read_evidence
from cinemae.evidence.containers.blocks import MOST_BLOCKS, MOST_BYTES, MOST_TOTAL
from cinemae.evidence.words import clean
from cinemae.images.png_text import without_large_text
from pictures import chunk, encode, photo


def peak(data: bytes) -> tuple[int, object]:
    """Bytes that reading a file takes at most, and what was read."""
    tracemalloc.start()
    try:
        evidence = read_evidence(data)
        return tracemalloc.get_traced_memory()[1], evidence
    finally:
        tracemalloc.stop()


def zip_bomb(size: int) -> bytes:
    """zlib data that unpack to so many bytes, made a part at a time."""
    packer, part = zlib.compressobj(9), b"\0" * (1 << 20)
    return b"".join(packer.compress(part) for _ in range(size >> 20)) + packer.flush()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """A chunk of 2 GB, packed."""
    return zip_bomb(2 << 30)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_two_gigabytes_of_packed_text_are_not_unpacked(bomb, kind):
    head = b"parameters\0\0" if kind == b"zTXt" else b"parameters\0\1\0\0\0"
    used, evidence = peak(st.with_chunks(chunk(kind, head + bomb)))
    assert used < 8 * MOST_BYTES
    assert any("larger than is read" in note for note in evidence.notes)
    assert evidence.findings == ()


def test_ten_thousand_text_chunks_are_counted():
    chunks = [st.text(f"key {number}", "value") for number in range(10_000)]
    evidence = read_evidence(st.with_chunks(st.text("parameters", st.A1111), *chunks))
    assert evidence.notes == (f"more than {MOST_BLOCKS:,} pieces of metadata: the others are not read",)
    assert evidence.findings[0].generator == "AUTOMATIC1111 web UI"


def test_many_packed_chunks_keep_to_the_total():
    chunks = [chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * (MOST_BYTES - 10), 9)) for _ in range(40)]
    used, _ = peak(st.with_chunks(*chunks))
    assert used < 3 * MOST_TOTAL


@pytest.mark.parametrize(
    "inner",
    ["<a>" * 1_000_000 + "</a>" * 1_000_000, "<a/>" * 1_000_000],
    ids=["nested", "beside"],
)
def test_a_million_elements_are_refused(inner):
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + inner.encode()[: MOST_BYTES - 100] + b"</x:xmpmeta>"
    evidence = read_evidence(st.with_chunks(st.text("XML:com.adobe.xmp", packet.decode(), b"iTXt")))
    assert any("nested deeper" in note or "elements" in note for note in evidence.notes)


def test_entities_are_refused():
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    packet = f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a11;</x:xmpmeta>'
    external = (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&e;</x:xmpmeta>'
    )
    for text in (packet, external):
        evidence = read_evidence(st.jpeg_with(st.jpeg_xmp(text.encode())))
        assert any("document type" in note for note in evidence.notes)
        assert evidence.findings == ()


def test_what_was_read_before_a_packet_breaks_is_kept():
    packet = st.xmp(xmp_CreatorTool="Adobe Firefly").replace(b"</rdf:Description>", b"<oops></rdf:Description>")
    evidence = read_evidence(st.jpeg_with(st.jpeg_xmp(packet)))
    assert evidence.findings[0].generator == "Adobe Firefly"
    assert "not read to its end" in evidence.notes[0]


def test_directories_that_point_to_themselves_end():
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    assert read_evidence(st.jpeg_with(st.jpeg_exif(loop))).findings == ()


def test_tags_that_share_their_bytes_are_not_copied_a_thousand_times():
    """A directory of 1,000 unknown tags, each of them the same megabyte."""
    count, size = 1_000, 1 << 20
    start = 8 + 2 + 12 * count + 4
    entries = b"".join(struct.pack("<HHII", 0xC000 + n, 7, size, start) for n in range(count))
    structure = b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + b"\0\0\0\0" + b"x" * size
    used, _ = peak(st.with_chunks(chunk(b"eXIf", structure)))
    assert used < 16 * size


def test_bombs_in_thousands_cost_no_more_than_one(monkeypatch):
    packed = zlib.compress(b"\0" * MOST_BYTES, 9)
    unpacked = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, *given: int) -> None:
            self.inner = real(*given)

        def decompress(self, *given: object) -> bytes:
            unpacked.append(out := self.inner.decompress(*given))
            return out

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    data = st.with_chunks(*[chunk(b"zTXt", b"k\0\0" + packed)] * 500)
    read_evidence(data)
    assert sum(map(len, unpacked)) <= MOST_TOTAL + MOST_BYTES
    unpacked.clear()
    without_large_text(data)
    assert sum(map(len, unpacked)) <= 34 << 20


def test_deep_json_is_left_out():
    deep = '{"sui_image_params": ' + '{"a":' * 100_000
    assert read_evidence(st.with_chunks(st.text("parameters", deep))).findings == ()
    graph = json.dumps(st.GRAPH)[:-1] + ', "9": ' + "[" * 100_000
    (finding,) = read_evidence(st.with_chunks(st.text("prompt", graph))).findings
    assert finding.generator == "ComfyUI"


ESCAPED = "\x1b[31mred\x07 \u202eevil\u2066 \u200b\ufeff\u0000end"


def test_terminals_and_pages_get_no_control_characters():
    data = st.with_chunks(st.text("parameters", st.A1111.replace("lighthouse", ESCAPED.replace("\0", ""))))
    (finding,) = read_evidence(data).findings
    told = finding.detail("prompt")
    assert told.isprintable()
    assert r"\x1b[31mred" in told
    assert r"\u202eevil" in told


@given(some.text(max_size=200))
def test_clean_text_is_printable_one_line_and_short(text):
    shown = clean(text, 50)
    assert shown.isprintable()
    assert len(shown) <= 51


@given(some.binary(max_size=400))
def test_any_bytes_are_read(body):
    for data in (
        body,
        b"\xff\xd8\xff\xe1" + body,
        b"\x89PNG\r\n\x1a\n" + body,
        b"RIFF\xff\0\0\0WEBP" + body,
        b"II*\0" + body,
        b"GIF89a" + body,
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + body,
        b"BM" + body,
    ):
        read_evidence(data)


FILES = {
    "png": st.with_chunks(st.text("parameters", st.A1111), chunk(b"eXIf", st.CAMERA)),
    "jpeg": st.jpeg_with(st.jpeg_exif(st.CAMERA), st.jpeg_xmp(st.xmp(dc_creator="x")), st.iptc(Credit="y")),
    "webp": encode(photo(), "WEBP", exif=st.CAMERA, xmp=st.xmp(xmp_CreatorTool="z")),
    "avif": encode(photo(), "AVIF", exif=b"Exif\0\0" + st.CAMERA),
    "tiff": encode(photo(), "TIFF"),
    "stealth": st.stealth({"Software": "NovelAI", "Description": "x", "Comment": '{"seed": 1}'}),
}


@pytest.mark.parametrize("name", FILES)
@given(
    seeds=some.lists(some.tuples(some.floats(0, 1, exclude_max=True), some.integers(0, 255)), max_size=8),
    cut=some.floats(0, 1),
)
def test_damaged_files_are_read(name, seeds, cut):
    data = bytearray(FILES[name])
    for place, value in seeds:
        data[int(place * min(len(data), 4_000))] = value
    read_evidence(bytes(data[: max(1, int(cut * len(data)))]))


def test_the_verdict_goes_on(head_folder, bomb):
    detector = Detector.load(head_folder, device="cpu", jobs=1)
    plain = detector.detect_one(st.with_chunks(), name="x")
    hostile = st.with_chunks(chunk(b"zTXt", b"parameters\0\0" + bomb), *[st.text("k", "v")] * 10_000)
    verdict = detector.detect_one(hostile, name="x")
    assert verdict.error is None
    assert verdict.probability == plain.probability
    assert verdict.evidence.notes
