"""Which patches are hidden in which pass: seeded, complementary, an argument of every model call."""

from cinemae.masks.schemes import (
    BlockMasks,
    LatticeMasks,
    MaskScheme,
    PartitionMasks,
    RandomMasks,
    SchemeConfig,
    build_scheme,
)

__all__ = [
    "BlockMasks",
    "LatticeMasks",
    "MaskScheme",
    "PartitionMasks",
    "RandomMasks",
    "SchemeConfig",
    "build_scheme",
]
