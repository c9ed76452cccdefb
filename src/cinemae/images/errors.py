"""Refusals: every reason not to score an input is one exception class."""

from __future__ import annotations


class ImageError(ValueError):
    """An input that is refused.

    Attributes:
        name: The input, as its caller named it.
        reason: Why it is refused.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        """Keep both parts when the error crosses a process boundary."""
        return type(self), (self.name, self.reason)


class UnreadableFileError(ImageError):
    """The file is missing, empty, a folder, or may not be read."""


class UnsupportedFormatError(ImageError):
    """The bytes are not an image of an allowed format, or the array is not uint8 RGB."""


class PixelLimitError(ImageError):
    """The header declares more pixels than the limit; nothing was decoded."""


class TooSmallError(ImageError):
    """A side is shorter than the minimum."""


class TruncatedImageError(ImageError):
    """The file ends before the image does."""


class CorruptImageError(ImageError):
    """The data contradict themselves, or are in more parts than any image needs."""


class UnsupportedModeError(ValueError):
    """Samples that have no agreed meaning as 8-bit colour; the caller names the input."""


class EndsEarlyError(ValueError):
    """Data that end before the image does; the caller names the input."""
