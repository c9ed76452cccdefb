"""Progress bars on standard error: on a terminal only, quiet when piped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Yield a function that wraps an iterable of known length."""
    if not sys.stderr.isatty():
        yield lambda items, total: items
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        yield lambda items, total: bar.track(items, total=total, description=title)
