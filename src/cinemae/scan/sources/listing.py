"""From a source, as the user writes it, to the stream of its items."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path, PurePosixPath

from cinemae.images import IMAGE_SUFFIXES
from cinemae.leftout import OUR_MAP, kind_of
from cinemae.maps.marks import HEAD, has_mark
from cinemae.maps.marks import SUFFIXES as MAP_SUFFIXES
from cinemae.naming import printable
from cinemae.scan.items import Item, UniqueIds
from cinemae.scan.items import sample as keep_share
from cinemae.scan.sources.access import LIST_MARK, Access
from cinemae.scan.sources.context import COMPRESSED, LISTS, SHARDS, TABLES, Context, problem
from cinemae.scan.sources.lists import read_lines
from cinemae.scan.sources.patterns import expand_braces, has_braces, has_magic, match, split_fixed
from cinemae.scan.sources.references import Line, resolve
from cinemae.scan.sources.shards import compressed, shard_items
from cinemae.scan.sources.tables import dated, table_items
from cinemae.scan.storage import Entry, MissingError, Storage, StorageError
from cinemae.scan.storage.uris import Address, encode_key, local_place


def list_items(
    source: str,
    *,
    since: datetime | None = None,
    sample: float | None = None,
    seed: int = 0,
    limit: int | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[Item]:
    """List the items of a source, one by one, in an order that is the same in each run.

    A source is a folder (its image files, ``.tar`` shards and ``.parquet`` tables, at any depth, hidden
    names and linked folders left out), one such file, a list (``@FILE``, or a ``.txt`` or ``.lst``
    file: a path or URI of an image, shard or table a line, relative ones from the list's folder), or a
    pattern of those with ``{0000..0099}``, ``{a,b}``, ``*``, ``?`` (local only), ``[...]`` and ``**``; local or
    remote. What can't be listed on the way is an item with a ``reason``. Ids are unique: a second one of
    the same name gets ``#2``.

    Args:
        source: The source; its query may have options and secrets, which no item has.
        since: Leaves out what was modified before; what has no date is kept. Members of a shard and bytes in a table
            have the date of the shard or table. Without a time zone it is UTC.
        sample: Share of the items to keep, see :func:`cinemae.scan.items.sample`.
        seed: Of that choice.
        limit: Most items to give.
        left_out: Counts by kind (:mod:`cinemae.leftout`) what folders and shards hold that is no input.

    Raises:
        MissingError: At once, if the source is not there.
        StorageError: At once, if it can't be looked at, or while listing if its root can't be listed.
        ValueError: If the source or the share can't be used.
    """
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    counter = Counter[str]() if left_out is None else left_out
    context = Context(Access(source), since.timestamp() if since else None, counter)
    items = _unique(_source_items(context, source))
    items = (item for item in items if item.reason is not None or not context.is_old(item.modified))
    if sample is not None:
        items = keep_share(items, sample, seed=seed)
    return islice(items, limit)


def _unique(items: Iterator[Item]) -> Iterator[Item]:
    ids = UniqueIds()
    try:
        for item in items:
            name = ids.take(item.id)
            yield item if name == item.id else item.model_copy(update={"id": name})
    finally:
        ids.close()


def _source_items(context: Context, source: str) -> Iterator[Item]:
    """Find out what a source is, at once; its items are listed later."""
    address = Address.of(source.removeprefix(LIST_MARK))
    storage = Storage.of(address.full)
    storage.left_out = context.left_out
    is_list = source.startswith(LIST_MARK) or address.path.lower().endswith(LISTS)
    key = address.path if address.scheme in ("http", "https") else address.key
    literal = is_list or not (has_braces(key) or has_magic(key)) or (not address.scheme and storage.exists())
    if not literal:
        items = _pattern_items(context, address, key)
        return chain(list(islice(items, 1)), items)  # the first is looked for now: there may be none
    found = storage.info()
    if found is None:
        raise MissingError(storage.uri, "no such file or folder")
    if is_list and not found.is_folder:
        return _list_items(context, storage, address)
    if found.is_folder:
        return _folder_items(context, storage, "")
    return _file_items(context, storage, found, PurePosixPath(key).name or address.public)


def _pattern_items(context: Context, address: Address, key: str) -> Iterator[Item]:
    is_http = address.scheme in ("http", "https")
    fixed, pattern = split_fixed(key)
    root = Storage.of(
        address.at(fixed if is_http or not address.scheme else encode_key(fixed)).full
        if fixed or address.scheme
        else "."
    )
    root.left_out = context.left_out
    anything = False
    for one in expand_braces(pattern):
        if has_magic(one) and not is_http:
            try:
                for entry in match(root, one):
                    anything = True
                    yield from _entry_items(context, root, entry, entry.path)
            except StorageError as error:
                anything = True
                yield problem(one, error.place, error.reason)
        else:
            anything = True
            yield from _one_of_braces(context, root, one)
    if not anything:
        raise MissingError(address.public, "nothing matches this pattern")


def _one_of_braces(context: Context, root: Storage, path: str) -> Iterator[Item]:
    """List what one name of a range stands for; a range states that it is there."""
    try:
        entry = root.info(path)
    except StorageError as error:
        yield problem(path, error.place, error.reason)
        return
    if entry is None:
        yield problem(path, root.place(path), "no such file or folder")
    else:
        yield from _entry_items(context, root, entry, path)


def _entry_items(context: Context, storage: Storage, entry: Entry, name: str) -> Iterator[Item]:
    if entry.is_folder:
        return _folder_items(context, storage, entry.path)
    return _file_items(context, storage, entry, name)


def _folder_items(context: Context, storage: Storage, folder: str) -> Iterator[Item]:
    """List a folder's images, shards and tables; other files are counted."""
    for entry in storage.walk(folder):
        suffix = PurePosixPath(entry.path).suffix.lower()
        if entry.problem is not None:
            yield problem(f"{entry.path}/", storage.place(entry.path), entry.problem)
        elif suffix in IMAGE_SUFFIXES:
            if _is_map(storage, entry):
                context.left_out[OUR_MAP] += 1
            else:
                yield _file_item(storage, entry, entry.path)
        elif entry.path.lower().endswith((*SHARDS, *COMPRESSED, *TABLES)):
            yield from _file_items(context, storage, entry, entry.path)
        else:
            context.left_out[kind_of(entry.path)] += 1


def _is_map(storage: Storage, entry: Entry) -> bool:
    """Tell whether a file is a map that cinemae drew, see :mod:`cinemae.maps.marks`."""
    if not entry.path.endswith(MAP_SUFFIXES) or not entry.size:
        return False
    try:
        return has_mark(storage.read(entry.path, 0, min(entry.size, HEAD)))
    except StorageError:  # whoever reads it as an image gets the error
        return False


def _file_items(context: Context, storage: Storage, entry: Entry, name: str) -> Iterator[Item]:
    """List one file that was named: a shard or a table by its suffix, else an image, whatever its suffix."""
    lower = name.lower()
    if lower.endswith((*SHARDS, *TABLES)) and context.is_old(entry.modified):
        return
    if lower.endswith(COMPRESSED):
        yield compressed(storage, entry.path, name)
    elif lower.endswith(SHARDS):
        yield from shard_items(storage, entry.path, name, entry.modified, left_out=context.left_out)
    elif lower.endswith(TABLES):
        yield from table_items(context, storage, entry.path, name, entry.modified)
    else:
        yield _file_item(storage, entry, name)


def _file_item(storage: Storage, entry: Entry, name: str) -> Item:
    return Item(
        id=printable(name), kind="file", place=storage.place(entry.path), size=entry.size, modified=entry.modified
    )


def _list_items(context: Context, storage: Storage, address: Address) -> Iterator[Item]:
    list_name = PurePosixPath(address.key).name
    for line in read_lines(storage):
        line_name = f"{list_name}:{line.number}"
        if line.problem is not None:
            yield problem(line_name, storage.uri, line.problem)
            continue
        if wrong := _no_text(line.text, storage):
            yield problem(line_name, storage.uri, wrong)
            continue
        try:
            reference = resolve(line.text, address)
            target = context.access.address(reference.address)
            via = str(Line(storage.uri, line.offset, line.size)) if reference.address.is_secret else None
            items = _line_items(context, reference.name, target)
        except ValueError as error:
            yield problem(line_name, storage.uri, str(error))
            continue
        for item in items:
            yield item if via is None else item.model_copy(update={"via": via})


def _no_text(text: str, storage: Storage) -> str | None:
    """Return what is wrong with a line that is no UTF-8; the name of a local file may be any bytes."""
    if printable(text) == text or os.path.lexists(Path(storage.place()).parent / text):
        return None
    return "not UTF-8, and no file has these bytes as its name; save the list as UTF-8"


def _line_items(context: Context, name: str, target: Address) -> Iterator[Item]:
    """List what a line leads to; a file is not looked at before it is read, unless its date matters."""
    if not name.lower().endswith((*SHARDS, *COMPRESSED, *TABLES)):
        place = Storage.of(target.full).place() if target.scheme else local_place(target.path)
        item = Item(id=printable(name), kind="file", place=place)
        return iter((dated(context, item, target),))
    storage = Storage.of(target.full)
    try:
        found = storage.info()
    except StorageError as error:
        return iter((problem(name, error.place, error.reason),))
    if found is None:
        return iter((problem(name, storage.uri, "no such file or folder"),))
    return _file_items(context, storage, found, name)
