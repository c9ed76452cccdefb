"""What the readers return: findings, what contradicts what, and the conclusion beside the pixels' verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Source = Literal["c2pa", "iptc", "generator", "watermark", "camera", "software"]
Says = Literal["ai", "partly_ai", "captured", "made_by_people", "edited", "unclear"]
Strength = Literal["trusted", "signed", "stated", "weak", "void"]
SignatureState = Literal[
    "trusted", "untrusted", "self_signed", "expired", "revoked", "tampered", "invalid", "not_checked"
]
PixelVerdict = Literal["ai", "real", "inconclusive"]
Together = Literal["ai", "partly_ai", "real", "conflict", "inconclusive"]
Basis = Literal["signature", "statement", "statement and pixels", "pixels", "conflict", "nothing"]


class EvidenceOptions(BaseModel):
    """How files are read.

    Attributes:
        personal: Whether GPS positions, names of people and serial numbers are told, not only that they are there.
        trust_list: PEM file with the authorities whose C2PA signatures are trusted; None takes the package's lists.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    personal: bool = False
    trust_list: Path | None = None


class Detail(BaseModel):
    """One named value of a finding, for example a model, a seed or a prompt.

    Attributes:
        name: What it is.
        value: The file's own words, made harmless for terminals and pages, cut where it is very long.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: str


class Finding(BaseModel):
    """One thing that a file says of itself.

    Attributes:
        source: The reader that found it.
        says: What it says of the picture: made by a generator, in part, captured by a camera, made by people,
            edited, or nothing clear.
        strength: ``trusted`` is signed by somebody on the trust list, ``signed`` by somebody else, ``stated`` a
            plain statement that anyone can write, ``weak`` one that means little even if it is honest,
            ``void`` one that is refuted (a signature that doesn't fit the file).
        generator: The generator that is named, if one is.
        where: Place in the file.
        text: The finding as one plain sentence.
        signature: State of the signature; None for what isn't signed.
        details: Model, sampler, seed, prompt and the like.
        contradicts: Positions of the findings that can't be true together with this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    says: Says
    strength: Strength
    generator: str | None = None
    where: str
    text: str
    signature: SignatureState | None = None
    details: tuple[Detail, ...] = ()
    contradicts: tuple[int, ...] = ()

    def detail(self, name: str) -> str | None:
        """Return the value of a detail, or None."""
        return next((detail.value for detail in self.details if detail.name == name), None)


class Evidence(BaseModel):
    """All that a file says of itself; nothing of it enters the pixels' score.

    Attributes:
        findings: What was found, strongest first.
        contradictions: What can't be true together, as sentences.
        notes: What was not read, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...] = ()
    contradictions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Conclusion(BaseModel):
    """What pixels and file come to together, by the rules of ``docs/evidence.md``.

    Attributes:
        verdict: ``ai``, ``partly_ai`` (a picture with a generated part), ``real``, ``conflict`` (the file and the
            pixels, or two parts of the file, say opposite things) or ``inconclusive``.
        basis: What decided.
        text: The conclusion as one plain line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Together
    basis: Basis
    text: str
