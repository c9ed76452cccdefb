"""The weights that the package ships: two MAEs and a head, safetensors + JSON."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """Return the folder of a shipped checkpoint: ``vit-tiny``, ``conv-fine`` or ``head``."""
    return Path(__file__).parent / name
