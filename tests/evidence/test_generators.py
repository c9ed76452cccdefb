"""Every generator's own metadata: recognised in each container that it writes to, with model, seed and prompt."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import statements as st
from cinemae.evidence import Finding, read_evidence
from cinemae.evidence.generators import Rule, load_rules
from cinemae.evidence.parameters import PARSERS
from pictures import chunk, encode, photo


def found(data: bytes, generator: str) -> Finding:
    matching = [one for one in read_evidence(data).findings if one.generator == generator]
    assert len(matching) == 1, read_evidence(data)
    return matching[0]


NOVELAI = {
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V3",
    "Description": "a lighthouse",
    "Comment": json.dumps({"prompt": "a lighthouse", "steps": 28, "sampler": "k_euler", "seed": 42, "uc": "blurry"}),
}
SWARM = json.dumps({"sui_image_params": {"prompt": "a lighthouse", "model": "flux1-dev", "seed": 42, "steps": 20}})
DRAW = json.dumps({"c": "a lighthouse", "uc": "", "sampler": "Euler A", "seed": 42, "steps": 20, "model": "flux"})
INVOKE_OLD = json.dumps(
    {
        "model_weights": "sd-1.4",
        "app_version": "v1.15",
        "image": {"prompt": [{"prompt": "a lighthouse", "weight": 1}], "seed": 42, "sampler": "ddim"},
    }
)
INVOKE = json.dumps(
    {"positive_prompt": "a lighthouse", "seed": 42, "model": {"model_name": "sd-1.5"}, "app_version": "3.0"}
)
FOOOCUS = json.dumps({"prompt": "a lighthouse", "seed": "42", "base_model": "juggernaut", "version": "Fooocus v2.5.0"})
MIDJOURNEY = "a lighthouse --v 6.1 --ar 3:2 Job ID: 8d3f6f0c-7a3b-4f1e-9f3e-0b5a6a1c2d3e"

CASES: dict[str, tuple[str, Callable[[], bytes], dict[str, str]]] = {
    "a1111 png": (
        "AUTOMATIC1111 web UI",
        lambda: st.with_chunks(st.text("parameters", st.A1111)),
        {
            "seed": "42",
            "sampler": "Euler a",
            "model": "sd-v1-4",
            "prompt": "a lighthouse, at night",
            "negative prompt": "blurry",
        },
    ),
    "a1111 packed": (
        "AUTOMATIC1111 web UI",
        lambda: st.with_chunks(st.text("parameters", st.A1111, b"zTXt")),
        {"seed": "42"},
    ),
    "a1111 behind the pixels": (
        "AUTOMATIC1111 web UI",
        lambda: st.with_chunks(st.text("parameters", st.A1111, b"iTXt"), after=True),
        {"seed": "42"},
    ),
    "a1111 jpeg": (
        "AUTOMATIC1111 web UI",
        lambda: st.jpeg_with(st.jpeg_exif(st.exif({}, {0x9286: st.comment(st.A1111)}))),
        {"model": "sd-v1-4"},
    ),
    "a1111 webp": (
        "AUTOMATIC1111 web UI",
        lambda: encode(photo(), "WEBP", exif=st.exif({}, {0x9286: st.comment(st.A1111)})),
        {"seed": "42"},
    ),
    "a1111 avif": (
        "AUTOMATIC1111 web UI",
        lambda: encode(photo(), "AVIF", exif=b"Exif\0\0" + st.exif({}, {0x9286: st.comment(st.A1111)})),
        {"seed": "42"},
    ),
    "a1111 comment": ("AUTOMATIC1111 web UI", lambda: st.jpeg_with((0xFE, st.A1111.encode())), {"seed": "42"}),
    "forge": (
        "Stable Diffusion WebUI Forge",
        lambda: st.with_chunks(st.text("parameters", st.A1111 + ", Version: f2.0.1")),
        {"seed": "42"},
    ),
    "sdnext": (
        "SD.Next",
        lambda: st.with_chunks(st.text("parameters", st.A1111 + ", App: SD.Next")),
        {"app": "SD.Next"},
    ),
    "comfyui graph": (
        "ComfyUI",
        lambda: st.with_chunks(st.text("prompt", json.dumps(st.GRAPH)), st.text("workflow", json.dumps(st.WORKFLOW))),
        {"seed": "1566802087", "model": "v1-5-pruned.ckpt", "prompt": "a lighthouse | blurry", "sampler": "euler"},
    ),
    "comfyui workflow": (
        "ComfyUI",
        lambda: st.with_chunks(st.text("workflow", json.dumps(st.WORKFLOW))),
        {"node types": "VAEDecode, KSampler"},
    ),
    "comfyui webp": (
        "ComfyUI",
        lambda: encode(photo(), "WEBP", exif=st.exif({0x0110: "prompt:" + json.dumps(st.GRAPH)})),
        {"seed": "1566802087"},
    ),
    "invokeai new": (
        "InvokeAI",
        lambda: st.with_chunks(st.text("invokeai_metadata", INVOKE)),
        {"model": "sd-1.5", "prompt": "a lighthouse"},
    ),
    "invokeai old": (
        "InvokeAI",
        lambda: st.with_chunks(st.text("sd-metadata", INVOKE_OLD)),
        {"model": "sd-1.4", "seed": "42", "prompt": "a lighthouse"},
    ),
    "invokeai dream": (
        "InvokeAI",
        lambda: st.with_chunks(st.text("Dream", '"a lighthouse" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A ddim')),
        {"prompt": "a lighthouse", "seed": "42", "sampler": "ddim"},
    ),
    "novelai": (
        "NovelAI",
        lambda: st.with_chunks(*(st.text(k, v) for k, v in NOVELAI.items())),
        {"seed": "42", "sampler": "k_euler"},
    ),
    "novelai stealth": ("NovelAI", lambda: st.stealth(NOVELAI), {"seed": "42", "prompt": "a lighthouse"}),
    "novelai stealth plain": ("NovelAI", lambda: st.stealth(NOVELAI, b"stealth_pnginfo"), {"seed": "42"}),
    "fooocus": (
        "Fooocus",
        lambda: st.with_chunks(st.text("parameters", FOOOCUS), st.text("fooocus_scheme", "fooocus")),
        {"model": "juggernaut", "seed": "42"},
    ),
    "swarmui": (
        "SwarmUI",
        lambda: st.with_chunks(st.text("parameters", SWARM)),
        {"model": "flux1-dev", "prompt": "a lighthouse"},
    ),
    "draw things": (
        "Draw Things",
        lambda: st.with_chunks(
            st.text("XML:com.adobe.xmp", st.xmp(exif_UserComment=DRAW, xmp_CreatorTool="Draw Things").decode(), b"iTXt")
        ),
        {"prompt": "a lighthouse", "model": "flux"},
    ),
    "midjourney": (
        "Midjourney",
        lambda: st.with_chunks(st.text("Description", MIDJOURNEY)),
        {"version": "6.1", "job": "8d3f6f0c-7a3b-4f1e-9f3e-0b5a6a1c2d3e"},
    ),
    "dall-e 2": (
        "DALL-E 2",
        lambda: st.with_chunks(
            chunk(b"eXIf", st.exif({0x927C: "OpenAI--5a78b2d0", 0x9286: "Made with OpenAI DALL-E"}))
        ),
        {},
    ),
    "google": (
        "Google AI (Gemini, Imagen)",
        lambda: st.jpeg_with(st.jpeg_xmp(st.xmp(photoshop_Credit="Made with Google AI"))),
        {},
    ),
    "google iptc": ("Google AI (Gemini, Imagen)", lambda: st.jpeg_with(st.iptc(Credit="Made with Google AI")), {}),
    "firefly": ("Adobe Firefly", lambda: st.jpeg_with(st.jpeg_xmp(st.xmp(xmp_CreatorTool="Adobe Firefly"))), {}),
    "grok": (
        "Grok",
        lambda: st.jpeg_with(
            st.jpeg_exif(st.exif({0x010E: "Signature: MEUCIQ==", 0x013B: "0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f"}))
        ),
        {},
    ),
    "ideogram": ("Ideogram", lambda: st.jpeg_with(st.jpeg_exif(st.exif({0x010F: "Ideogram AI"}))), {}),
    "leonardo": ("Leonardo.Ai", lambda: st.jpeg_with(st.jpeg_exif(st.exif({0x0131: "Leonardo.Ai"}))), {}),
    "recraft": ("Recraft", lambda: st.jpeg_with(st.jpeg_exif(st.exif({0x0131: "Recraft"}))), {}),
    "flux": (
        "FLUX",
        lambda: st.jpeg_with(st.jpeg_exif(st.exif({0x0131: "AI generated;txt2img;flux", 0x010F: "Black Forest Labs"}))),
        {},
    ),
    "canva": ("Canva Magic Media", lambda: st.jpeg_with(st.jpeg_exif(st.exif({0x0131: "Canva Magic Media"}))), {}),
    "meta": ("Meta AI", lambda: st.jpeg_with(st.iptc(Credit="Imagined with AI")), {}),
    "easy diffusion": ("Easy Diffusion", lambda: st.with_chunks(st.text("use_stable_diffusion_model", "sd-v1-4")), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_generator_is_recognised_with_what_it_says(case):
    generator, make, wanted = CASES[case]
    finding = found(make(), generator)
    assert (finding.says, finding.strength, finding.source) == ("ai", "stated", "generator")
    assert finding.where
    assert {name: finding.detail(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    "data",
    [
        st.with_chunks(st.text("parameters", "width=3, height=4")),
        st.with_chunks(st.text("prompt", "$ ls")),
        st.with_chunks(
            st.text("Software", "gnome-screenshot"), st.text("Title", "Holiday"), st.text("Comment", "hello")
        ),
        st.with_chunks(st.text("Description", "A Job ID: of somebody"), st.text("workflow", "approved")),
        st.jpeg_with(st.jpeg_exif(st.exif({0x010E: "Signature: my own", 0x013B: "Jane"}))),
        st.jpeg_with(st.jpeg_exif(st.CAMERA)),
        st.jpeg_with(st.jpeg_exif(st.exif({0x0131: "Adobe Photoshop 25.0"}))),
        st.jpeg_with((0xFE, b"Created with GIMP")),
        encode(photo(), "PNG"),
        encode(photo(), "GIF", comment=b"Steps to the beach"),
    ],
    ids=range(10),
)
def test_what_people_write_is_not_taken_for_a_generator(data):
    assert all(one.says not in ("ai", "partly_ai") for one in read_evidence(data).findings)


def test_a_program_that_also_does_other_things_is_no_generator():
    data = st.jpeg_with(st.jpeg_xmp(st.xmp(xmp_CreatorTool="Canva")))
    (finding,) = read_evidence(data).findings
    assert (finding.source, finding.says, finding.generator) == ("software", "unclear", None)


def test_each_rule_has_a_source_and_a_parser_that_exists():
    for rule in load_rules().rules:
        assert rule.source.startswith(("https://", "user script")), rule.generator
        assert rule.parse is None or rule.parse in PARSERS
        assert (
            rule.starts
            or rule.equals
            or rule.contains
            or rule.any
            or rule.json_keys
            or rule.pattern
            or len(rule.keys) == 1
        )


def test_every_generator_of_the_data_file_is_tried_here_or_in_manifests():
    tried = {generator for generator, _, _ in CASES.values()}
    by_manifest = {rule.generator for rule in load_rules().rules if "c2pa" in rule.places}
    rest = {rule.generator for rule in load_rules().rules if rule.says == "ai"} - tried - by_manifest
    assert rest == {"Civitai", "imaginAIry", "Stable Diffusion script"}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"a":' * 5_000,
        '{"nodes": 3}',
        '{"image": []}',
        '{"prompt": {"3": null, "4": {"inputs": []}}}',
        "1" * 5_000,
        '{"seed": ' + "9" * 5_000 + "}",
    ],
)
def test_no_parser_fails_on_what_is_not_meant_for_it(name, hostile):
    assert isinstance(PARSERS[name](hostile), dict)


def test_a_rule_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="extra"):
        Rule(generator="x", places=("text",), keys=frozenset("k"), source="https://x", unknown=1)
