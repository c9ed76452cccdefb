"""What can be wrong with an MAE checkpoint, and what must be said about its licence."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete or not what it claims; the message names it and why."""


class LicenceWarning(UserWarning):
    """The weights that were just loaded come under terms that do not allow every use."""
