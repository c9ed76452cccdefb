"""Whose signatures are trusted: the lists of the package, or one of the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

OFFICIAL = "C2PA Trust List of 2026-08-13"
INTERIM = "interim list of contentcredentials.org, 2025-08-28"
_BEGIN = "-----BEGIN CERTIFICATE-----"


class TrustListError(ValueError):
    """A trust list that can't be used; the message names it."""


@dataclass(frozen=True)
class TrustList:
    """One list, as ``c2pa`` takes it.

    Attributes:
        name: How findings call it.
        anchors: Certificates of authorities, PEM.
        allowed: Certificates of single signers, PEM.
    """

    name: str
    anchors: str
    allowed: str = ""

    def settings(self) -> dict[str, Any]:
        """Return the settings of a reader that trusts this list and never asks the network."""
        trust = {"trust_anchors": self.anchors, "trust_config": _shipped("purposes.cfg")}
        if self.allowed:
            trust["allowed_list"] = self.allowed
        verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
        return {"verify": verify, "trust": trust}


@cache
def trust_lists(path: Path | None) -> tuple[TrustList, ...]:
    """Return the lists in the order in which they are asked.

    Args:
        path: A PEM file that replaces the lists of the package; None takes those.

    Raises:
        TrustListError: If the file can't be read or has no certificate.
    """
    if path is None:
        official = TrustList(OFFICIAL, _shipped("c2pa.pem") + _shipped("c2pa-tsa.pem"))
        return official, TrustList(INTERIM, _shipped("interim-anchors.pem"), _shipped("interim-allowed.pem"))
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise TrustListError(f"trust list {path}: can't be read: {reason}") from error
    if _BEGIN not in text:
        raise TrustListError(f"trust list {path}: has no certificate in PEM")
    return (TrustList(f"list {path.name}", text),)


def _shipped(name: str) -> str:
    return files("cinemae.evidence").joinpath("data/trust", name).read_text("utf-8")
