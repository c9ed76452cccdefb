"""Secrets of a source: put back where its items' places left them out."""

from __future__ import annotations

from dataclasses import replace

from cinemae.scan.storage import Storage
from cinemae.scan.storage.uris import Address

LIST_MARK = "@"


class Access:
    """How the places of a source are reached.

    User and query of the source hold for what it names itself, and on S3, GCS and other stores
    for whatever is on the same kind of store. A URL that stands in a list is used as it stands there: no
    other server, and no other file of the same one, gets the token of the list.
    """

    def __init__(self, source: str | None) -> None:
        """Take the source as the user wrote it.

        Raises:
            ValueError: If it is a URI without a valid host.
        """
        self._source = Address.of((source or "").removeprefix(LIST_MARK))

    def storage(self, place: str, *, named: bool = False) -> Storage:
        """Open the place of an item.

        Args:
            place: Path or URI.
            named: Whether the source itself names it, or a pattern that is the source.

        Raises:
            ValueError: If it can't be used.
        """
        return Storage.of(self.address(Address.of(place), named=named).full)

    def address(self, address: Address, *, named: bool = False) -> Address:
        """Return an address with the source's secrets, if they are for it and it has none of its own."""
        source = self._source
        if address.is_secret or not address.scheme or address.scheme != source.scheme:
            return address
        if address.scheme in ("http", "https") and not (named and address.host == source.host):
            return address
        return replace(address, query=source.query, user=source.user)
