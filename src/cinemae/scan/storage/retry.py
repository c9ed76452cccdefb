"""Trying again: what fails on the network often works a moment later, but not for ever."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import TypeVar

from cinemae.scan.storage.base import MissingError, StorageError
from cinemae.scan.storage.uris import redact

T = TypeVar("T")

TRIES = 5
FIRST_PAUSE = 0.2  # seconds; doubled after each try
LONGEST_PAUSE = 5.0
DEADLINE = 120.0  # seconds after which no other try is begun


def with_tries(
    work: Callable[[], T],
    place: str,
    *,
    passing: Callable[[Exception], bool],
    expected: tuple[type[Exception], ...] = (OSError,),
    secrets: tuple[str, ...] = (),
    tries: int = TRIES,
) -> T:
    """Do some work, again and again while its failure may pass.

    Pauses grow, and differ from place to place so that many readers do not come back at once.

    Args:
        work: What to do; may be done several times.
        place: What errors call it, without secrets.
        passing: Tells whether an error may pass. An error that is final already is never tried again.
        expected: The errors that the work may fail with; others are bugs and go through.
        secrets: Texts that must not be in a message.
        tries: Most tries.

    Raises:
        MissingError: If the work raised FileNotFoundError.
        StorageError: If it failed for good; the original error is not attached, since it may hold secrets.
    """
    begun = time.monotonic()
    pause = FIRST_PAUSE * (0.75 + zlib.crc32(place.encode("utf-8", "replace")) % 1000 / 2000)
    for attempt in range(1, tries + 1):
        try:
            return work()
        except StorageError:
            raise
        except FileNotFoundError:
            raise MissingError(place, "no such file or folder") from None
        except expected as error:
            text = redact(str(error) or type(error).__name__, secrets)
            if not passing(error):
                raise StorageError(place, text) from None
            if attempt == tries or time.monotonic() - begun > DEADLINE:
                raise StorageError(place, f"{text} (after {attempt} {'try' if attempt == 1 else 'tries'})") from None
        time.sleep(min(pause, LONGEST_PAUSE))
        pause *= 2
    raise ValueError(f"tries must be at least 1, got {tries}")
