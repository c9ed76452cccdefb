"""Names, severities and tiers; every corruption is a pure function of image, seed and key."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cinemae.corruptions import (
    KINDS,
    TIERS,
    Corruption,
    CorruptionError,
    parse_corruption,
    parse_tiers,
    select,
)

EVERY = [Corruption(name=name, severity=severity) for name, kind in KINDS.items() for severity in kind.severities]
DRAWS = {"double-jpeg", "noise", "crop", "rotate", "hue", "text", "screenshot", "social"}


@pytest.mark.parametrize("corruption", EVERY, ids=str)
def test_it_returns_another_rgb_image_and_leaves_its_input(corruption: Corruption, photo: np.ndarray) -> None:
    before = photo.copy()
    out = corruption.apply(photo, 0, "k")
    assert np.array_equal(photo, before)
    assert out.dtype == np.uint8
    assert out.ndim == 3
    assert out.shape[2] == 3
    assert min(out.shape) == 3 or min(out.shape[:2]) >= 50
    assert out.flags.c_contiguous
    assert not np.array_equal(out, photo)
    assert np.array_equal(out, corruption.apply(photo, 0, "k"))


@pytest.mark.parametrize("name", KINDS)
def test_draws_belong_to_seed_and_key(name: str, photo: np.ndarray) -> None:
    corruption = parse_corruption(name)[0]
    outs = {corruption.apply(photo, seed, str(key)).tobytes() for seed in range(2) for key in range(4)}
    assert (len(outs) > 1) == (name in DRAWS)


@pytest.mark.parametrize("name", KINDS)
def test_the_smallest_images_survive(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 41, 3), dtype=np.uint8)
    for corruption in parse_corruption(name):
        out = corruption.apply(pixels, 0, "k")
        assert min(out.shape[:2]) >= 19  # a screenshot never reduces it, a rotation of 5 degrees cuts some


def test_text_and_back() -> None:
    for corruption in EVERY:
        assert parse_corruption(str(corruption)) == [corruption]
    assert [str(corruption) for corruption in parse_corruption("jpeg")] == [
        f"jpeg:{quality}" for quality in (95, 85, 75, 65, 50, 40, 30)
    ]
    assert Corruption.model_validate_json(EVERY[0].model_dump_json()) == EVERY[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sepia", "unknown corruption 'sepia'; known are jpeg, double-jpeg"),
        ("sepia:3", "unknown corruption 'sepia'"),
        ("jpeg:0", "jpeg: the severity must be a whole number from 1 to 100, not 0"),
        ("jpeg:50.5", "a whole number"),
        ("blur:-1", "blur: the severity must be a number from 0 to 20"),
        ("blur:nan", "from 0 to 20, not nan"),
        ("blur:much", "blur:much: 'much' is not a number"),
        ("jpeg:", "'' is not a number"),
    ],
)
def test_what_is_not_there_is_named(text: str, reason: str) -> None:
    with pytest.raises(CorruptionError, match=re.escape(reason)):
        parse_corruption(text)


def test_a_bad_severity_is_refused_however_it_comes() -> None:
    with pytest.raises(ValueError, match="from 1 to 100"):
        Corruption(name="jpeg", severity=101)


def test_tiers() -> None:
    assert list(TIERS) == ["clean", "web", "hard"]
    assert TIERS["clean"] == ()
    assert parse_tiers("clean, web,hard") == ["clean", "web", "hard"]
    assert parse_tiers("") == []
    with pytest.raises(CorruptionError, match="unknown tier 'soft'; known are clean, web, hard"):
        parse_tiers("web,soft")
    for tier in TIERS.values():
        assert len(set(tier)) == len(tier)
    names = {corruption.name for tier in TIERS.values() for corruption in tier}
    assert names == set(KINDS)
    web = list(TIERS["web"])
    further = Corruption(name="jpeg", severity=33)
    assert select(["web", "web"], [web[0], further]) == [*web, further]
