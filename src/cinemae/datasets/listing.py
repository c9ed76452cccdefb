"""What a set was found to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from cinemae.datasets.images import LabelledImage

Layout = Literal["genimage", "forensynths", "chameleon", "folders", "table", "webdataset"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


class LeftOut(BaseModel):
    """Something that was found and is no image of the set.

    Attributes:
        name: Its path below the set's root; a folder's ends in ``/``.
        reason: Why it is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """A set as it was read.

    Attributes:
        root: What the images' names are relative to.
        layout: The layout that it was read in.
        images: Its images, sorted by name or in the order of the manifest.
        unlabelled: Images whose class can't be told.
        broken: Images that are known to be broken in the published set, by name.
        skipped: Folders without an image, linked folders, and other files that might be meant to be images.
    """

    root: Path
    layout: Layout
    images: Sequence[LabelledImage]
    unlabelled: Sequence[LeftOut] = field(default=())
    broken: Sequence[LeftOut] = field(default=())
    skipped: Sequence[LeftOut] = field(default=())
