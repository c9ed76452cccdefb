"""The crops and the residual network: what it sees, what it must not see, and what its training depends on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from cinemae.baselines import BaselineError, ResidualConfig
from cinemae.baselines.network import LIMIT, RANGE, ResidualNet, residual, shapes
from cinemae.baselines.residual import cut
from cinemae.baselines.threads import threads
from cinemae.images import native_crops
from toys import pink


def test_crops_are_slices_of_the_picture():
    pixels = pink(1, 160)
    found = cut(pixels, size=64, count=4)
    for crop, wanted in zip(found, native_crops(pixels, size=64, count=4), strict=True):
        assert np.array_equal(crop, wanted)


@given(height=st.integers(2, 90), width=st.integers(2, 90), count=st.integers(1, 3))
def test_small_pictures_are_repeated_by_whole_blocks(height, width, count):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    found = cut(pixels, size=64, count=count)
    assert found.shape == (count, 64, 64, 3)
    first = native_crops(pixels, size=64, count=count)[0]
    tall, wide = first.shape[:2]
    assert (tall % 2, wide % 2) == (0, 0)
    for row, column in ((0, 0), (tall - 1, wide - 1), (63, 63), (min(tall, 63), min(wide, 63))):
        assert np.array_equal(found[0, row, column], first[row % tall, column % wide])


def test_a_picture_with_fewer_crops_gives_them_again():
    pixels = pink(1, 64)
    found = cut(pixels, size=64, count=3)
    assert len(found) == 3
    assert np.array_equal(found[0], found[2])


def test_the_residual_is_the_difference_to_the_block_s_first_pixel():
    crop = np.random.default_rng(0).integers(100, 140, (2, 8, 8, 3)).astype(np.uint8)
    got = residual(torch.from_numpy(crop)).numpy()
    for row in range(8):
        for column in range(8):
            wanted = crop[:, row, column].astype(float) - crop[:, row // 2 * 2, column // 2 * 2]
            assert got[:, :, row, column] == pytest.approx(wanted / RANGE)


def test_what_was_doubled_leaves_nothing_and_the_rest_is_bounded():
    small = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    doubled = np.array(Image.fromarray(small).resize((32, 32), Image.Resampling.NEAREST))
    assert not residual(torch.from_numpy(doubled)[None]).any()
    noise = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    assert float(residual(torch.from_numpy(noise)).abs().max()) == LIMIT


def test_brightness_is_not_seen():
    """Content far above the traces' scale: a constant added to the whole picture changes no number."""
    net = ResidualNet((8, 16, 16))
    net.initialise(torch.Generator().manual_seed(0))
    crop = torch.from_numpy(np.clip(pink(1, 48), 20, 200)[None])
    with torch.inference_mode():
        assert torch.equal(net(crop), net(crop + 30))


def test_the_default_network_is_small():
    count = sum(int(np.prod(shape)) for shape in shapes(ResidualConfig().channels).values())
    assert 30_000 < count < 100_000


def test_the_seed_counts_and_torch_s_own_generator_does_not():
    config = ResidualConfig(size=32, crops=2, channels=(4, 8), epochs=2, batch=4, threads=1)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (16, config.measurer().width)).astype(np.uint8)
    labels, held = np.arange(16) % 2, np.arange(16) % 4 < 2

    def fitted(seed: int) -> str:
        return config.fit(rows, labels, np.ones(16), held, seed).fingerprint()

    state = torch.get_rng_state()
    first = fitted(0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert fitted(0) == first
    assert fitted(1) != first


def test_the_number_of_threads_outside_changes_nothing_and_comes_back():
    config = ResidualConfig(size=32, crops=1, channels=(4, 8), epochs=1, batch=4, threads=2)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (16, config.measurer().width)).astype(np.uint8)
    labels, held = np.arange(16) % 2, np.arange(16) % 4 < 2
    prints = set()
    for count in (1, 3):
        with threads(count):
            prints.add(config.fit(rows, labels, np.ones(16), held).fingerprint())
            assert torch.get_num_threads() == count
    assert len(prints) == 1


def test_training_stops_when_nothing_gets_better():
    config = ResidualConfig(size=32, crops=1, channels=(4, 8), epochs=50, patience=2, batch=8, threads=1, rate=1e-6)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (24, config.measurer().width)).astype(np.uint8)
    labels, held = np.arange(24) % 2, np.arange(24) % 4 < 2
    losses = config.fit(rows, labels, np.ones(24), held).config.training["losses"]
    assert len(losses) < 50
    assert min(losses[-2:]) > min(losses) - 1e-4


def test_other_vectors_are_refused():
    config = ResidualConfig(size=32, crops=1)
    labels, held = np.arange(8) % 2, np.arange(8) % 4 < 2
    with pytest.raises(BaselineError, match=r"needs 1 crops of 32 pixels as bytes, given are .*float32"):
        config.fit(np.zeros((8, config.measurer().width), np.float32), labels, np.ones(8), held)


@pytest.mark.parametrize("settings", [{"channels": (6, 8)}, {"channels": (8,)}, {"size": 97}, {"size": 30}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        ResidualConfig(**settings)
