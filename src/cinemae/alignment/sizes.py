"""Equal size distributions by cropping alone.

Cropping can only make an image smaller. Of all distributions that both classes can be cropped to,
the largest has the quantile function ``min(Q_ai(u), Q_real(u))``: rank u of either class is at
least that large. So an image is given its rank within its own class (drawn at random within ties)
and cropped to what both classes have at that rank. The two classes then have the same distribution
of sizes exactly, and no image needs to be enlarged. Examples: fakes that all measure 128 pixels
bring the real images down to 128; fakes of 512 pixels and real ones of 200 to 600 both end up with
the real sizes, cut off at 512.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cinemae.datasets.images import LabelledImage, ManifestError
from cinemae.images import ImageError
from cinemae.seeding import rng_for


class SizeEqualiser(BaseModel):
    """The short sides of the two classes of one comparison, and the common distribution they allow.

    Attributes:
        ai: Short sides of the AI-generated images in pixels, ascending.
        real: Short sides of the real images in pixels, ascending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ai: tuple[int, ...] = Field(min_length=1)
    real: tuple[int, ...] = Field(min_length=1)

    @field_validator("ai", "real")
    @classmethod
    def _ascending(cls, sides: tuple[int, ...]) -> tuple[int, ...]:
        if min(sides) < 1:
            raise ValueError(f"short sides must be positive, got {min(sides)}")
        return tuple(sorted(sides))

    @classmethod
    def fit(cls, ai: Iterable[int], real: Iterable[int]) -> Self:
        """Record the short sides of the two classes, in pixels and any order.

        Raises:
            ValueError: If a class is empty or a side is not positive.
        """
        return cls(ai=tuple(ai), real=tuple(real))

    def side(self, own: int, label: int, rng: np.random.Generator) -> int:
        """Draw the common side for one image: the ``max_side`` of ``align`` and ``augment``.

        Takes exactly one number from ``rng``, whatever the class and the size.

        Args:
            own: The image's own short side in pixels; a size that was not in the fit is ranked
                between those that were.
            label: 1 = AI-generated, 0 = real.
            rng: The image's own generator, not the one that draws its crop.

        Returns:
            A side in pixels, at most ``own``.
        """
        position = float(rng.random())
        mine, other = (self.ai, self.real) if label else (self.real, self.ai)
        low, high = bisect_left(mine, own), bisect_right(mine, own)
        rank = (low + position * (high - low)) / len(mine)
        return min(own, other[min(int(rank * len(other)), len(other) - 1)])


def max_side(short: int, label: int, sha256: str, equaliser: SizeEqualiser, seed: int) -> int:
    """Draw the side that an image's crop may have, as the evaluation draws it.

    Args:
        short: Short side of the file in pixels, as its header states it.
        label: 1 = AI-generated, 0 = real.
        sha256: Hash of the file.
        equaliser: The sizes of the comparison.
        seed: The evaluation's seed.
    """
    return equaliser.side(short, label, rng_for(seed, f"{sha256}/side"))


def fit_sizes(
    images: Sequence[LabelledImage], sides: Sequence[int], *, pooled: bool = False
) -> Mapping[str, SizeEqualiser]:
    """Fit one equaliser for each generator, or one for all.

    An evaluation compares the classes generator by generator and needs an equaliser for each. A
    training set is one comparison, and its photographs belong to no generator: there, pool.

    Args:
        images: The images.
        sides: Their short sides in pixels, in the same order.
        pooled: Whether all images form one comparison.

    Returns:
        An equaliser by generator name (pooled: the same one for every name).

    Raises:
        ManifestError: If a comparison lacks one of the classes.
        ValueError: If the lengths differ.
    """
    short: dict[str, tuple[list[int], list[int]]] = {}
    for image, side in zip(images, sides, strict=True):
        short.setdefault("" if pooled else image.generator, ([], []))[image.label].append(side)
    fitted = {}
    for generator, (real, ai) in short.items():
        if not real or not ai:
            name = "the set" if pooled else f"generator {generator!r}"
            raise ManifestError(f"sizes can't be equalised: {name} has no {'ai' if real else 'real'} images")
        fitted[generator] = SizeEqualiser.fit(ai, real)
    return {image.generator: fitted["" if pooled else image.generator] for image in images}


def short_sides(images: Sequence[LabelledImage]) -> tuple[list[LabelledImage], list[int]]:
    """Read the short sides of images from their headers; nothing is decoded.

    Args:
        images: The images.

    Returns:
        The images whose header can be read, in order, and their short sides in pixels. The others
        are left out here and refused by name when they are measured.
    """
    readable, sides = [], []
    for image in images:
        try:
            side = min(image.size())
        except ImageError:
            continue
        if side > 0:
            readable.append(image)
            sides.append(side)
    return readable, sides
