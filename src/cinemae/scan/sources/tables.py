"""Parquet tables: images in a column of bytes (or of Hugging Face's structs), or paths to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cinemae.naming import printable
from cinemae.scan.items import Item
from cinemae.scan.sources.cells import open_table
from cinemae.scan.sources.context import Context, problem
from cinemae.scan.sources.references import Cell, resolve
from cinemae.scan.storage import Storage, StorageError
from cinemae.scan.storage.uris import Address

if TYPE_CHECKING:
    import pyarrow

BYTES_COLUMNS = ("image", "bytes", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "content")
PATH_COLUMNS = ("path", "file", "url", "uri", "image_path", "image_url", "file_name", "filename", "image")
ID_COLUMNS = ("id", "key", "__key__", "image_id")
_ROWS = 4096
_NO_COLUMN = (
    f"no column of image bytes ({', '.join(BYTES_COLUMNS[:3])} ...) or of paths ({', '.join(PATH_COLUMNS[:3])} ...)"
)


class Layout(NamedTuple):
    """Which columns of a table matter.

    Attributes:
        data: Column of bytes, or of structs of bytes and path; None for a table of paths.
        path: Column of paths; of a struct's, with a dot.
        id: Column of ids, if there is one.
    """

    data: str | None
    path: str | None
    id: str | None

    @classmethod
    def of(cls, schema: pyarrow.Schema) -> Layout | None:
        """Find the columns; None if there are no images in such a table."""
        import pyarrow.types as types

        fields = {field.name.lower(): field for field in reversed(list(schema))}
        known = next((fields[name].name for name in ID_COLUMNS if name in fields), None)
        for name in BYTES_COLUMNS:
            kind = fields[name].type if name in fields else None
            if kind is not None and _is_bytes(kind):
                return cls(fields[name].name, None, known)
            if kind is not None and types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                path = f"{fields[name].name}.path" if kind.get_field_index("path") >= 0 else None
                return cls(fields[name].name, path, known)
        for name in PATH_COLUMNS:
            if name in fields and _is_text(fields[name].type):
                return cls(None, fields[name].name, known)
        return None


def table_items(context: Context, storage: Storage, path: str, name: str, modified: float | None) -> Iterator[Item]:
    """List a table's images; only ids and paths are read, never the bytes.

    Args:
        context: The listing.
        storage: Where the table is.
        path: The table.
        name: Its id, for rows that have none of their own.
        modified: When the table was written.
    """
    place = storage.place(path)
    row = 0
    try:
        with storage.open(path) as file, open_table(file) as table:
            layout = Layout.of(table.schema_arrow)
            if layout is None:
                yield problem(name, place, _NO_COLUMN)
                return
            for ids, paths, count in _columns(table, layout):
                for at in range(count):
                    given = _text(ids[at]) or (_text(paths[at]) if layout.data else None) or f"{name}/{row}"
                    if layout.data:
                        yield Item(
                            id=printable(given),
                            kind="parquet",
                            place=place,
                            row=row,
                            column=layout.data,
                            modified=modified,
                        )
                    else:
                        known = _text(ids[at])
                        yield _referred(context, Cell(place, row, layout.path or ""), _text(paths[at]), known, name)
                    row += 1
    except (OSError, ValueError, NotImplementedError, KeyError) as error:
        reason = error.reason if isinstance(error, StorageError) else f"a broken table ({error})"
        yield problem(name, place, f"{reason}; rows from {row:,} on are not listed")


def _referred(context: Context, cell: Cell, text: str | None, known: str | None, name: str) -> Item:
    """Return the item of a row that has a path."""
    row_name = known or f"{name}/{cell.row}"
    if not text:
        return problem(row_name, cell.place, f"no path in row {cell.row}")
    try:
        reference = resolve(text, Address.of(cell.place))
        target = context.access.address(reference.address)
        via = str(cell) if reference.address.is_secret else None
        item = Item(id=printable(known or reference.name), kind="file", place=Storage.of(target.full).place(), via=via)
    except ValueError as error:
        return problem(row_name, cell.place, str(error))
    return dated(context, item, target)


def dated(context: Context, item: Item, address: Address) -> Item:
    """Look up when a file was modified, if the listing asks for it; that costs a request."""
    if context.since is None:
        return item
    try:
        found = Storage.of(address.full).info()
    except StorageError:  # whoever reads it gets the error
        return item
    return item if found is None else item.model_copy(update={"modified": found.modified})


def _columns(table: Any, layout: Layout) -> Iterator[tuple[Sequence[Any], Sequence[Any], int]]:
    """Read ids and paths, some thousand rows at a time."""
    wanted = [column for column in (layout.id, layout.path) if column]
    if not wanted:
        nothing = [None] * _ROWS
        for start in range(0, table.metadata.num_rows, _ROWS):
            yield nothing, nothing, min(_ROWS, table.metadata.num_rows - start)
        return
    for batch in table.iter_batches(batch_size=_ROWS, columns=wanted, use_threads=False):
        nothing = [None] * batch.num_rows
        ids = batch.column(layout.id).to_pylist() if layout.id else nothing
        paths: Sequence[Any] = nothing
        if layout.path:
            column, _, field = layout.path.partition(".") if layout.data else (layout.path, "", "")
            values = batch.column(column).to_pylist()
            paths = [value and value.get("path") for value in values] if field else values
        yield ids, paths, batch.num_rows


def _text(value: Any) -> str | None:
    """Return an id or path as text; None if there is none."""
    if value is None or value == "":
        return None
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _is_bytes(kind: pyarrow.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _is_text(kind: pyarrow.DataType) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))
