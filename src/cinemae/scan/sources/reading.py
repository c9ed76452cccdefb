"""From an item to its bytes."""

from __future__ import annotations

from typing import Any, NoReturn

from cinemae.naming import printable
from cinemae.scan.items import Item, ItemError, ListingError, MissingItemError, OversizedItemError
from cinemae.scan.sources.access import Access
from cinemae.scan.sources.cells import Cells
from cinemae.scan.sources.lists import read_line
from cinemae.scan.sources.references import Line, parse_via, resolve
from cinemae.scan.storage import MOST_BYTES, MissingError, Storage, StorageError, TooLargeError
from cinemae.scan.storage.uris import Address

_CELLS = Cells()
_CHANGED = "{place} was changed since it was listed: another address stands there"


def read_item(item: Item, *, source: str | None = None, limit: int = MOST_BYTES) -> bytes:
    """Read the bytes of an item; may be called in several threads.

    Items of one table are best read in the order of their rows.

    Args:
        item: The item.
        source: The source that it is from, as the user wrote it: only there the options and secrets are.
        limit: Most bytes.

    Raises:
        ListingError: If it stands for something that could not be listed.
        MissingItemError: If it is not there.
        OversizedItemError: If it has more than ``limit`` bytes.
        ItemError: If it can't be read for another reason. All of these name the item.
        ImportError: If its storage needs a package that is not installed.
    """
    if item.reason is not None:
        raise ListingError(item.id, item.reason)
    try:
        access = Access(source)
        if item.kind == "parquet":
            return _from_table(item, access, limit)
        storage = _storage(item, access)
        if item.kind == "tar":
            return storage.read("", item.offset or 0, item.size, limit=limit)
        return storage.read("", limit=limit)
    except MissingError as error:
        raise MissingItemError(item.id, _reason(error)) from error
    except TooLargeError as error:
        raise OversizedItemError(item.id, error.reason) from error
    except (StorageError, ValueError) as error:
        raise ItemError(item.id, _reason(error)) from error


def _reason(error: StorageError | ValueError) -> str:
    return printable(error.reason if isinstance(error, StorageError) else str(error))


def _storage(item: Item, access: Access) -> Storage:
    """Open an item's place, with whatever secrets that needs."""
    if item.via is None:
        return access.storage(item.place, named=True)
    via = parse_via(item.via)
    if isinstance(via, Line):
        text = read_line(access.storage(via.place, named=True), via.offset, via.size)
    else:
        text = str(_cell(item, via.place, via.column, via.row, access.storage(via.place, named=True)))
    reference = resolve(text, Address.of(via.place))
    storage = Storage.of(access.address(reference.address).full)
    if storage.place() != item.place:
        raise ItemError(item.id, _CHANGED.format(place=via.place))
    return storage


def _from_table(item: Item, access: Access, limit: int) -> bytes:
    if item.row is None or item.column is None:
        raise ItemError(item.id, "an item of a table needs a row and a column")
    value = _cell(item, item.place, item.column, item.row, _storage(item, access))
    if isinstance(value, dict):
        value = value.get("bytes") or _by_path(value.get("path"), item, access, limit)
    if not value:
        raise MissingItemError(item.id, f"no image in row {item.row}")
    if len(value) > limit:
        raise OversizedItemError(item.id, f"{len(value):,} bytes are more than {limit:,}")
    return bytes(value)


def _by_path(path: str | None, item: Item, access: Access, limit: int) -> bytes:
    """Read the file that a struct without bytes refers to, as Hugging Face's do."""
    if not path:
        return b""
    address = access.address(resolve(path, Address.of(item.place)).address)
    return Storage.of(address.full).read("", limit=limit)


def _cell(item: Item, place: str, column: str, row: int, storage: Storage) -> Any:
    try:
        return _CELLS.value(place, column, row, storage.open)
    except KeyError:
        _fail(item, f"{place} has no column {column} any more")
    except IndexError:
        _fail(item, f"{place} has no row {row} any more")
    except StorageError:
        raise
    except (OSError, ValueError, NotImplementedError) as error:
        _fail(item, f"{place} is broken in row {row} ({error})")


def _fail(item: Item, reason: str) -> NoReturn:
    raise ItemError(item.id, reason)
