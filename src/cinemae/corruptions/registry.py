"""Corruptions by name, their severities, and the tiers that group them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from cinemae.alignment.operations import Pixels
from cinemae.corruptions import codecs, geometry, pixels
from cinemae.seeding import rng_for

Tier = Literal["clean", "web", "hard"]


class CorruptionError(ValueError):
    """A corruption or tier that does not exist, or a severity that it does not have; the message says what does."""


@dataclass(frozen=True)
class Kind:
    """One sort of corruption.

    Attributes:
        apply: RGB pixels (H, W, 3) uint8, severity and the image's own generator -> RGB pixels.
        severities: Those that are measured when none is named, mild ones first.
        bounds: Lowest and highest severity that it takes.
        whole: Whether a severity is a whole number.
    """

    apply: Callable[[Pixels, float, np.random.Generator], Pixels]
    severities: tuple[float, ...]
    bounds: tuple[float, float]
    whole: bool = False


KINDS: Mapping[str, Kind] = {
    "jpeg": Kind(codecs.jpeg, (95, 85, 75, 65, 50, 40, 30), (1, 100), whole=True),
    "double-jpeg": Kind(codecs.double_jpeg, (90, 75, 50), (1, 100), whole=True),
    "webp": Kind(codecs.webp, (90, 75, 50), (1, 100), whole=True),
    "avif": Kind(codecs.avif, (80, 60, 40), (1, 100), whole=True),
    "scale": Kind(geometry.scale, (0.75, 0.5, 1.5, 2), (0.05, 4)),
    "rescale": Kind(geometry.rescale, (0.75, 0.5), (0.05, 1)),
    "blur": Kind(pixels.blur, (0.5, 1, 2), (0, 20)),
    "noise": Kind(pixels.noise, (2, 5, 10), (0, 100)),
    "sharpen": Kind(pixels.sharpen, (50, 100, 200), (0, 500), whole=True),
    "crop": Kind(geometry.crop, (0.9, 0.7, 0.5), (0.05, 1)),
    "rotate": Kind(geometry.rotate, (1, 2, 3, 4, 5), (0, 45)),
    "saturation": Kind(pixels.saturation, (0.7, 1.4, 0), (0, 4)),
    "hue": Kind(pixels.hue, (5, 15, 30), (0, 180)),
    "gamma": Kind(pixels.gamma, (0.8, 1.25, 0.6, 1.6), (0.1, 10)),
    "text": Kind(pixels.text, (5, 10), (1, 50)),
    "screenshot": Kind(codecs.screenshot, (90, 75, 60), (1, 100), whole=True),
    "social": Kind(codecs.social, (1, 2), (1, 10), whole=True),
}
"""All corruptions. Severities are qualities, factors, pixels, degrees and the like: see each function."""


class Corruption(BaseModel):
    """A corruption of a certain severity; as text ``jpeg:50``.

    Attributes:
        name: Its key in ``KINDS``.
        severity: In the kind's own unit; more is not worse for each of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    severity: float

    @model_validator(mode="after")
    def _exists(self) -> Self:
        check(self.name, self.severity)
        return self

    def __str__(self) -> str:
        """Return the text that :func:`parse_corruption` reads."""
        return f"{self.name}:{self.severity:g}"

    def apply(self, pixels: Pixels, seed: int, key: str) -> Pixels:
        """Return the corrupted image; the input stays as it is.

        Args:
            pixels: RGB image of shape (H, W, 3), uint8.
            seed: The run's seed.
            key: Names the image, for example its sha256. What is drawn depends on the seed, this key
                and this corruption alone.
        """
        return _kind(self.name).apply(pixels, self.severity, rng_for(seed, f"{key}/{self}"))


def check(name: str, severity: float) -> None:
    """Check that there is such a corruption.

    Raises:
        CorruptionError: If the name is unknown or the severity out of bounds.
    """
    kind = _kind(name)
    low, high = kind.bounds
    if not low <= severity <= high or (kind.whole and severity != round(severity)):
        numbers = "a whole number" if kind.whole else "a number"
        raise CorruptionError(f"{name}: the severity must be {numbers} from {low:g} to {high:g}, not {severity:g}")


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise CorruptionError(f"unknown corruption {name!r}; known are {', '.join(KINDS)}")
    return KINDS[name]


def parse_corruption(text: str) -> list[Corruption]:
    """Read ``NAME:SEVERITY``, or ``NAME`` for all severities that are measured by default.

    Raises:
        CorruptionError: If there is no such corruption, or it has no such severity.
    """
    name, colon, number = text.partition(":")
    if not colon:
        return [Corruption(name=name, severity=severity) for severity in _kind(name).severities]
    try:
        severity = float(number)
    except ValueError as error:
        raise CorruptionError(f"{text}: {number!r} is not a number") from error
    check(name, severity)
    return [Corruption(name=name, severity=severity)]


def _list(*texts: str) -> tuple[Corruption, ...]:
    return tuple(corruption for text in texts for corruption in parse_corruption(text))


TIERS: Mapping[Tier, tuple[Corruption, ...]] = {
    "clean": (),
    "web": _list(
        "jpeg:85", "jpeg:75", "double-jpeg:75", "webp:75", "avif:60", "scale:0.75", "crop:0.9", "screenshot:90",
        "social:1",
    ),
    "hard": _list(
        "jpeg:50", "jpeg:30", "double-jpeg:50", "webp:50", "avif:40", "scale:0.5", "scale:2", "rescale:0.5", "blur:1",
        "noise:5", "sharpen:100", "crop:0.5", "rotate:3", "saturation:1.4", "hue:15", "gamma:1.6", "text:10",
        "screenshot:60", "social:2",
    ),
}  # fmt: skip
"""What an image meets on its way: none, what the web does to every image, and what changes it visibly."""


def parse_tiers(text: str) -> list[Tier]:
    """Read names of tiers with commas between them.

    Raises:
        CorruptionError: If there is no such tier.
    """
    tiers: list[Tier] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        found = [tier for tier in get_args(Tier) if tier == name]
        if not found:
            raise CorruptionError(f"unknown tier {name!r}; known are {', '.join(TIERS)}")
        tiers += found
    return tiers


def select(tiers: Iterable[Tier], corruptions: Iterable[Corruption] = ()) -> list[Corruption]:
    """Return the corruptions of some tiers and further ones, each once, in order."""
    chosen = [corruption for tier in tiers for corruption in TIERS[tier]]
    return list(dict.fromkeys([*chosen, *corruptions]))
