"""Names of classes, and numbers that say nothing."""

from __future__ import annotations

import pytest

from cinemae.datasets import ManifestError
from cinemae.datasets.labels import LABELS, Labels, parse_labels


@pytest.mark.parametrize(("name", "label"), LABELS.items())
def test_known_names_in_any_case(name: str, label: int) -> None:
    assert Labels().of(f" {name.upper()} ", "here") == label


@pytest.mark.parametrize("number", ["0", "1", "-1", "7"])
def test_a_number_is_refused_until_somebody_says_what_it_means(number: str) -> None:
    with pytest.raises(ManifestError, match=rf"here: label {number} is a number.*--label 1=ai --label 0=real"):
        Labels().of(number, "here")


def test_stated_names_replace_the_usual_ones() -> None:
    reversed_order = Labels({"0": "ai", "1": "real"})
    assert [reversed_order.of(text, "here") for text in ("0", "1")] == [1, 0]
    for text in ("2", "-1", "fake"):
        with pytest.raises(ManifestError, match=f"here: unknown label '{text}'; known are 0, 1"):
            reversed_order.of(text, "here")


def test_several_names_of_one_class() -> None:
    labels = Labels({"photo": "real", "sd": "ai", "mj": "ai"})
    assert [labels.of(text, "") for text in ("Photo", "SD", "mj")] == [0, 1, 1]


def test_names_of_numbers() -> None:
    assert [Labels().named(["fake", "real"], "t").of(text, "t") for text in ("0", "1")] == [1, 0]
    with pytest.raises(ManifestError, match="t: unknown label 'cat'"):
        Labels().named(["cat", "dog"], "t")


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"1": "ai"}, "both classes.*: 1$"), ({"1": "ai", "0": "photo"}, "ai or real, not 'photo'"), ({}, "both classes")],
)
def test_half_a_statement_is_refused(given: dict[str, str], reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        Labels(given)


def test_from_the_command_line() -> None:
    assert parse_labels([]) is None
    assert parse_labels(["1=ai", "a=b=real"]) == {"1": "ai", "a=b": "real"}
    for text in ("1", "=ai"):
        with pytest.raises(ManifestError, match=f"'{text}' is not of the form"):
            parse_labels([text])
