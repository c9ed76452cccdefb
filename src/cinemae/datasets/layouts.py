"""Layouts of folder trees: from an image's path to its class, split and generator.

A layout states the direction of its labels by the names of its class folders; nothing is guessed from their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cinemae.datasets.generators import PROGAN_OBJECTS, generator_name, known_generator
from cinemae.datasets.images import SPLITS, Split, source_of
from cinemae.datasets.labels import Labels
from cinemae.datasets.listing import Layout

GENIMAGE_CLASSES = ("ai", "nature")
FORENSYNTHS_CLASSES = ("0_real", "1_fake")
CHAMELEON = "chameleon"

Parts = tuple[str, ...]


class Placed(NamedTuple):
    """What an image's folders say of it."""

    label: int
    generator: str
    split: Split
    source: str


class Tree:
    """A folder tree in one layout.

    Attributes:
        labels: What its class folders are called.
        default: The generator of images that lie in no folder of one.
    """

    def __init__(self, root: Path, folders: Sequence[Parts], labels: Labels) -> None:
        """Look at a tree.

        Args:
            root: Its folder.
            folders: The folders that images lie in, relative to it.
            labels: What its class folders are called.
        """
        resolved = root.resolve()
        self.labels = labels
        self.outer: Parts = ()
        if resolved.name.lower() in SPLITS:  # the caller pointed at GENERATOR/val itself
            self.outer, resolved = (resolved.name,), resolved.parent
        self.default = resolved.name
        self.is_chameleon = CHAMELEON in resolved.name.lower()
        tops = {above[0].lower() for above in map(self.above, folders) if above}
        # ProGAN's objects, without a split above them: one of them is called train, and is the vehicle.
        self.has_objects = not self.outer and len(tops & PROGAN_OBJECTS) > 1
        self.has_test = any(above[0].lower() == "test" for above in map(self.above, folders) if above)

    def classes(self, folders: Parts) -> list[int]:
        """Return which of the folders are class folders."""
        return [index for index, part in enumerate(folders) if part.lower() in self.labels.known]

    def above(self, folders: Parts) -> Parts:
        """Return the folders above the topmost class folder, with the root's own if it is a split."""
        classes = self.classes(folders)
        return (*self.outer, *folders[: classes[0] if classes else len(folders)])

    def choose(self, folders: Sequence[Parts]) -> Layout:
        """Return the layout that the folders of the images have."""
        labelled = [parts for parts in folders if self.classes(parts)]
        names = {parts[self.classes(parts)[0]].lower() for parts in labelled}
        if self.labels.given or not labelled:
            return "folders"
        if names <= set(GENIMAGE_CLASSES) and all((self.above(p) or ("",))[-1].lower() in SPLITS for p in labelled):
            return "genimage"
        if names <= set(FORENSYNTHS_CLASSES):
            alone = all(len(self.above(parts)) == sum(part.lower() in SPLITS for part in self.above(parts))
                        for parts in labelled)  # fmt: skip
            return "chameleon" if alone and self.is_chameleon else "forensynths"
        return "folders"

    def place(self, layout: Layout, parts: Parts) -> Placed | str:
        """Return what an image's path says of it in a layout, or why it says nothing.

        Args:
            layout: A layout of trees.
            parts: The path below the root.
        """
        folders = parts[:-1]
        classes = self.classes(folders)
        labels = {self.labels.known[folders[index].lower()] for index in classes}
        if not labels:
            return f"lies in no class folder ({', '.join(self.labels.known)})"
        if len(labels) > 1:
            return "lies in class folders of both labels"
        found = PLACES[layout](self, self.above(folders), folders[classes[0]], parts[-1])
        return found if isinstance(found, str) else Placed(labels.pop(), *found)


Found = tuple[str, Split, str] | str


def _genimage(tree: Tree, above: Parts, kind: str, file: str) -> Found:
    """``[GENERATOR/][ARCHIVE/]{train,val}/{ai,nature}/FILE``; ai = 1, nature = 0."""
    if not tree.labels.given and kind.lower() not in GENIMAGE_CLASSES:
        return f"GenImage's class folders are ai and nature, not {kind}"
    if not above or above[-1].lower() not in SPLITS:
        return "GenImage's class folders lie in train or val"
    outer = [part for part in above[:-1] if part.lower() not in SPLITS]
    known = {name for part in outer if (name := known_generator(part))}
    if len(known) > 1:
        return f"lies in folders of several generators ({', '.join(sorted(known))})"
    generator = known.pop() if known else generator_name(outer[0] if outer else tree.default)
    return generator, SPLITS[above[-1].lower()], source_of(file)


def _forensynths(tree: Tree, above: Parts, kind: str, file: str) -> Found:
    """``[{train,val,test}/][GENERATOR/][OBJECT/]{0_real,1_fake}/FILE``; 1_fake = 1, 0_real = 0."""
    if not tree.labels.given and kind.lower() not in FORENSYNTHS_CLASSES:
        return f"ForenSynths' class folders are 0_real and 1_fake, not {kind}"
    split: Split = "val"  # a set without this level is a test set
    rest = above
    if above and above[0].lower() in SPLITS and not tree.has_objects:
        split, rest = SPLITS[above[0].lower()], above[1:]
        if above[0].lower() in ("val", "validation") and tree.has_test:
            split = "train"  # checkpoints are chosen by it, and it comes from the training set's generator
    known = [name for part in rest if (name := known_generator(part))]
    if known:
        generator = known[0]
    elif len(rest) == 1 and rest[0].lower() in PROGAN_OBJECTS:
        generator = "progan"
    else:
        generator = generator_name(rest[0] if rest else tree.default)
    # Files are numbered anew in every folder, so that a number alone names no source.
    stated = source_of(file)
    return generator, split, stated if stated != file.rpartition(".")[0] else "/".join((*above, stated))


def _chameleon(tree: Tree, above: Parts, kind: str, file: str) -> Found:
    """``[test/]{0_real,1_fake}/FILE``; 1_fake = 1, 0_real = 0."""
    if not tree.labels.given and kind.lower() not in FORENSYNTHS_CLASSES:
        return f"Chameleon's class folders are 0_real and 1_fake, not {kind}"
    if any(part.lower() not in SPLITS for part in above):
        return f"Chameleon has no folder {'/'.join(above)}"
    return CHAMELEON, SPLITS[above[-1].lower()] if above else "val", source_of(file)


def _folders(tree: Tree, above: Parts, kind: str, file: str) -> Found:
    """Class folders anywhere: the topmost folder that is no split is the generator; without a split, train."""
    splits = [SPLITS[part.lower()] for part in above if part.lower() in SPLITS]
    generators = [part for part in above if part.lower() not in SPLITS]
    return generators[0] if generators else tree.default, splits[-1] if splits else "train", source_of(file)


PLACES: Mapping[Layout, Callable[[Tree, Parts, str, str], Found]] = {
    "genimage": _genimage,
    "forensynths": _forensynths,
    "chameleon": _chameleon,
    "folders": _folders,
}
"""By layout of folder trees: from the folders above a class folder, its name and the file's to what they say."""
