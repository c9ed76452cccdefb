"""Labelled sets on the command line: how they are read, and saying so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer


class _Aloud(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"cinemae: {record.getMessage()}", err=True)


@contextmanager
def reading_aloud() -> Iterator[None]:
    """Say on standard error in which layout sets are read, and what of them is left out."""
    log, handler = logging.getLogger("cinemae.datasets"), _Aloud()
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate


def stated_labels(label: list[str] | None) -> dict[str, str] | None:
    """Return what ``--label`` says of the classes; None if it was not given.

    Raises:
        ManifestError: If it can't be read.
    """
    from cinemae.datasets.labels import parse_labels

    return parse_labels(label or [])
