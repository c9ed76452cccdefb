"""Patterns: braces as in bash, and ``*``, ``?``, ``[...]`` and ``**`` on any storage that can list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from cinemae.scan.storage import Entry, MissingError, Storage

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
_MAGIC = re.compile(r"[*?\[]")


def expand_braces(pattern: str) -> Iterator[str]:
    """Expand ``{a,b}`` and ``{000..120}`` one by one, as bash does; other braces stay as they are.

    Example:
        >>> list(expand_braces("{a,b}-{08..10}"))
        ['a-08', 'a-09', 'a-10', 'b-08', 'b-09', 'b-10']
    """
    found = _first_braces(pattern)
    if found is None:
        yield pattern
        return
    start, end, choices = found
    for choice in choices:
        for middle in expand_braces(choice) if "{" in choice else (choice,):
            for rest in expand_braces(pattern[end:]):
                yield pattern[:start] + middle + rest


def has_braces(pattern: str) -> bool:
    """Tell whether a pattern has braces that expand."""
    return _first_braces(pattern) is not None


def has_magic(pattern: str) -> bool:
    """Tell whether a pattern has ``*``, ``?`` or ``[``."""
    return _MAGIC.search(pattern) is not None


def split_fixed(pattern: str) -> tuple[str, str]:
    """Split a pattern at the last ``/`` before anything in it that is not fixed."""
    found = re.search(r"[*?\[{]", pattern)
    at = pattern.rfind("/", 0, found.start() if found else None)
    return (pattern[: at + 1], pattern[at + 1 :]) if at >= 0 else ("", pattern)


def match(storage: Storage, pattern: str) -> Iterator[Entry]:
    """Find the files and folders of a storage that match, sorted in each folder.

    Raises:
        StorageError: If a folder can't be listed.
    """
    parts = [part for part in re.sub(r"(\*\*/)+", "**/", pattern).split("/") if part]
    return _match(storage, "", parts)


def _match(storage: Storage, folder: str, parts: list[str]) -> Iterator[Entry]:
    head, rest = parts[0], parts[1:]
    below = f"{folder}/" if folder else ""
    if head == "**" and not rest:
        yield from storage.walk(folder)
    elif head == "**":
        yield from _match(storage, folder, rest)
        for entry in _children(storage, folder):
            if entry.is_folder:
                yield from _match(storage, entry.path, parts)
    elif not has_magic(head):
        if rest:
            yield from _match(storage, below + head, rest)
        elif found := storage.info(below + head):
            yield found
    else:
        for entry in _children(storage, folder):
            if not fnmatchcase(entry.path.rpartition("/")[2], head):
                continue
            if not rest:
                yield entry
            elif entry.is_folder:
                yield from _match(storage, entry.path, rest)


def _children(storage: Storage, folder: str) -> Iterator[Entry]:
    try:
        yield from storage.children(folder)
    except MissingError:  # a fixed part behind a star need not be in every folder
        return


def _first_braces(pattern: str) -> tuple[int, int, Iterator[str]] | None:
    """Return start, end and choices of the first braces that expand."""
    start = pattern.find("{")
    while start >= 0:
        if (end := _closing(pattern, start)) is not None:
            choices = _choices(pattern[start + 1 : end - 1])
            if choices is not None:
                return start, end, choices
        start = pattern.find("{", start + 1)
    return None


def _closing(pattern: str, start: int) -> int | None:
    depth = 0
    for at in range(start, len(pattern)):
        depth += (pattern[at] == "{") - (pattern[at] == "}")
        if depth == 0:
            return at + 1
    return None


def _choices(inside: str) -> Iterator[str] | None:
    if found := _RANGE.fullmatch(inside):
        return _numbers(found[1], found[2], int(found[3] or 1))
    parts, depth, last = [], 0, 0
    for at, letter in enumerate(inside):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append(inside[last:at])
            last = at + 1
    return iter([*parts, inside[last:]]) if parts else None


def _numbers(first: str, last: str, step: int) -> Iterator[str]:
    """Count up or down; as wide as the wider end if one of them begins with a zero."""
    padded = any(len(end.lstrip("-")) > 1 and end.lstrip("-").startswith("0") for end in (first, last))
    width = max(len(first), len(last)) if padded else 0
    start, stop, size = int(first), int(last), abs(step) or 1
    numbers = range(start, stop + 1, size) if start <= stop else range(start, stop - 1, -size)
    return (f"{number:0{width}d}" for number in numbers)
