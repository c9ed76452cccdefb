"""Pseudo-fakes: decoders' traces on photographs, and the window that both sides of a pair share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cinemae.alignment import PseudoConfig, WindowConfig, pseudo_fake, training_window
from cinemae.alignment.pseudo import _transposed, guided_filter
from cinemae.seeding import rng_for
from pictures import photo

ONLY_UPSAMPLE = {"upsample": 1.0, "denoise": 0.0, "sharpen": 0.0, "keep": (0.0, 0.0)}


def roughness(pixels: np.ndarray) -> float:
    return float(np.abs(np.diff(pixels.astype(float), axis=1)).mean())


@settings(max_examples=25)
@given(st.integers(16, 70), st.integers(16, 70), st.integers(0, 10_000))
def test_any_size_keeps_its_shape_and_type(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = pseudo_fake(pixels, rng_for(seed, "x"))
    assert out.shape == pixels.shape
    assert out.dtype == np.uint8
    assert not np.array_equal(out, pixels)


def test_the_same_generator_state_gives_the_same_traces() -> None:
    first, again, other = (pseudo_fake(photo(), rng_for(0, key)) for key in ("a", "a", "b"))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_configuration_takes_the_same_number_of_draws() -> None:
    after = set()
    for config in (PseudoConfig(), PseudoConfig(upsample=0.0, sharpen=0.0), PseudoConfig(**ONLY_UPSAMPLE)):
        rng = rng_for(3, "draws")
        pseudo_fake(photo(), rng, config)
        after.add(float(rng.random()))
    assert len(after) == 1


@pytest.mark.parametrize("kernel", [0.0, 1.0])
def test_upsampling_loses_detail_and_keeps_the_colours(kernel: float) -> None:
    noisy = np.clip(photo().astype(float) + np.random.default_rng(0).normal(0, 12, photo().shape), 0, 255)
    noisy = noisy.astype(np.uint8)
    config = PseudoConfig(**ONLY_UPSAMPLE, kernel=kernel, factors=(2.0, 2.0))
    out = pseudo_fake(noisy, rng_for(1, "up"), config)
    assert roughness(out) < 0.8 * roughness(noisy)
    assert out.mean((0, 1)) == pytest.approx(noisy.mean((0, 1)), abs=3)


def test_a_transposed_convolution_is_aligned_and_leaves_a_checkerboard() -> None:
    ramp = np.repeat(np.linspace(20, 220, 64, dtype=np.float32)[None, :, None], 64, 0).repeat(3, 2)
    even = np.full((4, 4), 0.5, dtype=np.float32)  # the undisturbed kernel
    assert np.abs(_transposed(ramp, even) - ramp)[4:-4, 4:-4].max() < 0.5
    disturbed = _transposed(np.full((64, 64, 3), 100, dtype=np.float32), rng_for(0, "k").random((4, 4)).astype("f4"))
    phases = {float(disturbed[row::2, column::2].mean()) for row in (0, 1) for column in (0, 1)}
    assert 0.05 < max(phases) - min(phases) < 6


def test_the_guided_filter_smooths_faint_detail_and_keeps_edges() -> None:
    rng = np.random.default_rng(0)
    step = np.full((40, 40, 3), 60, dtype=np.float32)
    step[:, 20:] = 200
    noisy = step + rng.normal(0, 3, step.shape).astype(np.float32)
    out = guided_filter(noisy, 3, 1e-3)
    assert out[:, 5:15].std() < 0.5 * noisy[:, 5:15].std()
    assert out[:, 22:].mean() - out[:, :18].mean() > 135


def test_denoising_is_applied_where_nothing_else_was_drawn() -> None:
    config = PseudoConfig(upsample=0.0, denoise=0.0, sharpen=0.0)
    assert not np.array_equal(pseudo_fake(photo(), rng_for(0, "d"), config), photo())


def test_the_window_is_a_slice_of_a_small_image_and_reduces_large_ones() -> None:
    small = photo(300, 200)
    assert np.array_equal(training_window(small, rng_for(0, "w")), small)
    large = np.array(Image.fromarray(photo()).resize((1200, 900)))
    cut = training_window(large, rng_for(0, "w"), WindowConfig(reduce=0.0))
    assert cut.shape == (640, 640, 3)
    places = np.argwhere((large[: 900 - 639, : 1200 - 639] == cut[0, 0]).all(-1))
    assert any(np.array_equal(large[row : row + 640, column : column + 640], cut) for row, column in places)
    reduced = training_window(large, rng_for(0, "w"), WindowConfig(reduce=1.0, side=2000))
    assert 512 <= min(reduced.shape[:2]) <= 900
    assert reduced.shape[1] / reduced.shape[0] == pytest.approx(4 / 3, abs=0.01)


def test_settings_out_of_range_are_refused() -> None:
    for bad in ({"upsample": 1.5}, {"unknown": 1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            PseudoConfig(**bad)
