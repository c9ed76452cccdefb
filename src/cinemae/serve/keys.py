"""API keys: who may ask, and how much.

Only SHA-256 hashes are kept. A key is 256 random bits, which nobody can guess or list, so a plain hash
is as safe as a slow one, and costs a request nothing. A key that is offered is compared with every
entry in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cinemae.plainfiles import EncodingError, read_text

ENVIRONMENT = "CINEMAE_API_KEYS"
PREFIX = "cinemae_"
REREAD_SECONDS = 1.0
log = logging.getLogger("cinemae.serve")


class KeyFileError(ValueError):
    """The keys can't be read; the message says where they come from and why."""


class KeyEntry(BaseModel):
    """One key.

    Attributes:
        name: Who uses it; in the logs.
        sha256: Hash of the key, hexadecimal.
        created: When it was made (ISO 8601, UTC).
        images_per_minute: What it may ask for; None takes the service's setting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: str | None = None
    images_per_minute: float | None = Field(default=None, gt=0)


class KeyFile(BaseModel):
    """A file of keys.

    Attributes:
        keys: The entries; their names differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[KeyEntry, ...] = ()

    @field_validator("keys")
    @classmethod
    def _names_differ(cls, keys: tuple[KeyEntry, ...]) -> tuple[KeyEntry, ...]:
        if len({key.name for key in keys}) < len(keys):
            raise ValueError("two keys have the same name")
        return keys


class KeyRing:
    """The keys that are valid now; a changed file is read again within a second.

    Attributes:
        entries: The keys.
        required: Whether a key is needed at all.
    """

    def __init__(self, path: Path | None = None, environment: str | None = None) -> None:
        """Read the keys of a file, or else of the environment's text (``name=hash,name=hash``).

        Raises:
            KeyFileError: If they can't be read.
        """
        self.path = path
        self.required = path is not None or bool(environment)
        self._checked, self._stamp = time.monotonic(), _stamp(path)
        self.entries = read_keys(path) if path is not None else parse_keys(environment or "")

    def find(self, key: str) -> KeyEntry | None:
        """Return the entry of a key, or None; the time does not tell which entry it was like."""
        self._reread()
        digest, found = hash_key(key), None
        for entry in self.entries:
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        return found

    def _reread(self) -> None:
        if self.path is None or time.monotonic() - self._checked < REREAD_SECONDS:
            return
        self._checked = time.monotonic()
        if (stamp := _stamp(self.path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self.entries = read_keys(self.path)
        except KeyFileError as error:  # a slip of an editor must neither open nor stop the service
            log.error("the keys were not read again, the old ones stay", extra={"reason": str(error)})


class RateLimiter:
    """A bucket of images a key, filled at a steady rate up to a minute's worth.

    A request is let in while its bucket holds an image; it may take more than there is, and the debt
    is paid back before the next one. So the mean rate holds, and no size of request is impossible.
    """

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def wait(self, name: str, per_minute: float) -> float:
        """Return the seconds until this key may ask again; 0 if it may now."""
        return max(0.0, (1 - self._level(name, per_minute)) * 60 / per_minute)

    def take(self, name: str, per_minute: float, images: int) -> None:
        """Take so many images out of a key's bucket."""
        self._levels[name] = (self._level(name, per_minute) - images, time.monotonic())

    def _level(self, name: str, per_minute: float) -> float:
        full = max(1.0, per_minute)
        level, since = self._levels.get(name, (full, time.monotonic()))
        return min(full, level + (time.monotonic() - since) * per_minute / 60)


def hash_key(key: str) -> str:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> tuple[KeyEntry, ...]:
    """Read a file of keys.

    Raises:
        KeyFileError: If it is not one.
    """
    try:
        return KeyFile.model_validate_json(read_text(path)).keys
    except OSError as error:
        raise KeyFileError(f"{path}: the keys can't be read: {error.strerror}") from error
    except EncodingError as error:
        raise KeyFileError(str(error)) from error
    except ValidationError as error:
        raise KeyFileError(f"{path}: not a file of keys: {error.errors(include_url=False)[0]['msg']}") from error


def parse_keys(text: str) -> tuple[KeyEntry, ...]:
    """Read the keys of an environment variable: ``name=hash,name=hash``.

    Raises:
        KeyFileError: If it is not of this form.
    """
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    try:
        return KeyFile(keys=tuple(KeyEntry(name=name, sha256=digest) for name, _, digest in pairs)).keys
    except ValidationError as error:
        raise KeyFileError(f"{ENVIRONMENT}: give name=SHA256,name=SHA256 (see `cinemae serve key`)") from error


def make_key(name: str, path: Path | None, images_per_minute: float | None = None) -> tuple[str, KeyEntry]:
    """Make a key, and add its hash to a file if one is given; only the caller ever sees the key.

    The file is replaced at once, readable by its owner only.

    Raises:
        KeyFileError: If the file holds something else, or a key of this name.
        ValidationError: If the name is not of letters, digits, dots, dashes and underscores.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = KeyEntry(name=name, sha256=hash_key(key), created=now, images_per_minute=images_per_minute)
    if path is None:
        return key, entry
    old = read_keys(path) if path.exists() else ()
    if name in {other.name for other in old}:
        raise KeyFileError(f"{path}: there is a key of the name {name} already")
    body = KeyFile(keys=(*old, entry)).model_dump(mode="json", exclude_none=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(body, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return key, entry


def _stamp(path: Path | None) -> tuple[int, ...] | None:
    try:
        facts = path.stat() if path else None
    except OSError:  # reading it will say so
        return None
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino) if facts else None
