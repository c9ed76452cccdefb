"""Mask schemes: how the passes of one image hide its patches.

Every scheme answers one question, ``hidden(grid, seed)``: a boolean array of shape
``(passes, rows, columns)``, True where a patch is hidden. The answer depends on the scheme's own
settings, the grid and the seed, and on nothing else: not on the image, not on the batch it came
in, not on a global random state. Together the passes of a scheme hide every patch at least once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

BoolArray = NDArray[np.bool_]


class MaskScheme(BaseModel, ABC):
    """What all schemes share: frozen settings and ``hidden``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def hidden(self, grid: tuple[int, int], seed: int = 0) -> BoolArray:
        """Return the masks of all passes over one grid of patches.

        Args:
            grid: Rows and columns of patches.
            seed: Seed of the partition; the same seed gives the same masks everywhere.

        Returns:
            Array of shape (passes, rows, columns), True = hidden. Every patch is hidden in at
            least one pass and every pass leaves at least one patch visible.

        Raises:
            ValueError: If the scheme cannot cover this grid.
        """


class PartitionMasks(MaskScheme):
    """Split the patches into equal groups; each group in turn is the only visible one.

    With ``groups`` G and ``rounds`` R every patch is hidden in (G-1)*R passes and visible in R.
    G = 4 is the 75 % masking that MAEs are pre-trained with.

    Attributes:
        groups: Number of groups G of a round, at least 2; must divide the number of patches.
        rounds: Number of independent partitions R.
    """

    kind: Literal["partition"] = "partition"
    groups: int = Field(default=4, ge=2)
    rounds: int = Field(default=1, ge=1)

    def hidden(self, grid: tuple[int, int], seed: int = 0) -> BoolArray:
        """Return (groups * rounds, rows, columns) masks; see :meth:`MaskScheme.hidden`."""
        count = grid[0] * grid[1]
        if count % self.groups:
            raise ValueError(f"{count} patches ({grid[0]}x{grid[1]}) can't be split into {self.groups} equal groups")
        masks = []
        for number in range(self.rounds):
            order = np.random.default_rng([seed, number]).permutation(count)
            for visible in order.reshape(self.groups, -1):
                mask = np.ones(count, dtype=bool)
                mask[visible] = False
                masks.append(mask)
        return np.stack(masks).reshape(-1, *grid)


class RandomMasks(MaskScheme):
    """Independent random masks of one ratio, as an MAE sees them in pre-training.

    Draws at least ``passes`` masks and goes on until every patch has been hidden once, so that
    the image has no unscored patch.

    Attributes:
        ratio: Share of hidden patches, in (0, 1); ``int(patches * (1 - ratio))`` stay visible.
        passes: Smallest number of masks.
    """

    kind: Literal["random"] = "random"
    ratio: float = Field(default=0.75, gt=0.0, lt=1.0)
    passes: int = Field(default=4, ge=1)

    def hidden(self, grid: tuple[int, int], seed: int = 0) -> BoolArray:
        """Return (>= passes, rows, columns) masks; see :meth:`MaskScheme.hidden`."""
        count = grid[0] * grid[1]
        keep = int(count * (1 - self.ratio))
        if not 0 < keep < count:
            raise ValueError(f"a ratio of {self.ratio} leaves {keep} of {count} patches visible; need 1 to {count - 1}")
        rng = np.random.default_rng(seed)
        masks: list[BoolArray] = []
        while len(masks) < self.passes or not np.logical_or.reduce(masks).all():
            mask = np.ones(count, dtype=bool)
            mask[rng.permutation(count)[:keep]] = False
            masks.append(mask)
        return np.stack(masks).reshape(-1, *grid)


class BlockMasks(MaskScheme):
    """Leave one block out: each block of ``size`` x ``size`` patches is hidden in one pass.

    Attributes:
        size: Side of a block in patches; must divide both sides of the grid.
    """

    kind: Literal["block"] = "block"
    size: int = Field(default=7, ge=1)

    def hidden(self, grid: tuple[int, int], seed: int = 0) -> BoolArray:
        """Return one mask a block, in seeded order; see :meth:`MaskScheme.hidden`."""
        rows, columns = grid
        if rows % self.size or columns % self.size or (rows, columns) == (self.size, self.size):
            raise ValueError(f"blocks of {self.size} do not tile a {rows}x{columns} grid into two blocks or more")
        down, across = rows // self.size, columns // self.size
        blocks = np.arange(down * across).reshape(down, across).repeat(self.size, 0).repeat(self.size, 1)
        order = np.random.default_rng(seed).permutation(down * across)
        return np.asarray(blocks[None] == order[:, None, None])


class LatticeMasks(MaskScheme):
    """Hide one phase of a regular lattice in each pass: dense context for the fine scale.

    ``phases`` 2 is the checkerboard (each hidden pixel keeps its four nearest neighbours),
    4 is the 2x2 lattice (a quarter is hidden, all eight neighbours are visible). Every patch is
    hidden in exactly one pass. The seed only changes the order of the phases.

    Attributes:
        phases: 2 or 4.
    """

    kind: Literal["lattice"] = "lattice"
    phases: Literal[2, 4] = 2

    def hidden(self, grid: tuple[int, int], seed: int = 0) -> BoolArray:
        """Return (phases, rows, columns) masks; see :meth:`MaskScheme.hidden`."""
        row, column = np.indices(grid)
        phase = (row + column) % 2 if self.phases == 2 else 2 * (row % 2) + column % 2
        order = np.random.default_rng(seed).permutation(self.phases)
        masks = phase[None] == order[:, None, None]
        if not masks.any(axis=(1, 2)).all():
            raise ValueError(f"a {grid[0]}x{grid[1]} grid is too small for a lattice of {self.phases} phases")
        return np.asarray(masks)


SchemeConfig = Annotated[PartitionMasks | RandomMasks | BlockMasks | LatticeMasks, Field(discriminator="kind")]
"""Any scheme as a pydantic field, told apart by its ``kind``."""


def build_scheme(settings: dict[str, object]) -> MaskScheme:
    """Build a scheme from plain settings such as ``{"kind": "partition", "groups": 4}``.

    Raises:
        pydantic.ValidationError: If the kind or a setting is unknown or out of range.
    """
    scheme: MaskScheme = TypeAdapter(SchemeConfig).validate_python(settings)
    return scheme
