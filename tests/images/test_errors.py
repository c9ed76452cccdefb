"""Refusals: what they say, and that they survive a process boundary."""

import pickle

import pytest

from cinemae.images import (
    CorruptImageError,
    ImageError,
    PixelLimitError,
    TooSmallError,
    TruncatedImageError,
    UnreadableFileError,
    UnsupportedFormatError,
)

KINDS = [
    CorruptImageError,
    PixelLimitError,
    TooSmallError,
    TruncatedImageError,
    UnreadableFileError,
    UnsupportedFormatError,
]


@pytest.mark.parametrize("kind", KINDS)
def test_names_the_input_and_the_reason(kind: type[ImageError]) -> None:
    error = kind("holiday.jpg", "too strange")
    assert str(error) == "holiday.jpg: too strange"
    assert (error.name, error.reason) == ("holiday.jpg", "too strange")
    assert isinstance(error, ImageError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("kind", KINDS)
def test_comes_back_from_a_worker_process(kind: type[ImageError]) -> None:
    error = pickle.loads(pickle.dumps(kind("holiday.jpg", "too strange")))
    assert type(error) is kind
    assert (str(error), error.name, error.reason) == ("holiday.jpg: too strange", "holiday.jpg", "too strange")
