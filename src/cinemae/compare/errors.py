"""What can be wrong with a comparison."""

from __future__ import annotations


class CompareError(ValueError):
    """A comparison that can't be carried out as its configuration says; the message names the setting."""
