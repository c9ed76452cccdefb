"""Names of inputs, as they may be written."""

from __future__ import annotations


def printable(name: str) -> str:
    r"""Return a name that can be written as UTF-8: what is no text in a file name becomes ``\udcff``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
