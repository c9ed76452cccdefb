"""Model, sampler, seed and prompt out of what generators write; whatever can't be read is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

Parsed = dict[str, object]
MOST_NODES = 2_000
_PAIR = re.compile(r"([A-Z][A-Za-z0-9 /_-]{0,40}): ([^,\n]{1,200})")
_SAMPLER_TYPES = ("KSampler", "SamplerCustom", "RandomNoise", "KSamplerSelect")
_FLAGS = {"-s": "Steps", "-S": "Seed", "-C": "CFG scale", "-A": "Sampler", "-W": "Width", "-H": "Height"}


def parse(name: str, text: str) -> Parsed:
    """Return what a value says of the generation, by the parser of a rule; empty if it says nothing readable."""
    return PARSERS[name](text)


def load_json(text: str) -> Any:
    """Return JSON that may be anything, or None: broken, too deep, numbers of thousands of digits."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        return json.loads(text[start:])
    except (ValueError, RecursionError):
        return None


def _a1111(text: str) -> Parsed:
    head, _, tail = text.rpartition("\nSteps: ")
    if not head and text.startswith("Steps: "):
        tail = text.removeprefix("Steps: ")
    prompt, _, negative = head.partition("\nNegative prompt: ")
    pairs = dict(_PAIR.findall("Steps: " + tail[:20_000]))
    wanted = (
        "Model",
        "Model hash",
        "Sampler",
        "Steps",
        "CFG scale",
        "Seed",
        "Size",
        "Version",
        "App",
        "Denoising strength",
    )
    return {"prompt": prompt, "negative prompt": negative} | {name.lower(): pairs.get(name) for name in wanted}


def _mapping(text: str) -> dict[str, Any]:
    value = load_json(text)
    return value if isinstance(value, dict) else {}


def _first(value: dict[str, Any], *names: str) -> object:
    """Return the first of some entries that is a plain value."""
    lower = {str(key).lower().replace("_", " "): entry for key, entry in value.items()}
    found = (lower.get(name) for name in names)
    return next((entry for entry in found if isinstance(entry, str | int | float) and entry != ""), None)


def _json(text: str) -> Parsed:
    value = _mapping(text)
    return {
        "model": _first(value, "model", "base model", "use stable diffusion model", "model name"),
        "sampler": _first(value, "sampler", "sampler name", "scheduler"),
        "seed": _first(value, "seed"),
        "steps": _first(value, "steps", "num inference steps"),
        "cfg scale": _first(value, "cfg scale", "guidance scale", "cfgscale", "scale"),
        "prompt": _first(value, "prompt", "positive prompt", "full prompt"),
        "negative prompt": _first(value, "negative prompt", "negativeprompt", "uc"),
        "version": _first(value, "version", "app version", "swarm version"),
    }


def _swarm(text: str) -> Parsed:
    inner = _mapping(text).get("sui_image_params")
    return _json(json.dumps(inner)) if isinstance(inner, dict) else {}


def _invokeai(text: str) -> Parsed:
    value = _mapping(text)
    model = value.get("model")
    if isinstance(model, dict):
        value["model"] = _first(model, "name", "model name", "key")
    return _json(json.dumps(value))


def _invokeai_old(text: str) -> Parsed:
    value = _mapping(text)
    image = value.get("image") if isinstance(value.get("image"), dict) else {}
    found = _json(json.dumps(image))
    prompts = image.get("prompt") if image else None
    if isinstance(prompts, list) and prompts and isinstance(prompts[0], dict):
        found["prompt"] = _first(prompts[0], "prompt")
    found["model"] = _first(value, "model weights", "model id", "model")
    found["version"] = _first(value, "app version")
    return found


def _dream(text: str) -> Parsed:
    prompt, _, options = text.rpartition('"')
    words = options.split()
    found: Parsed = {"prompt": prompt.lstrip('"')}
    for flag, value in pairwise(words):
        if flag in _FLAGS:
            found[_FLAGS[flag].lower()] = value
    return found


def _novelai(text: str) -> Parsed:
    return _json(text)


def _drawthings(text: str) -> Parsed:
    value = _mapping(text)
    return _json(text) | {"prompt": _first(value, "c")}


def _midjourney(text: str) -> Parsed:
    prompt, _, job = text.rpartition(" Job ID: ")
    version = re.search(r"--(?:v|version|niji) ([0-9.]{1,5})", prompt)
    return {"prompt": prompt, "version": version.group(1) if version else None, "job": job[:64]}


def _comfyui(text: str) -> Parsed:
    """Read a prompt graph (nodes by number, inputs by name) or a workflow (a list of nodes with bare values)."""
    value = _mapping(text)
    for name in ("prompt", "workflow"):
        if isinstance(value.get(name), dict):
            value = value[name]
    if isinstance(value.get("nodes"), list):
        return {"nodes": len(value["nodes"]), "node types": _types(value["nodes"], "type")}
    nodes = [node for node in list(value.values())[:MOST_NODES] if isinstance(node, dict)]
    found: Parsed = {}
    texts: list[str] = []
    for node in nodes:
        inputs = node.get("inputs") if isinstance(node.get("inputs"), dict) else {}
        kind = str(node.get("class_type", ""))
        if inputs and kind.startswith(_SAMPLER_TYPES):
            found.setdefault("seed", _first(inputs, "seed", "noise seed"))
            found.setdefault("sampler", _first(inputs, "sampler name"))
            found.setdefault("steps", _first(inputs, "steps"))
            found.setdefault("cfg scale", _first(inputs, "cfg"))
        if inputs and "Loader" in kind:
            found.setdefault("model", _first(inputs, "ckpt name", "unet name", "model name"))
        if inputs and "TextEncode" in kind:
            texts += [entry for entry in (inputs.get("text"), inputs.get("prompt")) if isinstance(entry, str) and entry]
    found["prompt"] = " | ".join(texts)
    return {name: entry for name, entry in found.items() if entry is not None} | {"nodes": len(nodes)}


def _types(nodes: list[Any], name: str) -> str:
    kinds = dict.fromkeys(str(node.get(name)) for node in nodes[:MOST_NODES] if isinstance(node, dict))
    return ", ".join(list(kinds)[:30])


PARSERS: dict[str, Callable[[str], Parsed]] = {
    "a1111": _a1111, "json": _json, "swarm": _swarm, "invokeai": _invokeai, "invokeai_old": _invokeai_old,
    "dream": _dream, "novelai": _novelai, "drawthings": _drawthings, "midjourney": _midjourney, "comfyui": _comfyui,
}  # fmt: skip
