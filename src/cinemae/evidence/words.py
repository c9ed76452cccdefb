"""Text out of files, made harmless: nothing of it steers a terminal, a page or the order of its letters."""

from __future__ import annotations

import re

from cinemae.evidence.schema import Detail

MOST_VALUE = 2_000  # characters of one detail that are kept
MOST_NAME = 80
MOST_DETAILS = 40
_SPACE = re.compile(r"\s+")


def clean(text: str, most: int = MOST_VALUE) -> str:
    """Return text on one line, with control characters, bidi overrides and other invisible ones as escapes.

    Args:
        text: Any text.
        most: Characters that are kept; a cut is marked by an ellipsis.
    """
    cut = _SPACE.sub(" ", text[: 4 * most]).strip()
    shown = cut[:most]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in shown)
    if len(shown) > most or len(cut) > most or len(text) > 4 * most:
        return shown[:most] + "…"
    return shown


def decode(data: bytes) -> str:
    """Return bytes as text: UTF-8 if they are that, else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def details(pairs: dict[str, object]) -> tuple[Detail, ...]:
    """Return named values as details; None and empty ones are left out."""
    kept = [(name, value) for name, value in pairs.items() if value is not None and value != ""]
    return tuple(Detail(name=clean(name, MOST_NAME), value=clean(str(value))) for name, value in kept[:MOST_DETAILS])
