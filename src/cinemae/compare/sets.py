"""The images of a comparison: read once, the same for every method."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemae.compare.config import CompareConfig, SetConfig, given_path
from cinemae.compare.errors import CompareError
from cinemae.compare.schema import SetRecord
from cinemae.datasets import LabelledImage, manifest_hash, read_images, read_photos
from cinemae.evaluation import sample_images


@dataclass(frozen=True)
class Sets:
    """What is read of a comparison's data.

    Attributes:
        train: Labelled images that methods are trained on.
        photos: All extra photographs; each training draws its own number of them.
        test: Labelled images that methods are measured on.
    """

    train: list[LabelledImage]
    photos: list[LabelledImage]
    test: list[LabelledImage]

    def digest(self, *, trained: bool) -> str:
        """Return a hash of all that is known of the images, their order included.

        Not of the files' contents: those are hashed when they are measured.

        Args:
            trained: Whether the images for training count.
        """
        parts = (self.train, self.photos, self.test) if trained else (self.test,)
        digest = hashlib.sha256()
        for images in parts:
            for image in images:
                row = [image.key, image.label, image.generator, image.source, image.split, image.kind]
                digest.update(json.dumps(row).encode() + b"\n")
            digest.update(b"\n")
        return digest.hexdigest()

    def records(self) -> dict[str, SetRecord]:
        """Return what the results say of each set."""
        sets = {"train": self.train, "photos": self.photos, "test": self.test}
        return {name: _record(images) for name, images in sets.items()}


def read_sets(config: CompareConfig, *, trained: bool) -> Sets:
    """Read what a comparison needs.

    Args:
        config: The comparison.
        trained: Whether any of its methods is trained.

    Raises:
        CompareError: If a path is not given, a generator is unknown, or an image is in both sets.
        ManifestError: If a set can't be read.
    """
    data = config.data
    test = _read(data.test, "data.test", "--test", config.seed)
    if not trained:
        return Sets([], [], test)
    train = _read(data.train, "data.train", "--train", config.seed)
    photos = [photo for place in data.photos for photo in read_photos(Path(place.path), _path(place.root))]
    if shared := {image.place for image in test} & {image.place for image in [*train, *photos]}:
        raise CompareError(f"{min(shared)}: {len(shared)} images are in the training and in the test set")
    return Sets(train, photos, test)


def missing_places(config: CompareConfig) -> list[str]:
    """Return a sentence for each place that the configuration or command names and that is not there, or holds nothing.

    Places that are left open are no error: a dry run may come before the data. Patterns of shards are not looked at.
    """
    data = config.data
    named: list[tuple[str, str | None]] = [("data.train.path", data.train.path), ("data.test.path", data.test.path)]
    named += [("data.train.root", data.train.root), ("data.test.root", data.test.root)]
    for photos in data.photos:
        named += [("data.photos", photos.path), ("data.photos.root", photos.root)]
    said = []
    for setting, text in named:
        if text is None or any(mark in text for mark in "{*?["):
            continue
        place = Path(text)
        if not place.exists():
            said.append(f"{setting}: {text}: no such file or folder")
        elif place.is_dir() and not any(place.iterdir()):
            said.append(f"{setting}: {text}: the folder is empty")
    return said


def _read(config: SetConfig, setting: str, option: str, seed: int) -> list[LabelledImage]:
    images = read_images(
        given_path(config, setting, option), root=_path(config.root), split=config.split, layout=config.layout
    )
    if config.generators is not None:
        known = {image.generator for image in images}
        if unknown := [name for name in config.generators if name not in known]:
            raise CompareError(
                f"{setting}.generators: no images of {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
        images = [image for image in images if image.generator in config.generators]
    return images if config.limit is None else sample_images(images, config.limit, seed)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _record(images: Sequence[LabelledImage]) -> SetRecord:
    ai = sum(image.label for image in images)
    return SetRecord(manifest_hash=manifest_hash(images), ai=ai, real=len(images) - ai)
