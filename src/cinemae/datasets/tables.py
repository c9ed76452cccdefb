"""Manifests: one row an image, as TSV, CSV or Parquet, with paths or (Parquet) with the images' bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from cinemae.datasets.images import SPLITS, LabelledImage, ManifestError, Split, source_of
from cinemae.datasets.labels import Labels
from cinemae.datasets.listing import Listing
from cinemae.extras import install_hint
from cinemae.naming import forward
from cinemae.plainfiles import EncodingError, open_plain, read_text
from cinemae.scan.items import Item

PATH_COLUMNS = ("out", "path", "file_name")
"""Columns that may hold the file's path; the first match wins. The manifest of a set that was built
from other places may have two: ``out`` says where the file lies, ``path`` where it came from."""

FACTS = ("generator", "source", "split", "kind")
MEMBER_COLUMNS = ("name", "offset", "size", "row", "column")
"""Columns of a manifest whose paths are shards or tables: which member or cell is meant, and what it is called."""

TEXT = {".tsv": "\t", ".csv": ","}
PARQUET = (".parquet", ".pq")


class Row(NamedTuple):
    """One row of a manifest.

    Attributes:
        place: Where it stands, for messages.
        values: Stripped values by lower-case column.
        labels: What its label column's values mean.
    """

    place: str
    values: Mapping[str, str]
    labels: Labels


def is_table(file: Path) -> bool:
    """Tell whether a file is a manifest by its name."""
    return file.suffix.lower() in (*TEXT, *PARQUET)


def list_table(file: Path, root: Path | None, labels: Labels) -> Listing:
    """Read a manifest.

    Args:
        file: TSV, CSV or Parquet.
        root: What its relative paths are relative to; default: its folder.
        labels: What its classes are called.

    Raises:
        ManifestError: If a row can't be read; it is named.
        ImportError: If it is Parquet and pyarrow is missing.
    """
    if file.suffix.lower() in PARQUET and has_bytes(file):
        return list_cells(file.parent, [(file.name,)], file.stem, labels)
    base = file.parent if root is None else root
    images = [_image(row, base, default=file.stem) for row in read_rows(file, labels)]
    return Listing(base, "table", images)


def list_cells(root: Path, tables: Sequence[tuple[str, ...]], default: str, labels: Labels) -> Listing:
    """Read Parquet tables whose cells hold the images.

    A row's split is its ``split`` column, or else what the table's name or folder says
    (``train-00000-of-00002.parquet``, ``val/0.parquet``), or else ``train``. Its generator is its ``generator`` column,
    or else the topmost folder of the table (:func:`generator_in`).

    Args:
        root: Folder that the tables lie in.
        tables: Their paths below it.
        default: Generator of rows that name none, in tables that lie in no folder.
        labels: What classes are called.

    Raises:
        ManifestError: If a table or row can't be read; it is named.
        ImportError: If pyarrow is missing.
    """
    from cinemae.scan.sources import list_items

    images = []
    for parts in tables:
        file = root.joinpath(*parts)
        _check_columns(file)
        rows = list(read_rows(file, labels))
        split, generator = split_in_name(parts) or "train", generator_in(parts) or default
        inner = "/".join(parts)
        for item in list_items(str(file)):
            if item.reason is not None or item.row is None:
                raise ManifestError(f"{item.id}: {item.reason or 'has no image bytes'}")
            row = rows[item.row]
            name = (
                inner + item.id.removeprefix(file.name) if item.id.startswith(f"{file.name}/") else f"{inner}/{item.id}"
            )
            facts = _facts(row, generator, split, source_of(PurePosixPath(name).name))
            images.append(LabelledImage(path=file, name=name, item=item.model_copy(update={"modified": None}), **facts))
    return Listing(root, "table", images)


def _check_columns(file: Path) -> None:
    if not has_bytes(file):
        raise ManifestError(f"{file}: no column of image bytes; a table of paths is read alone, not with its folder")
    with _parquet(file) as table:
        columns = [name.strip().lower() for name in table.schema_arrow.names]
    if "label" not in columns:
        raise ManifestError(f"{file}: no column 'label'; columns are {', '.join(columns)}")


def has_bytes(file: Path) -> bool:
    """Tell whether a Parquet table has a column of image bytes.

    Raises:
        ImportError: If pyarrow is missing.
        ManifestError: If the table is broken.
    """
    from cinemae.scan.sources.tables import Layout

    with _parquet(file) as table:
        layout = Layout.of(table.schema_arrow)
    return layout is not None and layout.data is not None


def split_in_name(parts: Sequence[str]) -> Split | None:
    """Return the split that a shard's or table's name begins with, or its innermost folder of that name."""
    stem = PurePosixPath(parts[-1]).stem.lower()
    for name, split in SPLITS.items():
        rest = stem.removeprefix(name)
        if rest != stem and not rest[:1].isalpha():
            return split
    return next((SPLITS[part.lower()] for part in reversed(parts[:-1]) if part.lower() in SPLITS), None)


def generator_in(parts: Sequence[str]) -> str | None:
    """Return the topmost folder of a shard or table that is neither a split nor called ``data``; None without one."""
    return next((part for part in parts[:-1] if part.lower() not in (*SPLITS, "data")), None)


def read_rows(file: Path, labels: Labels) -> Iterator[Row]:
    """Yield the rows of a manifest.

    Raises:
        ManifestError: If it can't be read, or a row has more values than there are columns.
        FileNotFoundError: If there is none.
        ImportError: If it is Parquet and pyarrow is missing.
    """
    suffix = file.suffix.lower()
    if suffix in PARQUET:
        yield from _parquet_rows(file, labels)
    elif suffix in TEXT:
        yield from _text_rows(file, TEXT[suffix], labels)
    elif not file.exists():
        raise FileNotFoundError(f"{file}: no such file or folder")
    else:
        raise ManifestError(f"{file}: not a folder, .tsv, .csv, .parquet or .tar file")


def _text_rows(file: Path, delimiter: str, labels: Labels) -> Iterator[Row]:
    """Yield the rows of a TSV or CSV file: UTF-8, or what its mark says; spreadsheets write either."""
    try:
        text = read_text(file)
    except EncodingError as error:
        raise ManifestError(str(error)) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for record in reader:
            place = f"{file}, line {reader.line_num}"
            if None in record:
                raise ManifestError(f"{place}: more values than columns")
            yield Row(place, _clean(record), labels)
    except csv.Error as error:
        raise ManifestError(f"{file}, line {reader.line_num}: {error}") from error


def path_in(row: Row) -> str:
    """Return the path that a row names.

    Raises:
        ManifestError: If it names none.
    """
    text = next((row.values[column] for column in PATH_COLUMNS if row.values.get(column)), None)
    if text is None:
        raise ManifestError(f"{row.place}: no column or no value for {', '.join(PATH_COLUMNS)}")
    return text


def label_in(row: Row) -> int:
    """Return a row's label.

    Raises:
        ManifestError: If it has none, or one that is not known.
    """
    if "label" not in row.values:
        raise ManifestError(f"{row.place}: no column 'label'; columns are {', '.join(row.values)}")
    return row.labels.of(row.values["label"], row.place)


def locate(text: str, base: Path) -> tuple[Path, str]:
    """Return the file's path and its machine-independent name; a manifest may have been written on Windows."""
    path = base / forward(text, base)
    return path, (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


def _image(row: Row, base: Path, *, default: str) -> LabelledImage:
    path, name = locate(path_in(row), base)
    item = _member(row, path)
    if item is not None:
        name = item.id
    facts = _facts(row, default, "train", source_of(PurePosixPath(name).name))
    return LabelledImage(path=path, name=name, item=item, **facts)


def _member(row: Row, path: Path) -> Item | None:
    """Return where in a shard or table a row's image is; None if it is a file of its own."""
    values = row.values
    if path.suffix.lower() not in (*PARQUET, ".tar"):
        return None
    try:
        numbers = {key: int(values[key]) for key in ("offset", "size", "row") if values.get(key)}
        kind = "tar" if "offset" in numbers else "parquet"
        if (
            not values.get("name")
            or (kind == "tar") != ("size" in numbers)
            or (kind == "parquet" and not values["column"])
        ):
            raise KeyError("column")
        return Item.model_validate(
            {"id": values["name"], "kind": kind, "place": str(path.absolute()), "column": values.get("column") or None}
            | numbers
        )
    except (KeyError, ValueError) as error:
        raise ManifestError(f"{row.place}: needs a name, and offset and size or row and column, as numbers") from error


def _facts(row: Row, default: str, split: Split, source: str) -> dict[str, Any]:
    stated = row.values.get("split", "").lower()
    if stated and stated not in SPLITS:
        raise ManifestError(f"{row.place}: unknown split {row.values['split']!r}; known are {', '.join(SPLITS)}")
    return {
        "label": label_in(row),
        "generator": row.values.get("generator", "") or default,
        "source": row.values.get("source", "") or source,
        "split": SPLITS[stated] if stated else split,
        "kind": row.values.get("kind", ""),
    }


def _clean(record: Mapping[str, Any]) -> dict[str, str]:
    return {key.strip().lower(): "" if value is None else str(value).strip() for key, value in record.items()}


def _parquet(file: Path) -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError(f"{file}: Parquet manifests need pyarrow: {install_hint('parquet')}") from error
    try:
        open_plain(file).close()  # pyarrow would wait for a pipe
        return parquet.ParquetFile(file)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ManifestError(f"{file}: a broken table ({error})") from error


def _parquet_rows(file: Path, labels: Labels) -> Iterator[Row]:
    with _parquet(file) as table:
        schema = table.schema_arrow
        wanted = {*PATH_COLUMNS, "label", *FACTS, *MEMBER_COLUMNS}
        columns = [name for name in schema.names if name.strip().lower() in wanted]
        names = _class_names(schema.metadata or {}, columns)
        if names is not None and not labels.given:
            labels = labels.named(names, f"{file}, names of the labels")
        number = 0
        for batch in table.iter_batches(columns=columns, use_threads=False):
            for record in batch.to_pylist():
                yield Row(f"{file}, row {number}", _clean(record), labels)
                number += 1


def _class_names(metadata: Mapping[bytes, bytes], columns: Sequence[str]) -> list[str] | None:
    """Return the names of the label column's numbers that Hugging Face's metadata of a table states."""
    text = metadata.get(b"huggingface")
    column = next((name for name in columns if name.strip().lower() == "label"), None)
    if text is None or column is None:
        return None
    try:
        names = json.loads(text)["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):  # no ClassLabel; a number is then refused
        return None
    return [str(name) for name in names] if isinstance(names, list) else None
