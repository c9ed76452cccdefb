"""The check: what is measured of each image becomes groups, leaks, and a list of what would be excluded."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cinemae.datasets.check.alike import Hashes, components, near_pairs
from cinemae.datasets.check.measure import Facts, Progress, measure_all
from cinemae.datasets.check.schema import CheckReport, Count, Exclusion, Group, Leak, Member, Reason
from cinemae.datasets.images import LabelledImage, ManifestError, manifest_hash
from cinemae.datasets.listing import Listing

DISTANCE = 4
"""Bits of 64 that may differ between two pictures that are alike."""

_IMAGENET = re.compile(r"n\d{8}_\d+|ILSVRC2012_(?:val|test)_\d{8}")

Excluded = dict[int, tuple[Reason, str]]


def check_set(
    listing: Listing,
    *,
    distance: int = DISTANCE,
    exclude_sources: bool = False,
    jobs: int | None = None,
    progress: Progress = lambda items, total: items,
) -> CheckReport:
    """Check a set.

    Args:
        listing: The set (:func:`cinemae.datasets.list_set`).
        distance: Two pictures are alike if at most this many of their hashes' 64 bits differ, 0 to 15.
        exclude_sources: Also exclude images of train whose source has images in val. Where a set was divided image by
            image, that may be all of them.
        jobs: Worker processes; None takes one a core, 1 works in this process.
        progress: Wraps the iteration over images.

    Returns:
        What was found. It does not depend on ``jobs``.

    Raises:
        ManifestError: If there are no images.
        ValueError: If the distance is out of range.
    """
    images = listing.images
    if not images and not listing.unlabelled:
        raise ManifestError(f"{listing.root}: no images")
    near_pairs(np.empty(0, dtype=np.uint64), distance)  # refuses a distance before hours of reading
    measured = measure_all(images, jobs, progress)
    facts = {index: found for index, found in enumerate(measured) if isinstance(found, Facts)}
    copies = _grouped((found.sha256, index) for index, found in facts.items())
    pictures = Pictures(images, facts, distance)
    leaks = _leaks(listing)
    excluded: Excluded = {index: ("broken", found) for index, found in enumerate(measured) if isinstance(found, str)}
    _exclude_copies(excluded, images, copies)
    pictures.exclude(excluded)
    if exclude_sources:
        _exclude_sources(excluded, images, {leak.source for leak in leaks})
    left = [image for index, image in enumerate(images) if index not in excluded]
    return CheckReport(
        layout=listing.layout,
        distance=distance,
        images=len(images),
        counts=_counts(images, measured),
        unlabelled=tuple(listing.unlabelled),
        broken=tuple(listing.broken),
        skipped=tuple(listing.skipped),
        duplicates=tuple(_group(images, indices) for indices in copies),
        alike=tuple(_group(images, indices) for indices in pictures.groups()),
        leaks=tuple(leaks),
        excluded=tuple(
            Exclusion(name=images[index].key, reason=reason, detail=detail)
            for index, (reason, detail) in sorted(excluded.items())
        ),
        hash=manifest_hash(images),
        clean_hash=manifest_hash(left),
    )


class Pictures:
    """Which pictures are alike, by their hashes."""

    def __init__(self, images: Sequence[LabelledImage], facts: dict[int, Facts], distance: int) -> None:
        """Find the pairs.

        Args:
            images: The set.
            facts: What is known of those that were decoded, by index.
            distance: Bits that may differ.
        """
        self._images, self._facts = images, facts
        self._members: dict[int, list[int]] = defaultdict(list)
        for index, found in facts.items():
            if found.alike is not None:
                self._members[found.alike].append(index)
        self._values = list(self._members)
        hashes: Hashes = np.array(self._values, dtype=np.uint64)
        self._pairs = near_pairs(hashes, distance)

    def groups(self) -> Iterator[list[int]]:
        """Yield groups of alike pictures that have not all the same bytes, each sorted."""
        joined = components(len(self._values), self._pairs)
        alone = set(range(len(self._values))) - {place for group in joined for place in group}
        found = [sorted(index for place in group for index in self._members[self._values[place]])
                 for group in [*joined, *([place] for place in alone)]]  # fmt: skip
        for indices in sorted(found):
            if len({self._facts[index].sha256 for index in indices}) > 1:
                yield indices

    def exclude(self, excluded: Excluded) -> None:
        """Exclude images of train that are like one of val that stays."""
        held: dict[int, int] = {}  # place of a hash -> an image of val that has it
        for place, value in enumerate(self._values):
            for index in self._members[value]:
                if self._images[index].split == "val" and index not in excluded:
                    held.setdefault(place, index)
        near = dict(held)
        for left, right in self._pairs.tolist():
            for here, there in ((left, right), (right, left)):
                if there in held:
                    near.setdefault(here, held[there])
        for place, other in near.items():
            for index in self._members[self._values[place]]:
                if self._images[index].split == "train":
                    excluded.setdefault(index, ("alike across splits", self._images[other].key))


def _exclude_copies(excluded: Excluded, images: Sequence[LabelledImage], copies: Iterable[Sequence[int]]) -> None:
    for indices in copies:
        members = [images[index] for index in indices]
        if len({image.label for image in members}) > 1:
            for index in indices:
                other = next(image for image in members if image.label != images[index].label)
                excluded[index] = ("conflict", other.key)
            continue
        held = next((image for image in members if image.split == "val"), None)
        first: dict[tuple[str, str], str] = {}
        for index in indices:
            image = images[index]
            place = (image.split, image.generator)
            if held is not None and image.split == "train":
                excluded[index] = ("copy across splits", held.key)
            elif place in first:
                excluded[index] = ("copy", first[place])
            first.setdefault(place, image.key)


def _exclude_sources(excluded: Excluded, images: Sequence[LabelledImage], leaking: set[str]) -> None:
    for index, image in enumerate(images):
        if image.split == "train" and image.source in leaking:
            excluded.setdefault(index, ("source across splits", image.source))


def _leaks(listing: Listing) -> list[Leak]:
    """Return the sources in both splits.

    A file's own name is no source: files are often just numbered, anew in each folder. ImageNet's names are its own.
    """
    counts = Counter(
        (image.source, image.split)
        for image in listing.images
        if image.source != image.stem or _IMAGENET.fullmatch(image.source)
    )
    found = []
    for source in sorted({source for source, _ in counts}):
        train, val = counts[source, "train"], counts[source, "val"]
        if train and val:
            found.append(Leak(source=source, train=train, val=val))
    return found


def _counts(images: Sequence[LabelledImage], measured: Sequence[Facts | str]) -> tuple[Count, ...]:
    found = Counter(
        (image.generator, image.split, image.label, result.format if isinstance(result, Facts) else None)
        for image, result in zip(images, measured, strict=True)
    )
    return tuple(
        Count(generator=generator, split=split, label=label, format=kind, images=number)
        for (generator, split, label, kind), number in sorted(
            found.items(), key=lambda item: (*item[0][:3], item[0][3] or "")
        )
    )


def _grouped(pairs: Iterable[tuple[str, int]]) -> list[list[int]]:
    """Return the indices that share a key, in groups of at least two."""
    groups: dict[str, list[int]] = defaultdict(list)
    for key, index in pairs:
        groups[key].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _group(images: Sequence[LabelledImage], indices: Sequence[int]) -> Group:
    members = [images[index] for index in indices]
    return Group(
        images=tuple(
            Member(name=image.key, generator=image.generator, split=image.split, label=image.label) for image in members
        ),
        across_splits=len({image.split for image in members}) > 1,
        across_labels=len({image.label for image in members}) > 1,
    )
