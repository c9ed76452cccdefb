"""A manifest of what is left of a set, which :func:`cinemae.datasets.read_images` reads."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from cinemae.datasets.check.schema import CheckReport
from cinemae.datasets.images import LabelledImage, ManifestError
from cinemae.datasets.listing import Listing
from cinemae.naming import printable

COLUMNS = ("out", "split", "generator", "label", "kind", "source")
MEMBER_COLUMNS = ("name", "offset", "size", "row", "column")


def write_manifest(file: Path, listing: Listing, report: CheckReport) -> int:
    """Write the images that would not be excluded, as TSV.

    Names, and so the manifest's hash and all random draws, are those of the set, if the manifest is read with the
    set's root.

    Args:
        file: Where.
        listing: The set.
        report: What was found in it.

    Returns:
        The number of images.

    Raises:
        ManifestError: If a name can't be written so that it is read again.
        OSError: If the file can't be written.
    """
    excluded = {found.name for found in report.excluded}
    left = [image for image in listing.images if image.key not in excluded]
    columns = (*COLUMNS, *(MEMBER_COLUMNS if any(image.item for image in left) else ()))
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.DictWriter(stream, columns, restval="", delimiter="\t", lineterminator="\n")
        rows.writeheader()
        rows.writerows(_row(image, listing.root) for image in left)
    return len(left)


def _row(image: LabelledImage, root: Path) -> Mapping[str, object]:
    if image.name != printable(image.name).strip():  # values are stripped when they are read, and are UTF-8
        raise ManifestError(f"{printable(image.name)!r} can't be written to a manifest; rename the file")
    row: dict[str, object] = {
        "out": image.name,
        "split": image.split,
        "generator": image.generator,
        "label": "ai" if image.label else "real",
        "kind": image.kind,
        "source": image.source,
    }
    if image.item is not None:
        inside = image.path.is_relative_to(root)
        row["out"] = (image.path.relative_to(root) if inside else image.path).as_posix()
        row["name"] = image.name
        member = image.item.model_dump(include={"offset", "size", "row", "column"})
        row |= {name: value for name, value in member.items() if value is not None}
    return row
