"""Names of inputs, as they may be written: as text, and into tables that a spreadsheet opens."""

from __future__ import annotations

import os
from pathlib import Path


def printable(name: str) -> str:
    r"""Return a name that can be written as UTF-8: what is no text in a file name becomes ``\udcff``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that spreadsheets run; also in the full-width forms that some of them take for it."""


def guarded(text: str) -> str:
    """Return a text that a spreadsheet shows and never runs: with an apostrophe before it, if need be.

    Example:
        >>> guarded("=1+1.png"), guarded("a=1.png")
        ("'=1+1.png", 'a=1.png')
    """
    risky = len(text) > 1 and (text.startswith(FORMULA) or text.lstrip().startswith(FORMULA))
    return f"'{text}" if risky or unguarded(text) != text else text


def unguarded(text: str) -> str:
    """Return what :func:`guarded` was given."""
    return text[1:] if text.startswith("'") and guarded(text[1:]) == text else text


def forward(text: str, base: str | os.PathLike[str]) -> str:
    r"""Return a relative path with forward slashes, if it was written with backslashes, as on Windows.

    A file that has backslashes in its name, as it may elsewhere, keeps them.

    Args:
        text: As it stands in a manifest or list.
        base: The folder that it is relative to.
    """
    if "\\" not in text or os.path.lexists(Path(base) / text):
        return text
    return text.replace("\\", "/")
