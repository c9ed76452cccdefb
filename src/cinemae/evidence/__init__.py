"""Evidence beside the pixels: what a file says of itself, signed or not, and one conclusion.

Nothing here enters the pixels' score, and nothing asks the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cinemae.evidence.reader import read_evidence
    from cinemae.evidence.rules import conclude
    from cinemae.evidence.schema import Conclusion, Detail, Evidence, EvidenceOptions, Finding
    from cinemae.evidence.trust import TrustListError

__all__ = [
    "Conclusion", "Detail", "Evidence", "EvidenceOptions", "Finding", "TrustListError", "conclude", "read_evidence",
]  # fmt: skip

_HOMES = {
    "conclude": "rules", "read_evidence": "reader", "EvidenceOptions": "schema", "Conclusion": "schema",
    "Detail": "schema", "Evidence": "schema", "Finding": "schema", "TrustListError": "trust",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for: a verdict's schema needs none of the readers."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cinemae.evidence' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"cinemae.evidence.{_HOMES[name]}"), name)
