"""What can be wrong with a head, or with what is asked of it."""

from __future__ import annotations


class HeadError(ValueError):
    """A head's files are missing or do not fit together; the message names them and says why."""


class AlphaError(HeadError):
    """An error rate is none, or too small for the images that there are to calibrate on."""
