"""Mask schemes: coverage, determinism, refusals."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cinemae.masks import BlockMasks, LatticeMasks, PartitionMasks, RandomMasks
from cinemae.masks.schemes import MaskScheme, build_scheme

SEEDS = st.integers(0, 2**32 - 1)
ALL = (PartitionMasks(rounds=2), RandomMasks(), BlockMasks(), LatticeMasks(), LatticeMasks(phases=4))


@given(
    groups=st.integers(2, 8), rounds=st.integers(1, 4), rows=st.integers(1, 8), per_group=st.integers(1, 6), seed=SEEDS
)
def test_partition_coverage(groups: int, rounds: int, rows: int, per_group: int, seed: int) -> None:
    grid = (rows, groups * per_group)
    masks = PartitionMasks(groups=groups, rounds=rounds).hidden(grid, seed)
    assert masks.shape == (groups * rounds, *grid)
    assert masks.dtype == bool
    assert (masks.sum(0) == (groups - 1) * rounds).all(), "each patch is hidden in (G-1)*R passes"
    assert ((~masks).sum((1, 2)) == rows * per_group).all(), "each pass shows as many patches"
    visible = (~masks).reshape(rounds, groups, -1)
    assert (visible.sum(1) == 1).all(), "the groups of one round are complementary"


def test_rounds_differ_and_continue_each_other() -> None:
    one = PartitionMasks(rounds=1).hidden((14, 14), 5)
    four = PartitionMasks(rounds=4).hidden((14, 14), 5)
    assert np.array_equal(four[:4], one), "more rounds only add passes"
    assert len({mask.tobytes() for mask in four}) == 16


@given(ratio=st.floats(0.05, 0.95), passes=st.integers(1, 6), side=st.integers(5, 14), seed=SEEDS)
def test_random_masks_hide_everything_once(ratio: float, passes: int, side: int, seed: int) -> None:
    masks = RandomMasks(ratio=ratio, passes=passes).hidden((side, side), seed)
    assert len(masks) >= passes
    assert masks.any(0).all()
    keep = int(side * side * (1 - ratio))
    assert ((~masks).sum((1, 2)) == keep).all()


@given(size=st.integers(1, 5), down=st.integers(1, 4), across=st.integers(2, 4), seed=SEEDS)
def test_blocks_tile_the_grid(size: int, down: int, across: int, seed: int) -> None:
    masks = BlockMasks(size=size).hidden((down * size, across * size), seed)
    assert masks.shape[0] == down * across
    assert (masks.sum(0) == 1).all()
    for mask in masks:
        rows, columns = np.nonzero(mask)
        assert np.ptp(rows) == np.ptp(columns) == size - 1
        assert mask.sum() == size * size


@given(phases=st.sampled_from([2, 4]), rows=st.integers(2, 9), columns=st.integers(2, 9), seed=SEEDS)
def test_lattice_hides_each_pixel_once_and_no_neighbour_with_it(
    phases: int, rows: int, columns: int, seed: int
) -> None:
    masks = LatticeMasks.model_validate({"phases": phases}).hidden((rows, columns), seed)
    assert len(masks) == phases
    assert (masks.sum(0) == 1).all()
    assert not (masks[:, 1:] & masks[:, :-1]).any()
    assert not (masks[:, :, 1:] & masks[:, :, :-1]).any()
    if phases == 4:
        assert not (masks[:, 1:, 1:] & masks[:, :-1, :-1]).any()


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: repr(scheme))
def test_every_pass_sees_something_and_seeds_matter(scheme: MaskScheme) -> None:
    masks = scheme.hidden((14, 14), 1)
    assert masks.any(0).all()
    assert not masks.all((1, 2)).any()
    assert np.array_equal(masks, scheme.hidden((14, 14), 1))
    assert any(not np.array_equal(masks, scheme.hidden((14, 14), seed)) for seed in range(2, 12))


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: repr(scheme))
def test_global_random_state_plays_no_part(scheme: MaskScheme) -> None:
    np.random.seed(0)
    before = scheme.hidden((14, 14), 3)
    np.random.rand(10)
    assert np.array_equal(before, scheme.hidden((14, 14), 3))


def digest() -> str:
    """Hash of all schemes' masks."""
    return hashlib.sha256(b"".join(scheme.hidden((14, 14), 7).tobytes() for scheme in ALL)).hexdigest()


def test_the_same_in_another_process() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}  # noqa: PTH120
    command = [sys.executable, "-c", "import test_schemes; print(test_schemes.digest())"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == digest()


@pytest.mark.parametrize(
    ("scheme", "grid", "reason"),
    [
        (PartitionMasks(groups=3), (14, 14), "equal groups"),
        (PartitionMasks(groups=8), (2, 2), "equal groups"),
        (RandomMasks(ratio=0.9), (3, 3), "leaves 0 of 9"),
        (BlockMasks(size=5), (14, 14), "do not tile"),
        (BlockMasks(size=7), (7, 7), "do not tile"),
        (LatticeMasks(), (1, 1), "too small"),
        (LatticeMasks(phases=4), (1, 8), "too small"),
    ],
)
def test_impossible_grids_are_refused(scheme: MaskScheme, grid: tuple[int, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        scheme.hidden(grid)


@pytest.mark.parametrize("scheme", ALL, ids=lambda scheme: repr(scheme))
def test_settings_survive_json(scheme: MaskScheme) -> None:
    assert build_scheme(scheme.model_dump(mode="json")) == scheme


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "spiral"},
        {"kind": "partition", "groups": 1},
        {"kind": "lattice", "phases": 3},
        {"kind": "block", "a": 1},
    ],
)
def test_unknown_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        build_scheme(settings)
