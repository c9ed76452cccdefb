"""The rules by which pixels and file come to one conclusion; ``docs/evidence.md`` says why."""

from __future__ import annotations

from cinemae.evidence.schema import Basis, Conclusion, Evidence, Finding, PixelVerdict, Says, Together

_SAYS_AI: tuple[Says, ...] = ("ai", "partly_ai")
_SIGNED: dict[Says, Together] = {"ai": "ai", "partly_ai": "partly_ai", "captured": "real", "made_by_people": "real"}


def conclude(
    evidence: Evidence | None, pixels: PixelVerdict | None, probability: float | None = None, *, looked: bool = True
) -> Conclusion:
    """Return what pixels and file come to together.

    Args:
        evidence: What the file says; None if it was not read.
        pixels: The verdict on the pixels; None if there is none.
        probability: P(AI) by the pixels, 0 to 1.
        looked: Whether the pixels were to be looked at at all.
    """
    found = evidence or Evidence()
    seen = _pixels(pixels, probability, looked)
    signed = next((one for one in found.findings if one.strength == "trusted" and one.says in _SIGNED), None)
    if signed is not None:
        said = found.contradictions if signed.contradicts else ()
        return _conclusion(_SIGNED[signed.says], "signature", [_quote(signed), seen], said)
    stated = _statement(found)
    if stated is not None:
        return _of_statement(stated, found, pixels, seen)
    aside = _aside(found)
    if pixels is None:
        return _conclusion("inconclusive", "nothing", [aside, seen], found.contradictions)
    return _conclusion(pixels, "pixels", [seen, aside], found.contradictions)


def _statement(evidence: Evidence) -> Finding | None:
    """Return the strongest unproven statement that a generator was at work; a wholly generated picture goes first."""
    stated = [one for one in evidence.findings if one.strength in ("signed", "stated") and one.says in _SAYS_AI]
    return next((one for one in stated if one.says == "ai"), next(iter(stated), None))


def _of_statement(stated: Finding, evidence: Evidence, pixels: PixelVerdict | None, seen: str) -> Conclusion:
    said = evidence.contradictions
    if stated.says == "partly_ai":
        return _conclusion("partly_ai", "statement", [_quote(stated), seen], said)
    if stated.contradicts:
        return _conclusion("conflict", "conflict", ["the file contradicts itself", seen], said)
    if pixels == "real":
        return _conclusion("conflict", "conflict", [f"{_quote(stated)}, but the pixels look real", seen], said)
    basis: Basis = "statement and pixels" if pixels == "ai" else "statement"
    return _conclusion("ai", basis, [_quote(stated), seen], said)


def _quote(finding: Finding) -> str:
    if finding.source == "c2pa":
        return finding.text
    where = "" if finding.source == "watermark" else f" ({finding.where}, not signed)"
    return finding.text + where


def _aside(evidence: Evidence) -> str:
    """Return the one thing beside that a reader should know: a broken or unread signature, else camera data."""
    for source in ("c2pa", "iptc", "generator", "camera"):
        for one in evidence.findings:
            if one.source == source and (one.source == "c2pa" or one.says != "unclear"):
                return one.text
    return "the file says nothing of its making"


def _pixels(label: PixelVerdict | None, probability: float | None, looked: bool) -> str:
    if not looked:
        return "pixels: not looked at"
    if label is None:
        return "pixels: not scored"
    return f"pixels: {label}" + ("" if probability is None else f", {probability:.2f}")


def _conclusion(verdict: Together, basis: Basis, told: list[str], said: tuple[str, ...]) -> Conclusion:
    words = {"partly_ai": "partly ai"}.get(verdict, verdict)
    against = f"; contradiction: {'; '.join(said[:2])}" if said else ""
    return Conclusion(verdict=verdict, basis=basis, text=f"{words} - {'; '.join(told)}{against}")
