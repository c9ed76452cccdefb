"""What happens to images after they were made: seeded corruptions with severities, and tiers of them."""

from cinemae.corruptions.registry import (
    KINDS,
    TIERS,
    Corruption,
    CorruptionError,
    Kind,
    Tier,
    parse_corruption,
    parse_tiers,
    select,
)

__all__ = [
    "KINDS",
    "TIERS",
    "Corruption",
    "CorruptionError",
    "Kind",
    "Tier",
    "parse_corruption",
    "parse_tiers",
    "select",
]
