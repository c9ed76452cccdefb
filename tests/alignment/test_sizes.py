"""Size equalisation: equal distributions, never an enlargement, as large as cropping permits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import ks_2samp

from cinemae.alignment.sizes import SizeEqualiser, fit_sizes, short_sides
from cinemae.datasets.images import LabelledImage
from cinemae.seeding import rng_for

_RNG = np.random.default_rng(0)
NATURE = _RNG.integers(200, 600, 1500).tolist()
CASES = {
    "biggan": [128] * 1000,
    "ldm": [256] * 900,
    "sd": [512] * 1000,
    "midjourney": [1024] * 800,
    "mixed": _RNG.choice([384, 512, 768, 960], 1100).tolist(),
    "overlapping": _RNG.integers(150, 900, 1200).tolist(),
}


def drawn(fit: SizeEqualiser, sides: list[int], label: int) -> np.ndarray:
    return np.array([fit.side(s, label, rng_for(1, f"{label}/{i}")) for i, s in enumerate(sides)])


@pytest.mark.parametrize("name", CASES)
def test_both_classes_end_with_one_distribution(name: str) -> None:
    fit = SizeEqualiser.fit(CASES[name], NATURE)
    ai, real = drawn(fit, CASES[name], 1), drawn(fit, NATURE, 0)
    assert (ai <= CASES[name]).all()
    assert (real <= NATURE).all()
    assert ks_2samp(ai, real, method="asymp").statistic < 0.06  # 1 % critical value: 0.066 to 0.074
    assert ks_2samp(CASES[name], NATURE, method="asymp").statistic > 0.2  # what there was to equalise
    # The largest common distribution: at each rank the smaller of the two quantiles.
    ranks = (np.arange(1000) + 0.5) / 1000
    best = np.minimum(*(np.quantile(x, ranks, method="inverted_cdf") for x in (CASES[name], NATURE)))
    assert ai.mean() == pytest.approx(best.mean(), rel=0.02)


def test_one_draw_per_image_whatever_it_is() -> None:
    fit = SizeEqualiser.fit([128, 512], NATURE)
    after = set()
    for own, label in ((128, 1), (512, 1), (300, 0), (5000, 0)):
        rng = rng_for(0, "image")
        fit.side(own, label, rng)
        after.add(float(rng.random()))
    assert len(after) == 1


def test_sizes_outside_the_fit_are_ranked_between() -> None:
    fit = SizeEqualiser.fit([512] * 10, [100, 200, 300, 400])
    assert fit.side(250, 0, rng_for(0, "a")) == 250
    assert fit.side(5000, 0, rng_for(0, "a")) == 512
    assert fit.side(64, 1, rng_for(0, "a")) == 64
    assert fit.side(2000, 1, rng_for(0, "a")) == 400


def image(generator: str, label: int) -> LabelledImage:
    return LabelledImage(path=Path("a"), label=label, generator=generator, source="s", split="val")


def test_fit_per_generator_and_pooled() -> None:
    images = [image("g", 1), image("g", 0), image("h", 1), image("h", 0)]
    fits = fit_sizes(images, [128, 300, 1024, 500])
    assert fits["g"] == SizeEqualiser(ai=(128,), real=(300,))
    assert fits["h"] == SizeEqualiser(ai=(1024,), real=(500,))
    photos = [*images, image("photo", 0)]
    with pytest.raises(ValueError, match="'photo' has no ai images"):
        fit_sizes(photos, [128, 300, 1024, 500, 4000])
    pooled = fit_sizes(photos, [128, 300, 1024, 500, 4000], pooled=True)
    assert set(pooled) == {"g", "h", "photo"}
    assert pooled["g"] == pooled["photo"] == SizeEqualiser(ai=(128, 1024), real=(300, 500, 4000))


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        SizeEqualiser.fit([], [1])
    with pytest.raises(ValueError, match="must be positive"):
        SizeEqualiser.fit([0], [1])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        fit_sizes([image("g", 1)], [])


def test_short_sides_come_from_headers_and_leave_out_what_has_none(tmp_path: Path) -> None:
    def image(name: str) -> LabelledImage:
        return LabelledImage(path=tmp_path / name, label=0, generator="g", source=name, split="train")

    Image.new("RGB", (70, 50)).save(tmp_path / "wide.png")
    Image.new("L", (40, 90)).save(tmp_path / "tall.jpg")
    (tmp_path / "text.png").write_text("no picture")
    whole = (tmp_path / "wide.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) - 20])  # its header is whole
    images = [image(name) for name in ("wide.png", "text.png", "tall.jpg", "missing.png", "cut.png")]
    readable, sides = short_sides(images)
    assert [i.path.name for i in readable] == ["wide.png", "tall.jpg", "cut.png"]
    assert sides == [50, 40, 50]
