"""What is left out has a kind, and the kinds are counted."""

from __future__ import annotations

import pytest
from PIL import Image

from cinemae.images import ALLOWED_FORMATS, IMAGE_SUFFIXES
from cinemae.images.identify import register_plugins
from cinemae.leftout import LeftOut, as_counts, kind_of, sentence


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.PDF", ".pdf"),
        ("README", "no suffix"),
        ("a/.DS_Store", "hidden"),
        ("a.b/c", "no suffix"),
        ("x.this is no suffix at all", "no suffix"),
        ("trailing.", "no suffix"),
        (r"win\a.svg", ".svg"),
    ],
)
def test_kinds(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_a_path_is_counted_once() -> None:
    found = LeftOut()
    for path in ("a.pdf", "b.pdf", "a.pdf", ".x", "c.svg"):
        found.add(path)
    counts = found.counts()
    assert counts is not None
    assert (counts.count, list(counts.kinds.items())) == (4, [(".pdf", 2), (".svg", 1), ("hidden", 1)])
    assert sentence(counts) == "left out as no images: 4 (2 .pdf, 1 .svg, 1 hidden)"


def test_nothing_left_out_and_very_many_kinds() -> None:
    assert LeftOut().counts() is None
    counts = as_counts({f".{letter}": 1 for letter in "abcdefghij"})
    assert counts is not None
    assert sentence(counts).endswith("1 .h, 2 more kinds)")


def test_every_suffix_of_an_allowed_format_is_an_image() -> None:
    register_plugins()
    known = {
        suffix for suffix, kind in Image.registered_extensions().items() if kind in (*ALLOWED_FORMATS, "MPO", "DIB")
    }
    assert known <= IMAGE_SUFFIXES
    assert {".hif", ".heics", ".jfif", ".jpe", ".avifs", ".apng"} <= IMAGE_SUFFIXES
