"""What a C2PA manifest tells of a picture's making: its actions, and its ingredients' actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cinemae.evidence.generators import Value, name_generator
from cinemae.evidence.schema import Says
from cinemae.evidence.source_types import source_type

MOST_MANIFESTS, MOST_LISTED = 100, 500
_CREATED = ("c2pa.created", "c2pa.opened")
_LIBRARIES = ("c2pa-rs", "c2patool", "c2pa_rs", "c2pa-python", "make_test_images")


@dataclass
class Story:
    """What was collected of the manifests.

    Attributes:
        origin: What the picture began as.
        part: Whether a generator made a part of it.
        generator: The generator that is named.
        agents: Programs that are named.
        types: Digital source types, as the vocabulary spells them.
        ingredients: Titles of what it was made from, with what each says.
        notes: What was not followed.
    """

    origin: Says = "unclear"
    part: bool = False
    generator: str | None = None
    agents: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    ingredients: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def says(self) -> Says:
        """What it comes to: a photograph with a generated part is no generated picture."""
        return "partly_ai" if self.part and self.origin != "ai" else self.origin


def read_story(manifests: dict[str, Any], active: str) -> Story:
    """Collect what the active manifest and those of its ingredients say; cycles are followed once.

    Args:
        manifests: The manifests by label, as ``c2pa`` gives them.
        active: Label of the file's own.
    """
    return _read(manifests, active, set())


def _read(manifests: dict[str, Any], label: str, seen: set[str]) -> Story:
    story = Story()
    manifest = manifests.get(label)
    if label in seen:
        story.notes.append("C2PA: an ingredient that contains itself is followed once")
        return story
    if not isinstance(manifest, dict) or len(seen) >= MOST_MANIFESTS:
        return story
    seen.add(label)
    values = _claim(manifest)
    told = False
    for action in _actions(manifest):
        told |= _action(story, action)
        values += _agents(action)
    story.agents += dict.fromkeys(value.text for value in values if value.key in ("softwareAgent", "claim_generator"))
    named = name_generator(values)
    if named is not None and named[0].says == "ai":
        story.generator = named[0].generator
        if not told and story.origin == "unclear":  # an early manifest, which names its maker and no source type
            story.origin = "ai"
    _ingredients(story, manifest, manifests, seen)
    if story.generator is None and story.says in ("ai", "partly_ai"):
        story.generator = next((agent for agent in story.agents if not agent.lower().startswith(_LIBRARIES)), None)
    return story


def _action(story: Story, action: dict[str, Any]) -> bool:
    """Take one action into account; tell whether it names a source type."""
    found = source_type(str(action.get("digitalSourceType") or ""))
    if found is None:
        return False
    name, meaning = found
    story.types.append(name)
    created = action.get("action") in _CREATED
    if meaning.says == "partly_ai" or (meaning.says == "ai" and not created):
        story.part = True
    elif created and story.origin in ("unclear", "edited"):
        story.origin = meaning.says
    return True


def _ingredients(story: Story, manifest: dict[str, Any], manifests: dict[str, Any], seen: set[str]) -> None:
    listed = manifest.get("ingredients")
    for ingredient in listed[:MOST_LISTED] if isinstance(listed, list) else []:
        if not isinstance(ingredient, dict):
            continue
        inner = _read(manifests, str(ingredient.get("active_manifest")), seen)
        title, relation = str(ingredient.get("title") or "untitled"), ingredient.get("relationship")
        story.ingredients.append(f"{title} ({inner.says.replace('_', ' ')})")
        story.notes += inner.notes
        if relation == "inputTo":  # what a model was shown is no part of the picture
            continue
        if relation == "parentOf" and story.origin == "unclear":
            story.origin = inner.origin
        elif inner.origin == "ai" and story.origin != "ai":
            story.part = True
        story.part |= inner.part
        story.generator = story.generator or inner.generator
        story.types += inner.types


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    assertions = manifest.get("assertions")
    for assertion in assertions[:MOST_LISTED] if isinstance(assertions, list) else []:
        if isinstance(assertion, dict) and str(assertion.get("label")).split("__")[0] in (
            "actions", "c2pa.actions", "c2pa.actions.v2",
        ):  # fmt: skip
            data = assertion.get("data")
            listed = data.get("actions") if isinstance(data, dict) else None
            found += [one for one in (listed or [])[:MOST_LISTED] if isinstance(one, dict)]
    return found[:MOST_LISTED]


def _agents(action: dict[str, Any]) -> list[Value]:
    agent = action.get("softwareAgent")
    name = agent.get("name") if isinstance(agent, dict) else agent
    texts = {"softwareAgent": name, "description": action.get("description")}
    return [_value(key, text) for key, text in texts.items() if isinstance(text, str) and text]


def _claim(manifest: dict[str, Any]) -> list[Value]:
    listed = manifest.get("claim_generator_info")
    names = [one.get("name") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    names.append(manifest.get("claim_generator"))
    return [_value("claim_generator", name) for name in names if isinstance(name, str) and name]


def _value(key: str, text: str) -> Value:
    return Value("c2pa", key, text[:1_000], "C2PA manifest")
