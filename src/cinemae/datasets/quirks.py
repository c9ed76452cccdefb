"""Known faults of published sets, by name: files that are broken as they were published, each with who says so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cinemae.datasets.images import LabelledImage
from cinemae.datasets.listing import Layout


class Source(BaseModel):
    """Who says that a file is broken.

    Attributes:
        url: Where.
        says: What, in a few words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    says: str


class Broken(BaseModel):
    """Files of one class of one generator that are broken.

    Attributes:
        generator: cinemae's name of the generator.
        folder: The class folder.
        source: Who says so, by its name in ``Quirks.sources``.
        files: File name with a ``*`` -> what stands for it; ``a_*.png: "1 2"`` is ``a_1.png`` and ``a_2.png``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: str
    folder: str
    source: str
    files: dict[str, str]


class Quirks(BaseModel):
    """The package's file of quirks.

    Attributes:
        sources: Who is quoted, by name.
        broken: Broken files, by the layout that they are published in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, Source]
    broken: dict[Layout, tuple[Broken, ...]]


@cache
def quirks() -> Quirks:
    """Return the package's quirks."""
    return Quirks.model_validate_json(Path(__file__).with_name("quirks.json").read_text(encoding="utf-8"))


def known_broken(layout: Layout, image: LabelledImage) -> str | None:
    """Return why an image of a published set is left out, with the source; None if nothing is known against it."""
    *_, folder, file = ("", "", *image.key.split("/"))
    return _by_file(layout).get((image.generator, folder.lower(), file))


@cache
def _by_file(layout: Layout) -> Mapping[tuple[str, str, str], str]:
    known = quirks()
    found = {}
    for group in known.broken.get(layout, ()):
        source = known.sources[group.source]
        for pattern, words in group.files.items():
            for word in words.split():
                place = (group.generator, group.folder, pattern.replace("*", word))
                found[place] = f"{source.says}: {source.url}"
    return found
