"""Fetching one image over HTTP, for ``--allow-url``: a size limit, a time limit, no other scheme."""

from __future__ import annotations

import time
import urllib.request
from http.client import HTTPException

MAX_BYTES = 64 * 2**20
TIMEOUT = 20.0  # seconds without a byte
DEADLINE = 120.0  # seconds in all, so that a server that drips can't hold the run up
CHUNK = 2**18


class DownloadError(OSError):
    """A URL could not be fetched; the message says why, without repeating the URL."""


def download(url: str, *, max_bytes: int = MAX_BYTES, timeout: float = TIMEOUT, deadline: float = DEADLINE) -> bytes:
    """Fetch a URL.

    Redirects are followed within http and https only.

    Args:
        url: An http or https URL.
        max_bytes: Largest body.
        timeout: Longest wait for the connection and for each piece, in seconds.
        deadline: Longest time in all, in seconds.

    Raises:
        DownloadError: If it can't be reached, answers with an error, or is too large or too slow.
    """
    headers = {"User-Agent": "cinemae", "Accept": "image/*,*/*;q=0.5"}
    end = time.monotonic() + deadline
    body = bytearray()
    try:
        with _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
            while chunk := answer.read1(CHUNK):
                body += chunk
                if len(body) > max_bytes:
                    raise DownloadError(f"more than {max_bytes:,} bytes")
                if time.monotonic() > end:
                    raise DownloadError(f"not there after {deadline:g} seconds")
    except DownloadError:
        raise
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a URL that can't be parsed
        reason = getattr(error, "reason", None) or error or type(error).__name__
        code = getattr(error, "code", None)
        raise DownloadError(f"{code} {reason}" if code else str(reason)) from error
    return bytes(body)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener without urllib's handlers of ftp:, file: and data:, to which a server could redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
