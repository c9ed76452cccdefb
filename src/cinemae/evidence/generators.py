"""Generators by what they write into files; the forms stand in ``data/generators.toml``, not here."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cinemae.evidence.parameters import PARSERS, Parsed, load_json, parse
from cinemae.evidence.schema import Finding, Says
from cinemae.evidence.words import clean, details

Place = Literal["text", "exif", "xmp", "iptc", "comment", "c2pa"]
MOST_MATCHED = 1 << 20  # characters of a value that a rule looks at
MOST_SEARCHED = 20_000  # characters at its end that a pattern is searched in
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Value:
    """One named value out of a file.

    Attributes:
        place: What kind of metadata holds it.
        key: Its name there.
        text: The value.
        where: Its place, for people.
    """

    place: Place
    key: str
    text: str
    where: str


class Rule(BaseModel):
    """One form of one generator; see the head of the data file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    generator: str
    places: tuple[Place, ...]
    keys: frozenset[str]
    says: Says = "ai"
    starts: tuple[str, ...] = ()
    equals: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    json_keys: tuple[str, ...] | None = None
    pattern: re.Pattern[str] | None = None
    also: dict[str, Literal["uuid"]] = {}
    parse: str | None = None
    source: str

    def fits(self, value: Value, beside: dict[str, str]) -> bool:
        """Tell whether a value has this form; its place and key are known to be the rule's.

        Args:
            value: The value.
            beside: The other values of the same place, by key.
        """
        text = value.text[:MOST_MATCHED].strip()
        lower = text.lower()
        return (
            (not self.starts or lower.startswith(self.starts))
            and (not self.equals or lower in self.equals)
            and all(part in lower for part in self.contains)
            and (not self.any or any(part in lower for part in self.any))
            and (self.pattern is None or self.pattern.search(text[-MOST_SEARCHED:]) is not None)
            and all(_UUID.fullmatch(beside.get(name, "").strip()) for name in self.also)
            and (self.json_keys is None or _has(text, self.json_keys))
        )


class Rules(BaseModel):
    """The whole data file.

    Attributes:
        rules: In their order.
        editing: Names of programs that edit pictures.
    """

    model_config = ConfigDict(frozen=True)

    rules: tuple[Rule, ...]
    editing: tuple[str, ...]


@cache
def load_rules() -> Rules:
    """Read the data file of the package."""
    raw = tomllib.loads(files("cinemae.evidence").joinpath("data/generators.toml").read_text("utf-8"))
    rules = []
    for entry in raw["rule"]:
        lowered = {n: tuple(t.lower() for t in entry.pop(n, ())) for n in ("starts", "equals", "contains", "any")}
        keys = frozenset(key.lower() for key in entry.pop("key"))
        rule = Rule(places=entry.pop("in"), keys=keys, json_keys=entry.pop("json", None), **lowered, **entry)
        if rule.parse is not None and rule.parse not in PARSERS:
            raise ValueError(f"{rule.generator}: no parser {rule.parse}")
        rules.append(rule)
    return Rules(rules=tuple(rules), editing=tuple(name for group in raw["editing"] for name in group["names"]))


@cache
def _by_key() -> dict[tuple[str, str], list[tuple[int, Rule]]]:
    """Return the rules by place and key, with their position."""
    found: dict[tuple[str, str], list[tuple[int, Rule]]] = defaultdict(list)
    for number, rule in enumerate(load_rules().rules):
        for place in rule.places:
            for key in rule.keys:
                found[place, key].append((number, rule))
    return dict(found)


def _fitting(value: Value, beside: dict[str, str]) -> tuple[int, Rule] | None:
    """Return the first rule that a value fits, with its position."""
    listed = _by_key().get((value.place, value.key.lower()), ())
    return next(((number, rule) for number, rule in listed if rule.fits(value, beside)), None)


def name_generator(values: Iterable[Value]) -> tuple[Rule, Value] | None:
    """Return the first rule that one of the values fits, in the order of the rules."""
    listed = list(values)
    beside = {value.key: value.text for value in listed}
    fitting = [(found, value) for value in listed if (found := _fitting(value, beside)) is not None]
    if not fitting:
        return None
    (_, rule), value = min(fitting, key=lambda one: one[0][0])
    return rule, value


def generator_findings(values: Iterable[Value]) -> list[Finding]:
    """Return a finding for each generator that the values name; its details are put together."""
    listed = list(values)
    found: dict[str, list[tuple[Rule, Value]]] = {}
    besides: dict[str, dict[str, str]] = {}
    for value in listed:
        besides.setdefault(value.place, {})[value.key] = value.text
    for value in listed:
        fitting = _fitting(value, besides[value.place])
        if fitting is not None:
            found.setdefault(fitting[1].generator, []).append((fitting[1], value))
    return [_finding(generator, matches) for generator, matches in found.items()]


def _finding(generator: str, matches: list[tuple[Rule, Value]]) -> Finding:
    merged: Parsed = {}
    for rule, value in matches:
        if rule.parse is not None:
            read = parse(rule.parse, value.text)
            merged = {k: v for k, v in read.items() if v not in (None, "")} | merged
    made = any(rule.says == "ai" for rule, _ in matches)
    where = ", ".join(dict.fromkeys(value.where for _, value in matches))
    if not merged:
        merged = {matches[0][1].key: clean(matches[0][1].text, 200)}
    where, shown = clean(where, 200), details(merged)
    if not made:  # a program that also does other things
        text = f"the file was written by {generator}, which can generate pictures and much else"
        return Finding(source="software", says="unclear", strength="weak", where=where, text=text, details=shown)
    text = f"the file says that {generator} made it"
    return Finding(
        source="generator", says="ai", strength="stated", generator=generator, where=where, text=text, details=shown
    )  # fmt: skip


def _has(text: str, keys: tuple[str, ...]) -> bool:
    value = load_json(text) if text.startswith("{") else None
    return isinstance(value, dict) and all(key in value for key in keys)
