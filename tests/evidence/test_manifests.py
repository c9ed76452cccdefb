"""C2PA: signed test files in every container, and each state of a signature under its own word."""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path

import pytest

import statements as st
from cinemae.evidence import EvidenceOptions, Finding, TrustListError, conclude, read_evidence
from cinemae.evidence.story import read_story
from cinemae.evidence.trust import trust_lists
from pictures import encode, photo

JPEG = "image/jpeg"
HEIC = importlib.util.find_spec("pillow_heif") is not None


@pytest.fixture(scope="session")
def plain() -> bytes:
    return encode(photo(), "JPEG", quality=90)


@pytest.fixture(scope="session")
def signed(plain) -> bytes:
    return st.sign(plain, JPEG, st.created())


@pytest.fixture(scope="session")
def trusting(tmp_path_factory) -> EvidenceOptions:
    """Options that trust the test authority."""
    place = tmp_path_factory.mktemp("trust") / "roots.pem"
    place.write_bytes(st.pem(st.authority()[1]))
    return EvidenceOptions(trust_list=place)


def only(data: bytes, options: EvidenceOptions | None = None) -> Finding:
    found = [one for one in read_evidence(data, options).findings if one.source == "c2pa"]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("kind", "mime"),
    [("JPEG", JPEG), ("PNG", "image/png"), ("WEBP", "image/webp"), ("TIFF", "image/tiff"), ("AVIF", "image/avif")]
    + [("HEIF", "image/heic")] * HEIC,
)
def test_a_trusted_manifest_is_read_in_every_format(kind, mime, trusting):
    if kind == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    found = only(st.sign(encode(photo(), kind), mime, st.created()), trusting)
    assert (found.says, found.strength, found.signature) == ("ai", "trusted", "trusted")
    assert found.generator == "GPT image"
    assert found.text == "signed by Test Signers (C2PA, trusted): made by GPT image"
    assert found.detail("trusted by") == "list roots.pem"
    assert found.detail("digital source type") == "trainedAlgorithmicMedia"


def test_an_unknown_signer_is_untrusted(signed):
    found = only(signed)
    assert (found.signature, found.strength) == ("untrusted", "signed")
    assert "not on a trust list" in found.text


def test_a_certificate_that_signed_itself_is_told_so(plain, trusting):
    data = st.sign(plain, JPEG, st.created(), self_signed=True)
    for options in (None, trusting):
        found = only(data, options)
        assert (found.signature, found.strength) == ("self_signed", "signed")
    assert conclude(read_evidence(data), "real").verdict == "conflict"


def test_altered_pixels_are_tampering(signed, trusting):
    altered = bytearray(signed)
    altered[-100] ^= 0x55
    found = only(bytes(altered), trusting)
    assert (found.signature, found.strength) == ("tampered", "void")
    evidence = read_evidence(bytes(altered), trusting)
    assert "the file carries a signature of another version of it" in evidence.contradictions
    assert conclude(evidence, "real", 0.1).verdict == "real"


def test_an_altered_claim_is_tampering(signed, trusting):
    assert only(signed.replace(b"gpt-image-1", b"gpt-image-2"), trusting).signature == "tampered"


def test_a_signature_of_other_bytes_is_not_valid(signed, trusting):
    start = signed.index(b"c2pa.signature") + 400
    altered = signed[:start] + bytes(byte ^ 0xFF for byte in signed[start : start + 8]) + signed[start + 8 :]
    assert only(altered, trusting).strength == "void"


def test_an_expired_certificate_without_a_time_stamp(plain, trusting):
    for life in (3, 20):  # on a busy machine the short one may be over before it has signed
        try:
            data = st.sign(plain, JPEG, st.created(), seconds=life)
            break
        except Exception as error:
            if "not valid at time of signing" not in str(error) or life == 20:
                raise
    found = only(data, trusting)
    assert (found.signature, found.strength) == ("expired", "signed")
    assert "expired" in found.text


def test_a_manifest_that_is_no_manifest_is_invalid(plain):
    body = b"JP\0\1\0\0\0\1" + (200).to_bytes(4, "big") + b"jumb" + b"c2pa" + b"\0" * 180
    found = only(st.jpeg_with((0xEB, body)))
    assert (found.signature, found.strength, found.says) == ("invalid", "void", "unclear")


def test_a_photograph_with_a_generated_part_is_no_generated_picture(plain, trusting):
    camera = st.sign(plain, JPEG, st.created("digitalCapture", "Nikon Z6"))
    edit = {
        "action": "c2pa.edited",
        "digitalSourceType": st.SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia",
        "softwareAgent": "Adobe Firefly",
    }
    parent = ({"title": "camera.jpg", "relationship": "parentOf"}, JPEG, camera)
    found = only(st.sign(plain, JPEG, st.manifest([edit]), ingredients=(parent,)), trusting)
    assert found.says == "partly_ai"
    assert found.generator == "Adobe Firefly"
    assert "camera.jpg (captured)" in found.detail("ingredients")


def test_an_edited_generated_picture_is_still_generated(plain, trusting):
    made = st.sign(plain, JPEG, st.created())
    parent = ({"title": "made.jpg", "relationship": "parentOf"}, JPEG, made)
    cropped = st.manifest([{"action": "c2pa.cropped"}])
    found = only(st.sign(plain, JPEG, cropped, ingredients=(parent,)), trusting)
    assert (found.says, found.generator) == ("ai", "GPT image")


def test_a_placed_generated_part_makes_it_partly_generated(plain, trusting):
    made = ({"title": "sky.jpg", "relationship": "componentOf"}, JPEG, st.sign(plain, JPEG, st.created()))
    found = only(st.sign(plain, JPEG, st.created("digitalCapture", "Nikon Z6"), ingredients=(made,)), trusting)
    assert found.says == "partly_ai"


def test_a_camera_that_signs_beats_pixels(plain, trusting):
    evidence = read_evidence(st.sign(plain, JPEG, st.created("digitalCapture", "Leica M11")), trusting)
    assert conclude(evidence, "ai", 0.99).verdict == "real"


def test_an_early_manifest_without_source_type_is_known_by_its_program():
    bing = {
        "claim_generator": "Microsoft Responsible AI/1.0",
        "assertions": [
            {
                "label": "actions",
                "data": {"actions": [{"action": "c2pa.created", "softwareAgent": "Bing Image Creator"}]},
            }
        ],
    }
    story = read_story({"a": bing}, "a")
    assert (story.says, story.generator) == ("ai", "Bing Image Creator")


def test_cyclic_and_endless_ingredients_are_followed_once():
    cycle = {
        "a": {"ingredients": [{"active_manifest": "b", "relationship": "parentOf"}]},
        "b": {"ingredients": [{"active_manifest": "a", "relationship": "parentOf"}]},
    }
    assert read_story(cycle, "a").notes == ["C2PA: an ingredient that contains itself is followed once"]
    chain = {str(n): {"ingredients": [{"active_manifest": str(n + 1)}]} for n in range(5_000)}
    assert read_story(chain, "0").says == "unclear"


@pytest.mark.parametrize(
    "broken",
    [
        None,
        3,
        [],
        {"assertions": 3},
        {"assertions": [None, {"label": "c2pa.actions", "data": 1}]},
        {"ingredients": [3, {"active_manifest": None}]},
        {"claim_generator_info": [{"name": 3}]},
    ],
)
def test_manifests_of_any_shape_are_read(broken):
    assert read_story({"a": broken}, "a").says == "unclear"


def test_without_the_extra_a_manifest_is_still_told(signed, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("cinemae.evidence.manifests.find_spec", lambda name: None if name == "c2pa" else real(name))
    found = only(signed)
    assert (found.signature, found.says) == ("not_checked", "unclear")
    assert "pip install 'cinemae[provenance]'" in found.text


def test_nothing_asks_the_network(signed, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    settings = trust_lists(None)[0].settings()["verify"]
    assert (settings["remote_manifest_fetch"], settings["ocsp_fetch"]) == (False, False)
    assert only(signed).signature == "untrusted"


def test_c2pa_is_not_imported_for_files_without_a_manifest(plain, monkeypatch):
    monkeypatch.delitem(sys.modules, "cinemae.evidence.manifests", raising=False)
    read_evidence(plain)
    assert "cinemae.evidence.manifests" not in sys.modules


def test_the_shipped_lists_hold_what_their_readme_says():
    official, interim = trust_lists(None)
    assert official.anchors.count("BEGIN CERTIFICATE") == 30 + 22
    assert "Google C2PA Root CA G3" in official.anchors
    assert interim.allowed.count("BEGIN CERTIFICATE") == 86


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\0", b"nothing in PEM"])
def test_a_trust_list_that_cannot_be_used_is_named(tmp_path, content):
    place = tmp_path / "mine.pem"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(TrustListError, match=r"mine\.pem"):
        trust_lists(Path(place))
