"""Maps: tinted where the anomaly is and nowhere else, comparable, and never over another input's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cinemae.detector import Scored
from cinemae.features.extractor import Extraction
from cinemae.images import load_image, resized_box, resized_view
from cinemae.likelihood import ConditionalLikelihood
from cinemae.maps import overlay, side_by_side, write_maps
from cinemae.maps.colours import MAGMA, SCALE, colourise, strength
from cinemae.maps.pictures import LONG_SIDE, PANEL
from cinemae.verdict import ErrorInfo, Verdict

SQUARE = 40


def scored(width: int, height: int, at: tuple[int, int] | None = None, name: str = "a/photo.jpg") -> Scored:
    """A grey picture, all as expected but for a white square whose corner is ``at`` (left, top)."""
    pixels = np.full((height, width, 3), 100, dtype=np.uint8)
    if at is not None:
        pixels[at[1] : at[1] + SQUARE, at[0] : at[0] + SQUARE] = 255
    view = resized_view(pixels).astype(np.float32)
    grey = np.full_like(view, 100)
    likelihood = ConditionalLikelihood(view, grey, np.full_like(view, 4), 16)
    image = load_image(pixels, name=name)
    verdict = Verdict(path=name, verdict="ai", probability=0.9, bits_per_dim=likelihood.bits_per_dim)
    return Scored(verdict, image, Extraction(np.zeros(1, np.float32), {"semantic": [likelihood]}))


def changed(width: int, height: int, at: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Where the overlay differs from the picture, its outline left out; and its zoom."""
    result = scored(width, height, at)
    drawn = np.asarray(overlay(result)).astype(int)
    zoom = min(max(max(width, height), LONG_SIDE[0]), LONG_SIDE[1]) / max(width, height)
    size = (round(width * zoom), round(height * zoom))
    plain = np.asarray(Image.fromarray(result.image.pixels).resize(size, Image.Resampling.LANCZOS)).astype(int)
    margin = (drawn.shape[1] - size[0]) // 2
    difference = np.abs(drawn[: size[1], margin : margin + size[0]] - plain).max(-1)
    left, top, right, bottom = (round(edge * zoom) for edge in resized_box(width, height))
    inside = np.zeros(difference.shape, dtype=bool)
    inside[top + 1 : bottom - 1, left + 1 : right - 1] = True
    outline = np.zeros_like(inside)
    outline[top:bottom, left:right] = True
    assert not difference[~outline].any(), "what was not looked at keeps its colours"
    return (difference > 0) & inside, zoom


@pytest.mark.parametrize(
    ("width", "height", "at"),
    [
        (640, 400, (200, 60)),
        (640, 400, (400, 300)),
        (300, 900, (40, 500)),
        (2048, 1024, (1200, 200)),
        (256, 256, (100, 30)),
    ],
)
def test_tint_lies_over_the_anomaly(width, height, at):
    tinted, zoom = changed(width, height, at)
    rows, columns = np.nonzero(tinted)
    patch = 16 * min(width, height) / 256  # a semantic patch in pixels of the original
    for found, start in ((columns / zoom, at[0]), (rows / zoom, at[1])):
        # All of the square, and at most the patches that it touches (and one more for the resampling).
        assert found.min() <= start + 1
        assert found.max() >= start + SQUARE - 2
        assert found.min() > start - 2 * patch
        assert found.max() < start + SQUARE + 2 * patch


def test_what_was_expected_is_not_tinted():
    tinted, _ = changed(512, 384, (0, 0))  # the square lies outside of the crop's corner patches but for its edge
    assert tinted.mean() < 0.05


@pytest.mark.parametrize(("width", "height"), [(33, 40), (500, 400), (3000, 1000), (1000, 3000)])
def test_overlay_size(width, height):
    drawn = overlay(scored(width, height))
    assert LONG_SIDE[0] <= max(drawn.size) <= LONG_SIDE[1] + 44
    assert drawn.mode == "RGB"


def test_resize_moves_the_box():
    """A model whose view is the whole short side tints up to the edge."""
    result = scored(448, 448, (0, 0))
    view = resized_view(result.image.pixels, resize=224, crop=224).astype(np.float32)
    likelihood = ConditionalLikelihood(view, np.full_like(view, 100), np.full_like(view, 4), 16)
    whole = replace(result, extraction=Extraction(np.zeros(1, np.float32), {"semantic": [likelihood]}))
    assert np.asarray(overlay(whole, resize=224))[2, 2].tolist() != [255, 255, 255]
    assert np.asarray(overlay(result, resize=256))[2, 2].tolist() == [255, 255, 255]


def test_side_by_side_shows_view_prediction_and_anomaly():
    result = scored(600, 600, (300, 300))
    picture = np.asarray(side_by_side(result))
    top, half = 26, PANEL // 2
    panels = [picture[top : top + PANEL, n * (PANEL + 8) : n * (PANEL + 8) + PANEL] for n in range(3)]
    view, predicted, anomaly = panels
    assert (predicted == 100).all()
    assert view[half + 10, half + 10].tolist() == [255, 255, 255]
    assert view[10, 10].tolist() == [100, 100, 100]
    assert anomaly[half + 10, half + 10].tolist() == MAGMA[-1].tolist()  # off the scale: its end
    gap = result.extraction.likelihoods["semantic"][0].gap
    assert anomaly[10, 10].tolist() == colourise(strength(gap[0, 0].mean(keepdims=True)))[0].tolist()


def test_colours_are_a_fixed_scale():
    low, high = SCALE
    assert strength(np.array([low - 1, low, (low + high) / 2, high, high + 9], np.float32)).tolist() == [
        0,
        0,
        0.5,
        1,
        1,
    ]
    assert colourise(np.linspace(0, 1, 16, dtype=np.float32)).tolist() == MAGMA.astype(int).tolist()
    # Lighter all the way, so that it reads in grey too.
    light = colourise(np.linspace(0, 1, 256, dtype=np.float32)).astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) > -0.6).all()
    assert light[-1] - light[0] > 230


def test_maps_are_named_after_the_input(tmp_path):
    paths = write_maps(scored(64, 64), tmp_path)
    assert [path.name for path in paths] == ["photo.overlay.png", "photo.sides.png"]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("-", "stdin"),
        ("<bytes>", "bytes"),
        ("https://x.org/pic.webp?size=9/9", "pic"),
        ("../..", "image"),
        ("a/.b c\n.png", "b_c"),
        ("dir\\win.png", "win"),
        ("日本.png", "日本"),
        ("x" * 300 + ".png", "x" * 80),
    ],
)
def test_names_are_plain(name, stem, tmp_path):
    paths = write_maps(scored(64, 64, name=name), tmp_path)
    assert paths[0] == tmp_path / f"{stem}.overlay.png"


def test_same_stem_never_overwrites(tmp_path):
    first = write_maps(scored(64, 64, name="a/photo.jpg"), tmp_path)
    second = write_maps(scored(64, 64, name="b/photo.jpg"), tmp_path)
    other = write_maps(scored(64, 64, (20, 20), name="a/photo.jpg"), tmp_path)  # other pixels, same path
    assert len({*first, *second, *other}) == 6
    before = {path: path.stat().st_mtime_ns for path in (*first, *second, *other)}
    assert write_maps(scored(64, 64, name="b/photo.jpg"), tmp_path) == second
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {path for path in before if before[path] != after[path]} == set(second)


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "photo.overlay.png").write_bytes(b"mine")
    Image.new("RGB", (8, 8)).save(tmp_path / "other.sides.png")
    for name in ("photo.jpg", "other.jpg"):
        paths = write_maps(scored(64, 64, name=name), tmp_path)
        assert all(path.name.startswith(f"{name[:5]}-") for path in paths)
    assert (tmp_path / "photo.overlay.png").read_bytes() == b"mine"


def test_a_refused_input_has_no_map(tmp_path):
    refused = Scored(Verdict(path="x", error=ErrorInfo(type="TooSmallError", message="x: too small")))
    for draw in (overlay, side_by_side, lambda it: write_maps(it, tmp_path)):
        with pytest.raises(ValueError, match="refused"):
            draw(refused)
