"""A held-out split that keeps what belongs together together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from cinemae.datasets.images import LabelledImage, ManifestError
from cinemae.seeding import seeded_digest

Group = Callable[[LabelledImage], str]


def image_source(image: LabelledImage) -> str:
    """Return the image's source, the default group of :func:`split_by_source`."""
    return image.source


def split_by_source(
    images: Sequence[LabelledImage], fraction: float, seed: int, *, group: Group = image_source
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Hold out about ``fraction`` of each class, by whole groups wherever that is possible.

    A group with at most ``fraction`` of the images of each class goes to one side as a whole, also
    when it has images of both classes. A group that is larger than that in some class can't be
    held out without emptying that class, so it is divided: its file stems, ordered by a seeded
    hash, give their first ``fraction`` to the held-out side. Files of one stem (an image and its
    content-matched counterpart of the other class) stay together then too. What comes out depends
    on seed, groups and file names, not on the order of the images.

    Args:
        images: The images to divide.
        fraction: Share to hold out, in (0, 1).
        seed: Seed of the order in which groups and stems are considered.
        group: Which images belong together; by default those of one source.

    Returns:
        (the rest, the held-out images), each in the order of ``images``.

    Raises:
        ManifestError: If a class has too few distinct images to be on both sides.
        ValueError: If the fraction is out of range.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie strictly between 0 and 1, got {fraction}")
    members: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        members[group(image)].append(image)
    totals = Counter(image.label for image in images)
    quota = {label: fraction * count for label, count in totals.items()}
    counts = {name: Counter(image.label for image in items) for name, items in members.items()}
    large = {name for name, count in counts.items() if any(count[label] > quota[label] for label in count)}

    held: set[tuple[str, str | None]] = set()  # (group, None) = all of it, (group, stem) = a part
    taken: Counter[int] = Counter()
    for name in large:
        stems = _first_stems(members[name], fraction, seed)
        held.update((name, stem) for stem in stems)
        taken.update(image.label for image in members[name] if image.stem in stems)
    for name in sorted(members.keys() - large, key=lambda name: seeded_digest(seed, name)):
        # Take a group while that brings the classes it touches closer to their quotas.
        after = sum(abs(taken[label] + count - quota[label]) for label, count in counts[name].items())
        if after < sum(abs(taken[label] - quota[label]) for label in counts[name]):
            held.add((name, None))
            taken.update(counts[name])

    kept: list[LabelledImage] = []
    out: list[LabelledImage] = []
    for image in images:
        name = group(image)
        (out if (name, None) in held or (name, image.stem) in held else kept).append(image)
    for label in totals:
        if not all(any(image.label == label for image in side) for side in (kept, out)):
            raise ManifestError(f"can't hold out {fraction:g} of class {label}: it has {totals[label]} images")
    return kept, out


def _first_stems(items: Sequence[LabelledImage], fraction: float, seed: int) -> set[str]:
    """The held-out stems of one group: at least one of each class, never all of a class that has two."""
    chosen: set[str] = set()
    for label in sorted({image.label for image in items}):
        stems = {image.stem for image in items if image.label == label}
        ordered = sorted(stems, key=lambda stem: seeded_digest(seed, stem))
        wanted = min(max(round(fraction * len(ordered)), 1), len(ordered) - 1)
        # Stems already chosen for the other class count, or pairs would be held out twice as often.
        missing = wanted - len(chosen & stems)
        chosen.update([stem for stem in ordered if stem not in chosen][: max(missing, 0)])
    return chosen
