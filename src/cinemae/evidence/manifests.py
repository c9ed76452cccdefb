"""C2PA: signed manifests, read and checked by ``c2pa``, which is imported only where one is present."""

from __future__ import annotations

import io
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cinemae.evidence.buffers import Buffer
from cinemae.evidence.certificates import is_self_signed
from cinemae.evidence.schema import Finding, SignatureState, Strength
from cinemae.evidence.story import Story, read_story
from cinemae.evidence.trust import TrustList, trust_lists
from cinemae.evidence.words import clean, details

MOST_STORE = 32 << 20  # bytes of a manifest store; thumbnails are its largest part
_STATES: tuple[tuple[SignatureState, tuple[str, ...]], ...] = (
    ("tampered", (".mismatch", "assertion.missing", "ingredient.hashedURI")),
    ("revoked", ("signingCredential.ocsp.revoked", "signingCredential.revoked")),
    ("expired", ("signingCredential.expired", "claimSignature.outsideValidity")),
)
_WORDS: dict[SignatureState, str] = {
    "trusted": "trusted",
    "untrusted": "signer not on a trust list",
    "self_signed": "self-signed: anyone could have signed so",
    "expired": "certificate expired, and no time stamp shows that it was valid when it signed",
    "revoked": "certificate revoked",
    "tampered": "NOT VALID: the file was changed after it was signed",
    "invalid": "NOT VALID: the signature or the manifest is broken",
    "not_checked": "not checked",
}
_STRENGTH: dict[SignatureState, Strength] = {
    "trusted": "trusted", "untrusted": "signed", "self_signed": "signed", "expired": "signed",
    "revoked": "void", "tampered": "void", "invalid": "void", "not_checked": "weak",
}  # fmt: skip


def manifest_finding(
    data: Buffer, mime: str, where: str, size: int, trust_list: Path | None = None
) -> tuple[Finding, list[str]]:
    """Read and check the manifest of a file that has one.

    Args:
        data: The whole file.
        mime: Its media type.
        where: Where the manifest lies.
        size: Bytes of the manifest store, as the container states them.
        trust_list: PEM file of the authorities to trust; None takes the lists of the package.

    Returns:
        The finding, and what was not read.

    Raises:
        TrustListError: If the trust list can't be used.
    """
    if find_spec("c2pa") is None:
        return _unread(where, "a C2PA manifest is there; to read it: pip install 'cinemae[provenance]'"), []
    if size > MOST_STORE:
        return _unread(where, f"a C2PA manifest of {size:,} bytes is there, which is more than is read"), []
    read, lists = _read(data, mime, trust_list)
    if isinstance(read, str):
        text = f"a C2PA manifest is there, but it can't be read ({clean(read, 200)})"
        return Finding(source="c2pa", says="unclear", strength="void", where=where, text=text, signature="invalid"), []
    manifests, active = read.get("manifests"), read.get("active_manifest")
    if not isinstance(manifests, dict) or not isinstance(active, str):
        return _unread(where, "a C2PA manifest store without a manifest of this file"), []
    story = read_story(manifests, active)
    signed = manifests.get(active, {}).get("signature_info") or {}
    state = _state(read, data, signed)
    return _finding(story, signed, state, where, lists), list(dict.fromkeys(story.notes))


def _read(data: Buffer, mime: str, trust_list: Path | None) -> tuple[dict[str, Any] | str, str | None]:
    """Return what the first list that trusts the signer says, else the first list; and the list's name."""
    import c2pa

    first: dict[str, Any] | None = None
    whole = bytes(data)
    for each in trust_lists(trust_list):
        try:
            with c2pa.Reader(mime, io.BytesIO(whole), context=_context(each)) as reader:
                read = json.loads(reader.json())
        except (c2pa.C2paError, ValueError, RecursionError) as error:
            return str(error), None
        if read.get("validation_state") == "Trusted":
            return read, each.name
        first = first or read
        if "signingCredential.untrusted" not in _codes(read):
            break  # another list changes nothing
    assert first is not None
    return first, None


@cache
def _context(trust: TrustList) -> Any:
    import c2pa

    return c2pa.Context.from_dict(trust.settings())


def _codes(read: dict[str, Any]) -> list[str]:
    return [str(one.get("code")) for one in read.get("validation_status") or [] if isinstance(one, dict)]


def _state(read: dict[str, Any], data: Buffer, signed: dict[str, Any]) -> SignatureState:
    if read.get("validation_state") == "Trusted":
        return "trusted"
    codes = _codes(read)
    for state, parts in _STATES:
        if any(part in code for code in codes for part in parts):
            return state
    if any(code not in ("signingCredential.untrusted", "signingCredential.invalid") for code in codes):
        return "invalid"
    if is_self_signed(data, signed.get("cert_serial_number")):
        return "self_signed"
    return "invalid" if "signingCredential.invalid" in codes else "untrusted"


def _finding(
    story: Story, signed: dict[str, Any], state: SignatureState, where: str, trusted_by: str | None
) -> Finding:
    signer = clean(str(signed.get("issuer") or signed.get("common_name") or "an unknown signer"), 100)
    generator = story.generator and clean(story.generator, 100)
    does = f"signed by {signer} (C2PA, {_WORDS[state]}): {_told(story, generator)}"
    shown = {
        "signer": signer, "certificate": signed.get("common_name"), "trusted by": trusted_by,
        "signed on": signed.get("time"), "programs": ", ".join(story.agents[:10]),
        "digital source type": ", ".join(dict.fromkeys(story.types)), "ingredients": "; ".join(story.ingredients[:20]),
    }  # fmt: skip
    return Finding(
        source="c2pa", says=story.says, strength=_STRENGTH[state], generator=generator, where=where, text=does,
        signature=state, details=details(shown),
    )  # fmt: skip


def _told(story: Story, generator: str | None) -> str:
    if story.says == "ai":
        return f"made by {generator or 'a generative model'}"
    if story.says == "partly_ai":
        return f"a part of it was made by {generator or 'a generative model'}"
    said = {
        "captured": "captured by a camera", "made_by_people": "made by people", "edited": "edited",
        "unclear": "not a word on whether a generator made it",
    }  # fmt: skip
    return said[story.says]


def _unread(where: str, text: str) -> Finding:
    return Finding(source="c2pa", says="unclear", strength="weak", where=where, text=text, signature="not_checked")
