"""IPTC and XMP: the digital source type, the properties on AI of 2025.1, credits."""

from __future__ import annotations

from collections.abc import Mapping

from cinemae.evidence.schema import Finding, Says, Strength
from cinemae.evidence.source_types import source_type
from cinemae.evidence.words import clean, details

_EXT = "Iptc4xmpExt:"
_SYSTEM, _VERSION = _EXT + "AISystemUsed", _EXT + "AISystemVersionUsed"
_PROMPT, _WRITER = _EXT + "AIPromptInformation", _EXT + "AIPromptWriterName"
_CREDITS = ("photoshop:Credit", "Credit", "dc:creator", "By-line", "dc:rights", "Copyright")


def iptc_findings(properties: Mapping[str, list[str]], where: str, personal: bool) -> list[Finding]:
    """Return what the properties of IPTC's photo metadata say.

    Args:
        properties: Values by property, of XMP and of the older form together.
        where: Where they lie.
        personal: Whether names of people are told, not only that they are there.
    """
    found: list[Finding] = []
    system = _first(properties, _SYSTEM)
    ai: dict[str, object] = {
        "AI system": system, "version": _first(properties, _VERSION), "prompt": _first(properties, _PROMPT),
        "prompt writer": _name(_first(properties, _WRITER), personal),
    }  # fmt: skip
    for value in dict.fromkeys(properties.get(_EXT + "DigitalSourceType", [])[:10]):
        known = source_type(value)
        if known is None:
            text = f"IPTC digital source type: {clean(value, 120)}, which is no value of the vocabulary"
            found.append(Finding(source="iptc", says="unclear", strength="weak", where=where, text=text))
            continue
        name, meaning = known
        generator = clean(system, 100) if system and meaning.says in ("ai", "partly_ai") else None
        credit = _first(properties, "photoshop:Credit") or _first(properties, "Credit")
        shown = {"digital source type": name, **ai} | (
            {"credit": credit} if meaning.says in ("ai", "partly_ai") else {}
        )
        text = f"the file says: {meaning.words} (IPTC digital source type {name})"
        found.append(
            Finding(
                source="iptc",
                says=meaning.says,
                strength=_strength(meaning.says),
                generator=generator,
                where=where,
                text=text,
                details=details(shown),
            )
        )
    if not found and any(ai.values()):
        text = f"the file names an AI system that was used: {clean(system or 'without a name', 100)}"
        found.append(
            Finding(
                source="iptc",
                says="ai",
                strength="stated",
                generator=system and clean(system, 100),
                where=where,
                text=text,
                details=details(ai),
            )
        )
    return found


def credit_finding(properties: Mapping[str, list[str]], where: str, personal: bool) -> Finding | None:
    """Return the fields in which photographers name themselves, which mean little; None if they are empty."""
    shown: dict[str, object] = {
        key.split(":")[-1].lower(): _name(value, personal) for key in _CREDITS if (value := _first(properties, key))
    }
    if not shown:
        return None
    text = "the file names an author or a copyright, which anyone can write"
    return Finding(source="iptc", says="unclear", strength="weak", where=where, text=text, details=details(shown))


def _strength(says: Says) -> Strength:
    """Weigh a statement: to say that AI was used is against one's interest, the opposite is not."""
    return "stated" if says in ("ai", "partly_ai") else "weak"


def _first(properties: Mapping[str, list[str]], name: str) -> str | None:
    return next((value for value in properties.get(name, ()) if value.strip()), None)


def _name(value: str | None, told: bool) -> str | None:
    return value if told or value is None else "there, not shown"
