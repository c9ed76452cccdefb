"""Folder trees: every image below a folder, in one of the layouts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cinemae.datasets.images import LabelledImage
from cinemae.datasets.labels import Labels
from cinemae.datasets.layouts import PLACES, Parts, Tree
from cinemae.datasets.listing import Layout, LeftOut, Listing
from cinemae.datasets.quirks import known_broken
from cinemae.images import IMAGE_SUFFIXES
from cinemae.leftout import HIDDEN, HIDDEN_FOLDER, OUR_MAP, as_counts, kind_of
from cinemae.maps.marks import is_map

ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".001", ".z01")
SHARDS = (".tar",)
TABLES = (".parquet", ".pq")


@dataclass
class Files:
    """The files below a folder, as paths relative to it, sorted; hidden ones are left out, and counted.

    Attributes:
        images: Files with an image's suffix.
        shards: Tar files.
        tables: Parquet files.
        skipped: Folders that hold none of these, links to folders, archives that are still packed, and for each kind
            of other files how many there are.
        others: Other files by kind (:mod:`cinemae.leftout`).
    """

    images: list[Parts] = field(default_factory=list)
    shards: list[Parts] = field(default_factory=list)
    tables: list[Parts] = field(default_factory=list)
    skipped: list[LeftOut] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def find_files(root: Path) -> Files:
    """List what is below a folder; links to folders are named, not followed.

    Raises:
        OSError: If a folder can't be listed.
    """
    found = Files()
    empty: list[Parts] = []
    filled: set[Parts] = set()

    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(root, onerror=fail):
        here = Path(place)
        parts = here.relative_to(root).parts
        found.others[HIDDEN_FOLDER] += sum(map(_hidden, folders))
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in [name for name in folders if (here / name).is_symlink()]:
            folders.remove(name)
            found.skipped.append(
                LeftOut(name="/".join((*parts, name, "")), reason="a link to a folder is not followed")
            )
        before = len(found.images) + len(found.shards) + len(found.tables)
        for name in sorted(files):
            _sort_in(found, here, (*parts, name))
        if len(found.images) + len(found.shards) + len(found.tables) > before:
            filled.update(parts[:depth] for depth in range(len(parts) + 1))
        elif parts:
            empty.append(parts)
    hollow = {parts for parts in empty if parts not in filled}
    for parts in sorted(hollow):
        if parts[:-1] not in hollow:  # the topmost one names them all
            found.skipped.append(LeftOut(name="/".join((*parts, "")), reason="no image in this folder"))
    if others := as_counts(+found.others):
        for kind, count in others.kinds.items():
            found.skipped.append(LeftOut(name=f"{kind}: {count:,}", reason="no images by their names"))
    for sortable in (found.images, found.shards, found.tables):
        sortable.sort()
    return found


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _sort_in(found: Files, here: Path, parts: Parts) -> None:
    suffix = Path(parts[-1]).suffix.lower()
    if _hidden(parts[-1]):
        found.others[HIDDEN] += 1
    elif suffix in IMAGE_SUFFIXES:
        if is_map(here / parts[-1]):
            found.others[OUR_MAP] += 1
        else:
            found.images.append(parts)
    elif suffix in SHARDS:
        found.shards.append(parts)
    elif suffix in TABLES:
        found.tables.append(parts)
    elif suffix in ARCHIVES:
        found.skipped.append(LeftOut(name="/".join(parts), reason="an archive that is still packed"))
    else:
        found.others[kind_of(parts[-1])] += 1


def list_tree(root: Path, files: Files, layout: Layout | None, labels: Labels) -> Listing:
    """Read a folder tree of image files.

    Args:
        root: The folder.
        files: What is below it.
        layout: A layout of trees; None chooses one by the folders' names.
        labels: What the class folders are called.
    """
    folders = sorted({parts[:-1] for parts in files.images})
    tree = Tree(root, folders, labels)
    chosen = layout or tree.choose(folders)
    images: list[LabelledImage] = []
    unlabelled: list[LeftOut] = []
    broken: list[LeftOut] = []
    for parts in files.images:
        name = "/".join(parts)
        found = tree.place(chosen, parts)
        if isinstance(found, str):
            unlabelled.append(LeftOut(name=name, reason=found))
            continue
        image = LabelledImage(
            path=root.joinpath(*parts),
            label=found.label,
            generator=found.generator,
            source=found.source,
            split=found.split,
            name=name,
        )
        reason = known_broken(chosen, image)
        if reason is None:
            images.append(image)
        else:
            broken.append(LeftOut(name=name, reason=reason))
    return Listing(root, chosen, images, unlabelled, broken, files.skipped)


def tree_layouts() -> Sequence[Layout]:
    """Return the layouts of folder trees."""
    return tuple(PLACES)
