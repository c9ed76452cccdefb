"""Labelled image sets: folder trees and manifests become one flat list, with the label's direction explicit.

Three shapes are read:

* GenImage's layout, ``GENERATOR/{train,val}/{ai,nature}/...``;
* class folders anywhere below a folder, ``real/`` + ``fake/`` or ``0_real/`` + ``1_fake/``;
* a TSV, CSV or Parquet manifest with one row an image.

Reading looks at names only: whether a file exists and decodes is found out (and reported) by what opens it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cinemae.images import IMAGE_SUFFIXES, header_size

Split = Literal["train", "val"]

LABELS: Mapping[str, int] = {
    "ai": 1,
    "fake": 1,
    "1": 1,
    "1_fake": 1,
    "nature": 0,
    "real": 0,
    "0": 0,
    "0_real": 0,
}
"""What a manifest may call the classes (case does not matter). 1 is AI-generated, 0 is real."""

CLASS_FOLDERS: Mapping[str, int] = {name: label for name, label in LABELS.items() if not name.isdigit()}
"""What a folder tree may call the classes; a folder called ``0`` or ``1`` says too little."""

SPLITS: Mapping[str, Split] = {"train": "train", "val": "val", "validation": "val", "test": "val"}
"""Split names. GenImage's ``val`` is what others call ``test``: the part that nothing is fitted on."""

PATH_COLUMNS = ("out", "path")
"""Columns that may hold the file's path; the first match wins. The manifest of a set that was built
from other places may have both: ``out`` says where the file lies, ``path`` where it came from."""


class ManifestError(ValueError):
    """A folder tree or manifest that can't be read as labelled images; the message names the row or file."""


class LabelledImage(BaseModel):
    """One image of a labelled set.

    Attributes:
        path: Where the file is.
        label: 1 = AI-generated, 0 = real.
        generator: The comparison that the image belongs to. A real image carries the name of the
            generator that it is compared with.
        source: Where the image comes from; images of one source are not independent.
        split: "train" or "val".
        kind: Free text on the content, for example "photo" or "art"; may be empty.
        name: The path as the set itself writes it, relative and with forward slashes. Unlike
            ``path`` it is the same on every machine: use it as the key of random draws.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    label: int = Field(ge=0, le=1)
    generator: str
    source: str
    split: Split
    kind: str = ""
    name: str = ""

    @property
    def key(self) -> str:
        """The name, or the file's own name where the set gave none."""
        return self.name or self.path.name

    @property
    def place(self) -> str:
        """Where the bytes are, for messages; no two images of a set share it."""
        return str(self.path)

    @property
    def stem(self) -> str:
        """The key's last part without its suffix: a pair of one content has the same."""
        return PurePosixPath(self.key).stem

    def read(self) -> bytes:
        """Read the file's bytes.

        Raises:
            OSError: If they can't be had.
        """
        return self.path.read_bytes()

    def size(self) -> tuple[int, int]:
        """Return width and height in pixels as the header states them; nothing is decoded.

        Raises:
            ImageError: If the header can't be read.
        """
        return header_size(self.path)


def read_images(
    where: str | PathLike[str], *, root: str | PathLike[str] | None = None, split: str | None = None
) -> list[LabelledImage]:
    """Read a folder tree or a manifest.

    In a folder tree the label comes from the class folder, the split from a folder called train or
    val (default "train"), the generator from the topmost folder that is neither (default: the
    tree's own name) and the source from the file name's part before ``__`` (default: its stem).
    In a manifest the columns are ``out`` or ``path`` (``out`` wins) and ``label``, and optionally
    ``generator``, ``source``, ``split`` and ``kind``, with the same defaults.

    Args:
        where: A folder, or a file ending in .tsv, .csv or .parquet.
        root: What a manifest's relative paths are relative to; default is the manifest's folder.
        split: Keep only this split.

    Returns:
        The images, in the manifest's order or sorted by path.

    Raises:
        ManifestError: If a label or split is unknown or ambiguous, a column is missing, the file
            type is not supported, or no image is left.
        FileNotFoundError: If ``where`` does not exist.
        ImportError: If a Parquet manifest is read without pyarrow.
    """
    if split is not None and split not in SPLITS:
        raise ManifestError(f"unknown split {split!r}; known are {', '.join(SPLITS)}")
    where = Path(where)
    if where.is_dir():
        if root is not None:
            raise ManifestError(f"{where}: root applies to manifests, this is a folder")
        images = [_from_tree(where, parts) for parts in _image_files(where)]
    else:
        base = where.parent if root is None else Path(root)
        images = [_from_row(row, base, place, default=where.stem) for place, row in _rows(where)]
    if split is not None:
        images = [image for image in images if image.split == SPLITS[split]]
    if not images:
        raise ManifestError(f"{where}: no images" + (f" of split {split!r}" if split else ""))
    return images


def read_photos(where: str | PathLike[str], root: str | PathLike[str] | None = None) -> list[LabelledImage]:
    """Read real photographs that come without class folders or a label column.

    Args:
        where: A folder (walked recursively), or a manifest with a column ``out`` or ``path``.
        root: What a manifest's relative paths are relative to; default is the manifest's folder.

    Returns:
        Images of label 0, generator "photo" and split "train"; the source is the first folder of
        the relative path, or the set's own name for a file that lies in no folder.

    Raises:
        ManifestError: If no image is found, a column is missing, or a row is labelled as AI.
        FileNotFoundError: If ``where`` does not exist.
        ImportError: If a Parquet manifest is read without pyarrow.
    """
    where = Path(where)
    if where.is_dir():
        base, names = where, ["/".join(parts) for parts in _image_files(where)]
    else:
        base, names = where.parent if root is None else Path(root), []
        for place, row in _rows(where):
            if "label" in row and _label(row, place) != 0:
                raise ManifestError(f"{place}: an image labelled {row['label']!r} in a list of photographs")
            names.append(_path_text(row, place))
    if not names:
        raise ManifestError(f"{where}: no photographs")
    photos = []
    for text in names:
        path, name = _locate(text, base)
        folders = PurePosixPath(name).parts[:-1]
        source = folders[0] if folders else where.resolve().stem
        photos.append(LabelledImage(path=path, label=0, generator="photo", source=source, split="train", name=name))
    return photos


def manifest_hash(images: Iterable[LabelledImage]) -> str:
    """Fingerprint a labelled set: sha256 over its sorted (name, label, generator, split).

    The order of the images does not matter, nor does the folder they lie in (except where a set
    states no generator and so takes its own name).

    Returns:
        64 hexadecimal digits.
    """
    rows = sorted((image.key, image.label, image.generator, image.split) for image in images)
    digest = hashlib.sha256()
    for row in rows:
        # JSON keeps the fields apart whatever characters the names have.
        digest.update(json.dumps(row, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()


def _image_files(folder: Path) -> list[tuple[str, ...]]:
    """Relative parts of every image below a folder, sorted; hidden files and folders are left out."""
    found = []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if not hidden and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            found.append(parts)
    return sorted(found)


def _from_tree(root: Path, parts: tuple[str, ...]) -> LabelledImage:
    folders = parts[:-1]
    name = "/".join(parts)
    classes = [index for index, part in enumerate(folders) if part.lower() in CLASS_FOLDERS]
    labels = {CLASS_FOLDERS[folders[index].lower()] for index in classes}
    if len(labels) != 1:
        known = ", ".join(CLASS_FOLDERS)
        reason = "lies in class folders of both labels" if labels else f"lies in no class folder ({known})"
        raise ManifestError(f"{root / name}: {reason}")
    above = folders[: classes[0]]
    resolved = root.resolve()
    if resolved.name.lower() in SPLITS:  # the caller pointed at GENERATOR/val itself
        above, default = (resolved.name, *above), resolved.parent.name
    else:
        default = resolved.name
    splits = [SPLITS[part.lower()] for part in above if part.lower() in SPLITS]
    generators = [part for part in above if part.lower() not in SPLITS]
    return LabelledImage(
        path=root.joinpath(*parts),
        label=labels.pop(),
        generator=generators[0] if generators else default,
        source=_source_of(parts[-1]),
        split=splits[-1] if splits else "train",
        name=name,
    )


def _from_row(row: Mapping[str, str], base: Path, place: str, *, default: str) -> LabelledImage:
    path, name = _locate(_path_text(row, place), base)
    split = row.get("split", "").lower() or "train"
    if split not in SPLITS:
        raise ManifestError(f"{place}: unknown split {row['split']!r}; known are {', '.join(SPLITS)}")
    return LabelledImage(
        path=path,
        label=_label(row, place),
        generator=row.get("generator", "") or default,
        source=row.get("source", "") or _source_of(path.name),
        split=SPLITS[split],
        kind=row.get("kind", ""),
        name=name,
    )


def _label(row: Mapping[str, str], place: str) -> int:
    if "label" not in row:
        raise ManifestError(f"{place}: no column 'label'; columns are {', '.join(row)}")
    label = LABELS.get(row["label"].lower())
    if label is None:
        raise ManifestError(f"{place}: unknown label {row['label']!r}; known are {', '.join(LABELS)}")
    return label


def _path_text(row: Mapping[str, str], place: str) -> str:
    text = next((row[column] for column in PATH_COLUMNS if row.get(column)), None)
    if text is None:
        raise ManifestError(f"{place}: no column or no value for {' or '.join(PATH_COLUMNS)}")
    return text


def _locate(text: str, base: Path) -> tuple[Path, str]:
    """The file's path and its machine-independent name."""
    path = base / text
    return path, (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


def _source_of(file_name: str) -> str:
    prefix, separator, _ = file_name.partition("__")
    return prefix if separator and prefix else Path(file_name).stem


def _rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (where it is, stripped values by lower-case column) for every row of a manifest."""
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        for number, record in enumerate(_parquet_records(file)):
            yield f"{file}, row {number}", _clean(record)
    elif suffix in (".tsv", ".csv"):
        # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if suffix == ".tsv" else ",")
            for record in reader:
                place = f"{file}, line {reader.line_num}"
                if None in record:
                    raise ManifestError(f"{place}: more values than columns")
                yield place, _clean(record)
    elif not file.exists():
        raise FileNotFoundError(f"{file}: no such file or folder")
    else:
        raise ManifestError(f"{file}: not a folder, .tsv, .csv or .parquet file")


def _clean(record: Mapping[str, Any]) -> dict[str, str]:
    return {key.strip().lower(): "" if value is None else str(value).strip() for key, value in record.items()}


def _parquet_records(file: Path) -> Sequence[dict[str, Any]]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError(f"{file}: Parquet manifests need pyarrow: pip install 'cinemae[train]'") from error
    wanted = {*PATH_COLUMNS, "label", "generator", "source", "split", "kind"}
    columns = [name for name in parquet.read_schema(file).names if name.strip().lower() in wanted]
    records: list[dict[str, Any]] = parquet.read_table(file, columns=columns).to_pylist()
    return records
