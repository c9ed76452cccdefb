"""One file by its URL, through fsspec's session; HTTP lists no folders.

Only ranges are asked for where a range is wanted, the body's size is limited while it arrives, and
neither the query nor the password of a URL is in an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp
import fsspec
from fsspec.asyn import sync

from cinemae.scan.storage.base import MOST_BYTES, Entry, MissingError, ReadOnlyStorage, StorageError, TooLargeError
from cinemae.scan.storage.retry import TRIES, with_tries
from cinemae.scan.storage.uris import Address

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 20.0  # seconds without a byte
DEADLINE = 300.0  # seconds for one answer in all, so that a server that drips can't hold a scan up
_CHUNK = 1 << 18
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))


class _Answer(NamedTuple):
    """Body and what the headers said: the whole file's size and when it was last modified."""

    body: bytes
    total: int | None
    modified: float | None


class HttpStorage(ReadOnlyStorage):
    """A file that a web server has."""

    why = "HTTP is only read from"

    def __init__(self, address: Address, *, read_timeout: float = READ_TIMEOUT, tries: int = TRIES) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            ValueError: If there is no host.
        """
        if not address.host:
            raise ValueError(f"{address.public}: no host")
        self.uri, self._address, self._tries = address.public, address, tries
        self._timeout = aiohttp.ClientTimeout(total=DEADLINE, sock_connect=CONNECT_TIMEOUT, sock_read=read_timeout)

    def place(self, path: str = "") -> str:
        """Return the URL without secrets."""
        return self._at(path).public

    def children(self, path: str = "") -> Iterator[Entry]:
        """Fail: there are no folders.

        Raises:
            StorageError: Always.
        """
        raise StorageError(self.place(path), "HTTP can't list a folder; give a list of URLs, a .tar or a .parquet")

    def info(self, path: str = "") -> Entry | None:
        """Return size and date, from an answer to a request for the first byte (many signed URLs allow GET only)."""
        try:
            answer = self._get(path, 0, 1, 1, whole=False)
        except MissingError:
            return None
        return Entry(path, size=answer.total, modified=answer.modified)

    def read(self, path: str = "", offset: int = 0, size: int | None = None, *, limit: int = MOST_BYTES) -> bytes:
        """Read bytes."""
        if size is not None and size > limit:
            raise TooLargeError(self.place(path), f"{size:,} bytes are more than {limit:,}")
        if size == 0:
            return b""
        body = self._get(path, offset, size, limit, whole=True).body
        if size is not None and len(body) < size:
            raise StorageError(self.place(path), f"ends after {len(body):,} of {size:,} bytes")
        return body

    def _at(self, path: str) -> Address:
        return self._address.at(f"{self._address.path.rstrip('/')}/{path}") if path else self._address

    def _get(self, path: str, offset: int, size: int | None, limit: int, *, whole: bool) -> _Answer:
        address, place = self._at(path), self.place(path)
        headers = {"Accept-Encoding": "identity", "User-Agent": "cinemae"}
        if offset or size is not None:
            headers["Range"] = f"bytes={offset}-" + (str(offset + size - 1) if size is not None else "")

        async def get() -> _Answer:
            session: aiohttp.ClientSession = await system.set_session()
            async with session.get(address.full, headers=headers, timeout=self._timeout) as answer:
                _check(answer, place)
                if answer.status == 416:  # the range begins at or behind the end
                    return _Answer(b"", _total(answer), _modified(answer))
                if offset and answer.status != 206:
                    raise StorageError(place, "the server gives no ranges of bytes")
                facts = (_total(answer), _modified(answer))
                return _Answer(await _body(answer, place, size, limit) if whole else b"", *facts)

        system = fsspec.filesystem("http")

        def work() -> _Answer:
            answer: _Answer = sync(system.loop, get)
            return answer

        return with_tries(
            work,
            place,
            passing=lambda error: not isinstance(error, aiohttp.InvalidURL | aiohttp.ClientSSLError),
            expected=(OSError, aiohttp.ClientError, TimeoutError, fsspec.exceptions.FSTimeoutError),
            secrets=address.secrets(),
            tries=self._tries,
        )


def _check(answer: aiohttp.ClientResponse, place: str) -> None:
    if answer.status in (404, 410):
        raise MissingError(place, f"HTTP status {answer.status}")
    if answer.status in _PASSING:
        raise OSError(f"HTTP status {answer.status}")
    if answer.status >= 400 and answer.status != 416:
        raise StorageError(place, f"HTTP status {answer.status}")


async def _body(answer: aiohttp.ClientResponse, place: str, size: int | None, limit: int) -> bytes:
    """Read the body; a server that gives more than the range is not listened to any longer."""
    most = limit if size is None else size
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > most:
            if size is not None:
                return bytes(body[:size])
            raise TooLargeError(place, f"more than {limit:,} bytes")
    return bytes(body)


def _total(answer: aiohttp.ClientResponse) -> int | None:
    """Return the whole file's size, as the headers say it."""
    stated: Any = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if answer.status == 200:
        stated = answer.headers.get("Content-Length", "")
    return int(stated) if stated.isdecimal() else None


def _modified(answer: aiohttp.ClientResponse) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
    except (KeyError, ValueError):  # not said, or not a date: unknown
        return None
