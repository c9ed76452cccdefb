"""What can't be true together."""

from __future__ import annotations

from collections.abc import Sequence

from cinemae.evidence.schema import Finding, Says

_NOT_GENERATED: tuple[Says, ...] = ("captured", "made_by_people")
_ORDER = ("trusted", "signed", "stated", "weak", "void")


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings strongest first; those of one strength stay in their order."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.strength))


def contradictions(findings: Sequence[Finding]) -> tuple[tuple[Finding, ...], list[str]]:
    """Return the findings with what each contradicts, and the contradictions as sentences.

    A picture that is wholly generated was neither captured by a camera nor made by people. One with a generated part
    may well have been.

    Args:
        findings: The findings, in the order in which they will be told.
    """
    pairs: dict[int, list[int]] = {number: [] for number in range(len(findings))}
    said: list[str] = []
    for first, one in enumerate(findings):
        for second, other in enumerate(findings[first + 1 :], first + 1):
            if "void" not in (one.strength, other.strength) and opposite(one.says, other.says):
                pairs[first].append(second)
                pairs[second].append(first)
                said.append(f"{one.text}, but {other.text}")
        if one.signature == "tampered":
            said.append("the file carries a signature of another version of it")
    marked = tuple(
        one.model_copy(update={"contradicts": tuple(pairs[number])}) if pairs[number] else one
        for number, one in enumerate(findings)
    )
    return marked, said


def opposite(one: Says, other: Says) -> bool:
    """Tell whether two statements can't both be true."""
    return (one == "ai" and other in _NOT_GENERATED) or (other == "ai" and one in _NOT_GENERATED)
