"""Names of inputs, as they may be written: as text, and into tables that a spreadsheet opens."""

from __future__ import annotations


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
    return f"'{text}" if risky else text
