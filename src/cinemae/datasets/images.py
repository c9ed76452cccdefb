"""One image of a labelled set, whether its bytes are a file, a member of a tar or a cell of a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cinemae.images import ImageLimits, header_size
from cinemae.plainfiles import read_plain
from cinemae.scan.items import Item

Split = Literal["train", "val"]

SPLITS: Mapping[str, Split] = {"train": "train", "val": "val", "validation": "val", "test": "val"}
"""Split names. GenImage's ``val`` is what others call ``test``: the part that nothing is fitted on."""


class ManifestError(ValueError):
    """A folder tree, table or shard that can't be read as labelled images; the message names the row or file."""


class LabelledImage(BaseModel):
    """One image of a labelled set, by reference: it holds no bytes, and is cheap to send to another process.

    Attributes:
        path: Where the file is, or the shard or table that holds it.
        label: 1 = AI-generated, 0 = real.
        generator: The comparison that the image belongs to. A real image carries the name of the
            generator that it is compared with.
        source: Where the image comes from; images of one source are not independent.
        split: "train" or "val".
        kind: Free text on the content, for example "photo" or "art"; may be empty.
        name: The path as the set itself writes it, relative and with forward slashes. Unlike
            ``path`` it is the same on every machine: use it as the key of random draws.
        item: Where in a shard or table its bytes are; None for a file of its own.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    label: int = Field(ge=0, le=1)
    generator: str
    source: str
    split: Split
    kind: str = ""
    name: str = ""
    item: Item | None = None

    @property
    def key(self) -> str:
        """The name, or the file's own name where the set gave none."""
        return self.name or self.path.name

    @property
    def place(self) -> str:
        """Where the bytes are, for messages; no two images of a set share it."""
        if self.item is None:
            return str(self.path)
        where = f"row {self.item.row}" if self.item.kind == "parquet" else f"byte {self.item.offset}"
        return f"{self.path}, {where} ({self.key})"

    @property
    def stem(self) -> str:
        """The key's last part without its suffix: a pair of one content has the same."""
        return PurePosixPath(self.key).stem

    def read(self) -> bytes:
        """Read the file's bytes.

        Raises:
            OSError: If they can't be had.
            ImportError: If they are in a Parquet table and pyarrow is missing.
        """
        if self.item is None:
            return read_plain(self.path, most=ImageLimits().max_bytes)
        from cinemae.scan.sources import read_item

        return read_item(self.item)

    def size(self) -> tuple[int, int]:
        """Return width and height in pixels as the header states them; nothing is decoded.

        Raises:
            ImageError: If the header can't be read.
            OSError: If the bytes are in a shard or table and can't be had.
        """
        return header_size(self.path) if self.item is None else header_size(self.read(), name=self.place)


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


def source_of(file_name: str) -> str:
    """Return the source that a file name states: its part before ``__``, or all of it but the suffix."""
    prefix, separator, _ = file_name.partition("__")
    return prefix if separator and prefix else PurePosixPath(file_name).stem
