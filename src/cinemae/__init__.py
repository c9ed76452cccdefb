"""cinemae: says whether an image was made by an AI generator, and shows where it looks wrong.

A frozen masked autoencoder gives the conditional likelihood of every hidden patch; its statistics
and the encoder's global features are fused into one calibrated verdict (CINEMAE, arXiv 2511.06325).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cinemae.detector import Detector
    from cinemae.images import ImageError
    from cinemae.verdict import Verdict

    __version__: str

__all__ = ["Detector", "ImageError", "Verdict", "__version__"]

_HOMES = {"Detector": "cinemae.detector", "ImageError": "cinemae.images", "Verdict": "cinemae.verdict"}


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for, so that ``import cinemae`` takes no time."""
    if name == "__version__":
        from importlib.metadata import version  # 30 ms that scoring needs not wait for

        return version("cinemae")
    if name not in _HOMES:
        raise AttributeError(f"module 'cinemae' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
