"""URIs, and what in them is a secret: user, password and query."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote_from_bytes, unquote, unquote_to_bytes

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: C:// is a drive
_HOST = re.compile(r"[A-Za-z0-9._-]*(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_SHORTEST_SECRET = 4  # letters: shorter ones are words like "1" that a message may have for other reasons


@dataclass(frozen=True)
class Address:
    """A place, taken apart.

    Attributes:
        scheme: In lower case; ``""`` is a local path.
        host: Host and port, or bucket.
        path: Of a URI as it was written (percent-encoded), without the first slash; a local path as it is.
        query: What follows ``?``; may hold secrets.
        user: ``user:password`` before the host; a secret.
    """

    scheme: str
    host: str
    path: str
    query: str = ""
    user: str = ""

    def __repr__(self) -> str:
        """Return it without secrets."""
        return f"Address({self.public!r})"

    @classmethod
    def of(cls, text: str) -> Address:
        """Take a path or URI apart; ``file://`` is a local path.

        Raises:
            ValueError: If it is a URI without a valid host; the message does not repeat it, since a
                password that was not percent-encoded would be in what looks like the host.
        """
        found = _URI.match(text)
        if not found:
            return cls("", "", text)
        scheme, rest = found[1].lower(), text[found.end() :]
        if scheme in ("http", "https"):
            rest = rest.partition("#")[0]
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        if scheme == "file":
            return cls("", "", os.fsdecode(unquote_to_bytes(f"/{path}")))
        user, _, host = authority.rpartition("@")
        if not _HOST.fullmatch(host) or (scheme in ("s3", "gs", "gcs") and ":" in host):
            raise ValueError(
                f"a {scheme}:// address without a valid host or bucket;"
                " in a user or password / is written %2F, @ %40, : %3A, ? %3F and # %23"
            )
        return cls(scheme, host, path, query, user)

    @property
    def public(self) -> str:
        """The place without secrets."""
        return f"{self.scheme}://{self.host}/{self.path}" if self.scheme else self.path

    @property
    def full(self) -> str:
        """The place with everything that is needed to reach it."""
        if not self.scheme:
            return self.path
        user = f"{self.user}@" if self.user else ""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{user}{self.host}/{self.path}{query}"

    @property
    def key(self) -> str:
        """The path, decoded."""
        return unquote(self.path) if self.scheme else self.path

    @property
    def options(self) -> dict[str, str]:
        """The query's options."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def is_secret(self) -> bool:
        """Whether it has parts that are shown and stored nowhere."""
        return bool(self.query or self.user)

    def at(self, path: str) -> Address:
        """Return another path with the same host and secrets."""
        return replace(self, path=path)

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that no message may have, the longest first."""
        parts = [self.user, self.query, *self.user.split(":"), *self.options.values(), *self.query.split("&")]
        parts += [unquote(part) for part in parts]
        return tuple(sorted({part for part in parts if len(part) >= _SHORTEST_SECRET}, key=len, reverse=True))


def public(text: str) -> str:
    """Return a path or URI, or the ``@`` of a list with one, without user, password and query.

    Raises:
        ValueError: If it is a URI without a valid host.
    """
    mark = "@" if _URI.match(text.removeprefix("@")) and text.startswith("@") else ""
    return mark + Address.of(text.removeprefix(mark)).public


def is_uri(text: str) -> bool:
    """Tell whether a text is a URI rather than a local path."""
    return _URI.match(text) is not None


def encode_key(key: str) -> str:
    """Return a decoded path as it stands in a URI: only what would be read as something else is encoded."""
    return re.sub(r"[%?#]", lambda found: f"%{ord(found[0]):02X}", key)


def local_place(path: str) -> str:
    """Return an absolute local path; as a ``file://`` URI if it is no text, so that it can be stored as such."""
    absolute = os.path.abspath(path)  # noqa: PTH100 (Path.resolve follows links)
    try:
        absolute.encode()
    except UnicodeEncodeError:
        return "file://" + quote_from_bytes(os.fsencode(absolute))
    return absolute


def redact(text: str, secrets: tuple[str, ...]) -> str:
    """Return a text in which ``***`` stands for each secret."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
