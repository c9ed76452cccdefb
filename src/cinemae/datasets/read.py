"""Reading a labelled set, whatever its layout."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Literal

from cinemae.datasets.images import SPLITS, LabelledImage, ManifestError
from cinemae.datasets.labels import Labels
from cinemae.datasets.listing import LAYOUTS, Layout, Listing
from cinemae.datasets.shards import list_shards
from cinemae.datasets.tables import is_table, label_in, list_cells, list_table, locate, path_in, read_rows
from cinemae.datasets.trees import SHARDS, Files, find_files, list_tree, tree_layouts

log = logging.getLogger("cinemae.datasets")

AnyLayout = Layout | Literal["auto"]
Labelling = Mapping[str, str]


def read_images(
    where: str | PathLike[str],
    *,
    root: str | PathLike[str] | None = None,
    split: str | None = None,
    layout: AnyLayout = "auto",
    labels: Labelling | None = None,
) -> list[LabelledImage]:
    """Read the images of a labelled set; ``docs/datasets.md`` describes the layouts.

    Which layout ``auto`` took is logged (``cinemae.datasets``, level INFO), and so are the images that are left out
    because they are known to be broken in the published set (WARNING).

    Args:
        where: A folder, a manifest (.tsv, .csv, .parquet), a tar shard, or a pattern of shards with braces.
        root: What a manifest's relative paths are relative to; default is the manifest's folder.
        split: Keep only this split.
        layout: How to read it; ``auto`` chooses by what is there.
        labels: What the set calls its classes: name -> ``ai`` or ``real``, instead of the usual names. It is needed
            where they are numbers without a name.

    Returns:
        The images, in the manifest's order or sorted by path.

    Raises:
        ManifestError: If a label or split is unknown or ambiguous, a column is missing, the file
            type is not supported, the layout does not fit, or no image is left.
        FileNotFoundError: If ``where`` does not exist.
        ImportError: If a Parquet table is read without pyarrow.
    """
    if split is not None and split not in SPLITS:
        raise ManifestError(f"unknown split {split!r}; known are {', '.join(SPLITS)}")
    listing = list_set(where, root=root, layout=layout, labels=labels)
    for found in listing.unlabelled:
        raise ManifestError(f"{listing.root / found.name}: {found.reason}")
    if listing.broken:
        first = listing.broken[0]
        log.warning(
            "%s: left out as known to be broken: %d; the first is %s (%s)",
            where, len(listing.broken), first.name, first.reason,
        )  # fmt: skip
    images = [image for image in listing.images if split is None or image.split == SPLITS[split]]
    if not images:
        raise ManifestError(f"{where}: no images" + (f" of split {split!r}" if split else ""))
    return images


def list_set(
    where: str | PathLike[str],
    *,
    root: str | PathLike[str] | None = None,
    layout: AnyLayout = "auto",
    labels: Labelling | None = None,
) -> Listing:
    """Read a labelled set with all that was found beside its images; arguments as for :func:`read_images`.

    Raises:
        ManifestError: If it can't be read as a labelled set. An image of a folder tree whose class can't be told is
            no error here: it is listed.
        FileNotFoundError: If ``where`` does not exist.
        ImportError: If a Parquet table is read without pyarrow.
    """
    if layout not in ("auto", *LAYOUTS):
        raise ManifestError(f"unknown layout {layout!r}; known are auto, {', '.join(LAYOUTS)}")
    place, names = Path(where), Labels(labels)
    if root is not None and not (is_table(place) and not place.is_dir()):
        kind = "a folder" if place.is_dir() else "no manifest"
        raise ManifestError(f"{where}: root applies to manifests, this is {kind}")
    wanted = None if layout == "auto" else layout
    if place.is_dir():
        listing = _folder(place, wanted, names)
    elif wanted in (None, "webdataset") and PurePosixPath(place.name).suffix.lower() in SHARDS:
        listing = _pattern(place, names)
    elif wanted in (None, "table"):
        listing = list_table(place, None if root is None else Path(root), names)
    else:
        raise ManifestError(
            f"{where}: layout {layout} is of folders" + ("" if place.exists() else ", and this is none")
        )
    log.info("%s: read as %s", where, listing.layout)
    return listing


def _folder(place: Path, layout: Layout | None, labels: Labels) -> Listing:
    files = find_files(place)
    kinds = {"images": files.images, "tar shards": files.shards, "Parquet tables": files.tables}
    there = [kind for kind, found in kinds.items() if found]
    if layout is None and len(there) > 1:
        raise ManifestError(f"{place}: holds {' and '.join(there)}; say which are meant with the layout")
    if layout == "webdataset" or (layout is None and files.shards):
        return _with(files, list_shards(place, files.shards, labels))
    if layout == "table" or (layout is None and files.tables):
        return _with(files, list_cells(place, files.tables, place.resolve().name, labels))
    if layout is not None and layout not in tree_layouts():
        raise ManifestError(f"{place}: layout {layout} is not of folders")
    return list_tree(place, files, layout, labels)


def _with(files: Files, listing: Listing) -> Listing:
    return Listing(listing.root, listing.layout, listing.images, skipped=files.skipped)


def _pattern(place: Path, labels: Labels) -> Listing:
    """Read a shard, or shards whose names braces or stars stand for."""
    from cinemae.scan.sources.patterns import expand_braces, has_magic

    found: list[Path] = []
    for text in [str(place)] if place.exists() else expand_braces(str(place)):
        one = Path(text)
        if has_magic(text) and not one.exists():
            fixed = next(folder for folder in one.parents if not has_magic(str(folder)))
            matched = sorted(fixed.glob(str(one.relative_to(fixed))))
        else:
            matched = [one] if one.exists() else []
        if not matched:  # a range states that each of its shards is there
            raise FileNotFoundError(f"{text}: no such shard")
        found += matched
    root = Path(place).parent
    while any(mark in str(root) for mark in "{*?["):
        root = root.parent
    return list_shards(root, [one.relative_to(root).parts for one in found], labels)


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
        base, names = where, ["/".join(parts) for parts in find_files(where).images]
    else:
        base, names = where.parent if root is None else Path(root), []
        for row in read_rows(where, Labels()):
            if "label" in row.values and label_in(row) != 0:
                raise ManifestError(f"{row.place}: an image labelled {row.values['label']!r} in a list of photographs")
            names.append(path_in(row))
    if not names:
        raise ManifestError(f"{where}: no photographs")
    photos = []
    for text in names:
        path, name = locate(text, base)
        folders = PurePosixPath(name).parts[:-1]
        source = folders[0] if folders else where.resolve().stem
        photos.append(LabelledImage(path=path, label=0, generator="photo", source=source, split="train", name=name))
    return photos
