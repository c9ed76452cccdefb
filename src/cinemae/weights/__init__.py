"""The weights that the package ships: encoders, MAEs and heads, safetensors + JSON."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """Return the folder of a shipped checkpoint or head, for example ``vit-base``."""
    return Path(__file__).parent / name
