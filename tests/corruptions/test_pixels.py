"""Corruptions that keep the size: closed forms, and hashes where only NumPy computes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cinemae.corruptions import Corruption


def apply(pixels: np.ndarray, text: str, key: str = "k", seed: int = 0) -> np.ndarray:
    name, severity = text.split(":")
    return Corruption(name=name, severity=float(severity)).apply(pixels, seed, key)


def flat(*colour: int, side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), colour, dtype=np.uint8)


def ramp() -> np.ndarray:
    """Every byte, in a picture that no library takes part in making."""
    return (np.arange(64 * 64 * 3) * 7 % 256).astype(np.uint8).reshape(64, 64, 3)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("gamma:1.6", "53eef2a95b7bc88a"),
        ("noise:5", "c582e4e6b4a7bf93"),
        ("crop:0.7", "b9fb93208c04f9c2"),
    ],
)
def test_what_numpy_computes_is_the_same_everywhere(text: str, digest: str) -> None:
    assert hashlib.sha256(apply(ramp(), text).tobytes()).hexdigest()[:16] == digest


def test_blur_is_a_gaussian() -> None:
    dot = flat(0, 0, 0)
    dot[32, 32] = 255
    for sigma in (1.0, 2.0):
        wanted = gaussian_filter(dot[..., 0].astype(float), sigma)
        assert np.abs(apply(dot, f"blur:{sigma}")[..., 0] - wanted).max() < 0.15 * wanted.max() + 1
    assert np.array_equal(apply(dot, "blur:0"), dot)


def test_noise_has_its_standard_deviation_and_no_colour() -> None:
    for severity in (2, 10):
        added = apply(flat(128, 128, 128, side=200), f"noise:{severity}").astype(float) - 128
        assert added.std() == pytest.approx(severity, rel=0.05)
        assert abs(added.mean()) < 0.05 * severity
        assert np.abs(np.corrcoef(added.reshape(-1, 3).T) - np.eye(3)).max() < 0.03
    assert apply(flat(255, 0, 255), "noise:100").min() == 0  # cut off, not wrapped
    assert (apply(flat(255, 255, 255), "noise:5") > 200).all()


def test_sharpening_raises_an_edge_on_both_sides_and_leaves_flat_parts() -> None:
    edge = flat(100, 100, 100)
    edge[:, 32:] = 150
    previous = 0
    for severity in (50, 100, 200):
        sharp = apply(edge, f"sharpen:{severity}").astype(int)
        assert (sharp[:, :24] == 100).all()
        assert (sharp[:, 40:] == 150).all()
        overshoot = sharp.max() - 150
        assert overshoot == pytest.approx(100 - sharp.min(), abs=1)
        assert overshoot > previous
        previous = overshoot
    assert np.array_equal(apply(edge, "sharpen:0"), edge)


def test_saturation_scales_the_distance_from_grey(photo: np.ndarray) -> None:
    grey = photo @ np.array([0.299, 0.587, 0.114])
    for severity in (0.0, 0.7, 1.4):
        wanted = np.clip(grey[..., None] + severity * (photo - grey[..., None]), 0, 255)
        assert np.abs(apply(photo, f"saturation:{severity}") - wanted).max() <= 1.5
    assert np.array_equal(apply(photo, "saturation:1"), photo)


def test_hue_turns_about_grey() -> None:
    assert np.array_equal(apply(flat(70, 70, 70), "hue:30"), flat(70, 70, 70))
    colour = flat(120, 90, 60)
    seen = set()
    for key in map(str, range(12)):
        turned = apply(colour, "hue:15", key)[0, 0].astype(float)
        assert turned.mean() == pytest.approx(90, abs=0.4)
        away, before = turned - 90, np.array([30.0, 0, -30])
        cosine = away @ before / np.linalg.norm(away) / np.linalg.norm(before)
        assert np.rad2deg(np.arccos(cosine)) == pytest.approx(15, abs=1.5)
        seen.add(tuple(turned))
    assert len(seen) == 2  # both ways
    assert apply(colour, "hue:120")[0, 0].tolist() in ([60, 120, 90], [90, 60, 120])  # thirds of a turn swap channels


def test_gamma_is_a_power() -> None:
    for severity in (0.6, 1.0, 1.6):
        wanted = np.rint(255 * (ramp() / 255) ** severity)
        assert np.array_equal(apply(ramp(), f"gamma:{severity}"), wanted)


def test_text_is_white_with_a_black_rim_and_leaves_the_rest() -> None:
    plain = flat(90, 120, 60, side=200)
    areas = []
    for severity in (5, 10):
        written = apply(plain, f"text:{severity}")
        changed = (written != plain).any(axis=-1)
        rows = np.flatnonzero(changed.any(axis=1))
        assert (written[changed] > 220).all(axis=-1).any()
        assert (written[changed] < 15).all(axis=-1).any()
        assert 0.01 * severity * 200 * 0.4 < np.ptp(rows) < 0.01 * severity * 200 * 2
        assert rows[-1] < 199
        areas.append(changed.mean())
    assert 0 < areas[0] < areas[1] < 0.3
    assert len({apply(plain, "text:5", str(key)).tobytes() for key in range(8)}) > 5
