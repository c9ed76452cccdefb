"""What a check of a set found, as it is written to a JSON file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cinemae.datasets.images import Split
from cinemae.datasets.listing import Layout, LeftOut

Reason = Literal["broken", "conflict", "copy across splits", "alike across splits", "source across splits", "copy"]
REASONS: dict[Reason, str] = {
    "broken": "can't be decoded",
    "conflict": "the same bytes are there under both labels",
    "copy across splits": "the same bytes are in the split that nothing is fitted on",
    "alike across splits": "looks like an image of the split that nothing is fitted on",
    "source across splits": "its source has images in the split that nothing is fitted on",
    "copy": "the same bytes are there before, in the same split, generator and class",
}
"""Why an image would be excluded, the strongest reason first."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Count(_Record):
    """How many images there are of one kind.

    Attributes:
        generator: The comparison that they belong to.
        split: Their split.
        label: 1 = AI-generated, 0 = real.
        format: File format; None for those that can't be read.
        images: Their number.
    """

    generator: str
    split: Split
    label: int
    format: str | None
    images: int


class Member(_Record):
    """One image of a group."""

    name: str
    generator: str
    split: Split
    label: int


class Group(_Record):
    """Images that are alike.

    Attributes:
        images: At least two, in the order of the set.
        across_splits: Whether some are in train and some in val.
        across_labels: Whether some are AI-generated and some real.
    """

    images: tuple[Member, ...] = Field(min_length=2)
    across_splits: bool
    across_labels: bool


class Leak(_Record):
    """A source with images in both splits.

    Attributes:
        source: Its name.
        train: Images of it in train.
        val: Images of it in val.
    """

    source: str
    train: int
    val: int


class Exclusion(_Record):
    """An image that would be excluded.

    Attributes:
        name: Its name in the set.
        reason: Why; ``REASONS`` says it in words.
        detail: What exactly: the decoder's message, or the other image or the source.
    """

    name: str
    reason: Reason
    detail: str


class CheckReport(_Record):
    """What was found in a labelled set.

    Attributes:
        layout: The layout that it was read in.
        distance: Two pictures are alike if at most this many of their hashes' 64 bits differ.
        images: Images listed, without those below.
        counts: Them by generator, split, class and format.
        unlabelled: Images whose class can't be told.
        broken: Files that are known to be broken in the published set, with the source.
        skipped: Folders without images, and what else was not looked at.
        duplicates: Groups of images of the same bytes.
        alike: Groups of images whose pictures are alike, though their bytes differ.
        leaks: Sources in both splits. What is only the file's own name is no source.
        excluded: Images that would be excluded.
        hash: Fingerprint of the listed images (:func:`cinemae.datasets.manifest_hash`).
        clean_hash: Fingerprint of those that are left.
    """

    layout: Layout
    distance: int
    images: int
    counts: tuple[Count, ...]
    unlabelled: tuple[LeftOut, ...]
    broken: tuple[LeftOut, ...]
    skipped: tuple[LeftOut, ...]
    duplicates: tuple[Group, ...]
    alike: tuple[Group, ...]
    leaks: tuple[Leak, ...]
    excluded: tuple[Exclusion, ...]
    hash: str
    clean_hash: str

    @property
    def is_clean(self) -> bool:
        """Whether nothing would be excluded, every image has a class, and no source is in both splits."""
        return not (self.excluded or self.unlabelled or self.broken or self.leaks)
