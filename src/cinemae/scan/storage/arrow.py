"""S3 and Google Cloud Storage, through pyarrow.

Options stand in the query of the URI, for example
``s3://bucket/folder?region=eu-west-1&endpoint_override=127.0.0.1:9000&scheme=http``. Both know
``anonymous``, ``endpoint_override``, ``scheme`` and ``tries``; S3 knows ``region``, ``role_arn``,
``session_token``, ``connect_timeout`` and ``request_timeout`` (seconds) too. Keys are best left to the
environment (``AWS_*``, ``GOOGLE_APPLICATION_CREDENTIALS``) or the machine's role;
``s3://KEY:SECRET@bucket`` works as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import pyarrow
from pyarrow import fs

from cinemae.leftout import HIDDEN, HIDDEN_FOLDER
from cinemae.scan.storage.base import MOST_BYTES, Entry, Storage, StorageError, TooLargeError
from cinemae.scan.storage.retry import TRIES, with_tries
from cinemae.scan.storage.uris import Address, encode_key

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0  # seconds
REQUEST_TIMEOUT = 20.0  # seconds without a byte
_SDK_TRIES = 2  # the SDK's own, quick ones, within each of ours
_BOTH = frozenset(("anonymous", "endpoint_override", "scheme", "tries"))
_OPTIONS = {
    "s3": _BOTH | {"region", "role_arn", "session_token", "connect_timeout", "request_timeout"},
    "gs": _BOTH | {"project_id"},
}
# What no other try changes. pyarrow gives the SDK's error names and, for some, only the HTTP status.
_FINAL = (
    "ACCESS_DENIED", "NO_SUCH_BUCKET", "NO_SUCH_KEY", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH",
    "INVALID_CLIENT_TOKEN_ID", "MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT", "INVALID_SIGNATURE",
    "EXPIRED_TOKEN", "Unauthenticated", "Permission", "PERMISSION_DENIED", "UNAUTHENTICATED",
    "HTTP status 301", "HTTP status 400", "HTTP status 401", "HTTP status 403", "Not a regular file",
)  # fmt: skip


class ArrowStorage(Storage):
    """A bucket, or a folder or object in one."""

    def __init__(self, address: Address) -> None:
        """Connect; nothing is sent yet.

        Raises:
            ValueError: If there is no bucket or an option is unknown.
        """
        kind = "s3" if address.scheme == "s3" else "gs"
        options = address.options
        if not address.host:
            raise ValueError(f"{address.public}: no bucket")
        if unknown := sorted(options.keys() - _OPTIONS[kind]):
            raise ValueError(f"{address.public}: unknown options {', '.join(unknown)}; known: {_known(kind)}")
        self.uri = address.public
        self._address, self._key = address, address.key.strip("/")
        self._tries = int(options.pop("tries", TRIES))
        # A region or an endpoint is no secret, and messages are poorer without them.
        plain = {options.get(name) for name in _OPTIONS[kind] - {"session_token"}}
        self._secrets = tuple(secret for secret in address.secrets() if secret not in plain)
        make = _s3 if kind == "s3" else _gcs
        self._system: fs.FileSystem = make(address.host, address.user, tuple(sorted(options.items())))

    def place(self, path: str = "") -> str:
        """Return the URI."""
        key = "/".join(part for part in (self._key, path) if part)
        return f"{self._address.scheme}://{self._address.host}/{encode_key(key)}"

    def children(self, path: str = "") -> Iterator[Entry]:
        """List one folder."""
        selector = fs.FileSelector(self._full(path), allow_not_found=False)
        found = self._try(path, lambda: self._system.get_file_info(selector))
        for info in sorted(found, key=lambda info: str(info.base_name)):
            if info.base_name.startswith("."):
                self.leave_out(HIDDEN_FOLDER if info.type == fs.FileType.Directory else HIDDEN)
            else:
                yield entry_of(f"{path}/{info.base_name}" if path else info.base_name, info)

    def info(self, path: str = "") -> Entry | None:
        """Return what is there; a folder is there if something is in it."""
        found = self._try(path, lambda: self._system.get_file_info(self._full(path)))
        return None if found.type == fs.FileType.NotFound else entry_of(path, found)

    def read(self, path: str = "", offset: int = 0, size: int | None = None, *, limit: int = MOST_BYTES) -> bytes:
        """Read bytes."""

        def work() -> bytes:
            with self._system.open_input_file(self._full(path)) as file:
                rest = max(0, file.size() - offset)
                wanted = rest if size is None else size
                if wanted > limit:
                    raise TooLargeError(self.place(path), f"{wanted:,} bytes are more than {limit:,}")
                if wanted > rest:
                    raise StorageError(self.place(path), f"ends after {rest:,} of {wanted:,} bytes")
                data: bytes = file.read_at(wanted, offset)
            if len(data) < wanted:
                raise OSError(f"the answer ended after {len(data):,} of {wanted:,} bytes")
            return data

        return self._try(path, work)

    def write_atomically(self, path: str, data: bytes) -> None:
        """Write an object; it shows up when its last byte has arrived."""

        def work() -> None:
            with self._system.open_output_stream(self._full(path)) as stream:
                stream.write(data)

        self._try(path, work)

    def remove(self, path: str) -> None:
        """Remove an object."""

        def work() -> None:
            if self._system.get_file_info(self._full(path)).type == fs.FileType.File:
                self._system.delete_file(self._full(path))

        self._try(path, work)

    def _full(self, path: str) -> str:
        return "/".join(part for part in (self._address.host, self._key, path) if part)

    def _try(self, path: str, work: Callable[[], T]) -> T:
        return with_tries(
            work,
            self.place(path),
            passing=_may_pass,
            expected=(OSError, pyarrow.ArrowException),
            secrets=self._secrets,
            tries=self._tries,
        )


def entry_of(path: str, info: Any) -> Entry:
    """Return an entry for what pyarrow says of a path."""
    modified = info.mtime_ns / 1e9 if info.mtime_ns is not None else None
    if info.type == fs.FileType.Directory:
        return Entry(path, is_folder=True)
    return Entry(path, size=info.size, modified=modified)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, OSError) and not any(text in str(error) for text in _FINAL)


def _known(kind: str) -> str:
    return ", ".join(sorted(_OPTIONS[kind]))


@lru_cache(32)
def _s3(bucket: str, user: str, options: tuple[tuple[str, str], ...]) -> fs.S3FileSystem:
    """Connect to S3; storages with the same options share the connections."""
    given = dict(options)
    settings: dict[str, Any] = {name: given[name] for name in ("role_arn", "session_token", "scheme") if name in given}
    if user:
        key, _, secret = user.partition(":")
        settings |= {"access_key": unquote(key), "secret_key": unquote(secret)}
    elif "session_token" in given:
        raise ValueError(f"s3://{bucket}: a session_token needs KEY:SECRET before the bucket")
    endpoint = given.get("endpoint_override") or os.environ.get(
        "AWS_ENDPOINT_URL_S3", os.environ.get("AWS_ENDPOINT_URL")
    )
    if endpoint and "://" in endpoint:
        parts = urlsplit(endpoint)
        endpoint, settings["scheme"] = parts.netloc, given.get("scheme", parts.scheme)
    region = given.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region and not endpoint:
        region = _region(bucket)
    return fs.S3FileSystem(
        **settings,
        endpoint_override=endpoint or None,
        region=region or "us-east-1",
        anonymous=_is_true(given.get("anonymous", "")),
        connect_timeout=float(given.get("connect_timeout", CONNECT_TIMEOUT)),
        request_timeout=float(given.get("request_timeout", REQUEST_TIMEOUT)),
        background_writes=False,  # so that the error of a write is the write's
        allow_delayed_open=True,  # one request for a small object, not three
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_SDK_TRIES),
    )


def _region(bucket: str) -> str | None:
    """Ask AWS where a bucket is; without an answer the default is tried, whose error says more."""
    try:
        return str(fs.resolve_s3_region(bucket))
    except OSError:
        return None


@lru_cache(32)
def _gcs(bucket: str, user: str, options: tuple[tuple[str, str], ...]) -> fs.GcsFileSystem:
    """Connect to Google Cloud Storage."""
    if user:
        raise ValueError(f"gs://{bucket}: a user before the bucket has no meaning")
    given = dict(options)
    return fs.GcsFileSystem(
        anonymous=_is_true(given.pop("anonymous", "")),
        retry_time_limit=timedelta(seconds=REQUEST_TIMEOUT),
        **given,
    )


def _is_true(text: str) -> bool:
    return text.lower() in ("1", "true", "yes")
