"""All readers on one file: bytes in, evidence out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from cinemae.evidence.buffers import Buffer
from cinemae.evidence.camera import camera_finding, impossible_dates, software_finding
from cinemae.evidence.containers import Parts, walk
from cinemae.evidence.contradict import contradictions, ordered
from cinemae.evidence.exif import Tags, read_tags
from cinemae.evidence.generators import Value, generator_findings
from cinemae.evidence.iptc import read_iptc
from cinemae.evidence.schema import Evidence, EvidenceOptions, Finding
from cinemae.evidence.statements import credit_finding, iptc_findings
from cinemae.evidence.words import clean, decode
from cinemae.evidence.xmp import XmpError, read_xmp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_VALUES = 2_000


def read_evidence(
    data: Buffer, options: EvidenceOptions | None = None, *, pixels: NDArray[np.uint8] | None = None
) -> Evidence:
    """Return what a file says of itself.

    Hostile files are bounded, not trusted: what is broken, too large or nested too deep is left out with a note.

    Args:
        data: The whole file, in memory or mapped.
        options: How to read it.
        pixels: (height, width, 3) RGB at the file's own size, for what can only be seen there (a watermark, a thumbnail
            of another picture); None leaves that out.

    Raises:
        TrustListError: If the trust list can't be used.
    """
    options = options or EvidenceOptions()
    parts = walk(data)
    tags = _tags(parts)
    properties, xmp_at = _properties(parts)
    findings: list[Finding | None] = []
    if manifest := parts.of("c2pa"):
        findings.append(_manifest(data, parts, manifest[0].where, options))
    where = ", ".join(dict.fromkeys(xmp_at)) or "IPTC"
    findings += iptc_findings(properties, where, options.personal)
    findings += generator_findings(_values(parts, tags, properties, where))
    findings.append(_stealth(data, parts))
    findings.append(camera_finding(tags, parts, properties, options.personal))
    findings.append(software_finding(tags, properties))
    findings.append(credit_finding(properties, where, options.personal))
    said = impossible_dates(tags, datetime.now(UTC).replace(tzinfo=None))
    if pixels is not None:
        findings.append(_watermark(pixels))
        said += _thumbnail(tags, pixels)
    marked, opposed = contradictions(ordered([finding for finding in findings if finding is not None]))
    return Evidence(findings=marked, contradictions=(*opposed, *said), notes=tuple(parts.notes))


def _tags(parts: Parts) -> Tags:
    """Return the EXIF tags of a file; of several structures the first that has a value."""
    merged = parts.exif or Tags()
    for block in parts.of("exif"):
        tags = read_tags(block.data)
        merged.text = tags.text | merged.text
        merged.thumbnail = merged.thumbnail or tags.thumbnail
        merged.position |= tags.position
        merged.gps = merged.gps or tags.gps
        merged.maker_note = merged.maker_note or tags.maker_note
    return merged


def _properties(parts: Parts) -> tuple[dict[str, list[str]], list[str]]:
    """Return the properties of XMP and IPTC, and where they lie."""
    found: dict[str, list[str]] = {}
    places: list[str] = []
    readers: tuple[tuple[str, Callable[[bytes], dict[str, list[str]]]], ...] = (("xmp", read_xmp), ("iptc", read_iptc))
    for kind, read in readers:
        for block in parts.blocks:
            if block.kind != kind:
                continue
            try:
                values = read(block.data)
            except XmpError as error:
                parts.note(f"{block.where}: not read to its end: {error}")
                values = error.values
            places.append(block.where)
            for name, listed in values.items():
                found.setdefault(name, []).extend(listed)
    return found, places


def _values(parts: Parts, tags: Tags, properties: dict[str, list[str]], where: str) -> list[Value]:
    """Return all named values that a generator might have written."""
    values = [Value("text", block.key, decode(block.data), block.where) for block in parts.of("text")]
    values += [Value("comment", "comment", decode(block.data), block.where) for block in parts.of("comment")]
    values += [Value("exif", name, text, f"EXIF {name}") for name, text in tags.text.items() if text]
    for name, listed in properties.items():
        place: Literal["xmp", "iptc"] = "xmp" if ":" in name else "iptc"
        values += [Value(place, name, text, f"{where} {clean(name, 60)}") for text in listed[:20] if text]
    if len(values) > MOST_VALUES:
        parts.note(f"more than {MOST_VALUES:,} named values: the others are not compared with generators")
    return values[:MOST_VALUES]


def _manifest(data: Buffer, parts: Parts, where: str, options: EvidenceOptions) -> Finding:
    from cinemae.evidence.manifests import manifest_finding  # only files with a manifest pay for it

    finding, notes = manifest_finding(data, parts.mime, where, parts.manifest_bytes, options.trust_list)
    for note in notes:
        parts.note(note)
    return finding


def _stealth(data: Buffer, parts: Parts) -> Finding | None:
    if not parts.alpha:
        return None
    from cinemae.evidence.stealth import stealth_finding

    return stealth_finding(data, parts)


def _watermark(pixels: NDArray[np.uint8]) -> Finding | None:
    from cinemae.evidence.watermark import watermark_finding

    return watermark_finding(pixels)


def _thumbnail(tags: Tags, pixels: NDArray[np.uint8]) -> list[str]:
    if not tags.thumbnail:
        return []
    from cinemae.evidence.camera import AGREES, thumbnail_agrees

    agreement = thumbnail_agrees(tags.thumbnail, pixels)
    if agreement is None or agreement >= AGREES:
        return []
    return [f"the embedded thumbnail shows another picture (correlation {agreement:.2f})"]
