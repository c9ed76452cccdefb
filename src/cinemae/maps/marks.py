"""The mark that maps carry, so that they are told from pictures that somebody wants scored."""

from __future__ import annotations

import os

from cinemae.plainfiles import open_plain

OWNER = "cinemae-input"
"""Keyword of the PNG text with the hash of the input that a map was drawn of."""

KINDS = ("overlay", "sides")
SUFFIXES = tuple(f".{kind}.png" for kind in KINDS)
HEAD = 512  # bytes; the text is the first chunk after the header


def is_map(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a map that cinemae drew: by its name, and by the mark in it."""
    if not os.fspath(path).endswith(SUFFIXES):
        return False
    try:
        with open_plain(path) as file:
            return has_mark(file.read(HEAD))
    except OSError:  # whoever reads it as an image gets the error
        return False


def has_mark(head: bytes) -> bool:
    """Tell whether the first bytes of a PNG file have the mark."""
    return f"tEXt{OWNER}\0".encode() in head
