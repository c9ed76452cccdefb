"""What the scans of the tests are made of: a model that scores hundreds of tiny images a second, and the images."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinemae.features.spec import FeatureSpec, ScaleSpec
from cinemae.fusion.head import FusionHead, HeadConfig
from cinemae.masks import LatticeMasks
from cinemae.settings import DetectorSettings
from toys import extractor_from, save_small, small_conv

SIDE = 32
MODULES = Path(__file__).parent
POISONED = (sys.executable, str(MODULES / "poisoned.py"))  # a worker whose decoder crashes or hangs on some bytes


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> DetectorSettings:
    """A head of random weights on one view of a small convolutional MAE."""
    place = tmp_path_factory.mktemp("quick")
    name = save_small(place / "conv", small_conv())
    scale = ScaleSpec(view="native", size=SIDE, crops=1, patch=8, masks=LatticeMasks(phases=2))
    extractor = extractor_from({"fine": name}, FeatureSpec(scales={"fine": scale}))
    count = len(extractor.spec.names)
    rng = np.random.default_rng(0)
    weights = {
        "center": np.zeros(count),
        "spread": np.ones(count),
        "local.index": np.arange(count),
        "local.line": rng.normal(size=count, scale=0.05),
        "local.bias": np.zeros(()),
        "conformal.ai": np.full(99, -0.2),
        "conformal.real": np.full(99, 0.2),
    }
    config = HeadConfig(
        spec=extractor.spec,
        backbones={"fine": extractor.backbones["fine"].fingerprint},
        backbone_names={"fine": name},
        parts=("local",),
    )
    FusionHead(config, weights).save(place / "head")
    return DetectorSettings(model=str(place / "head"), device="cpu", precision="f32")


def draw(place: Path, seed: int) -> None:
    """Write a small picture of noise with a blur of its own, so that scores differ."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    filtering = (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)[seed % 2]
    grain = rng.integers(0, 4 + seed % 60, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(noise).resize((SIDE, SIDE), filtering)) // 2 + grain
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(place, quality=90)


@pytest.fixture(scope="session")
def folder_of() -> Callable[..., Path]:
    """Make a folder of pictures; names and formats change from one to the next."""

    def make(place: Path, count: int, *, first: int = 0, distinct: int | None = None) -> Path:
        for number in range(count):
            suffix = ("png", "jpg")[number % 2]
            draw(place / f"{number // 100:02d}" / f"{number:05d}.{suffix}", first + number % (distinct or count))
        return place

    return make


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory, folder_of: Callable[..., Path]) -> Path:
    """90 pictures, and 3 files that are refused."""
    place = folder_of(tmp_path_factory.mktemp("pictures"), 90)
    (place / "00" / "cut.png").write_bytes((place / "00" / "00000.png").read_bytes()[:200])
    (place / "00" / "text.jpg").write_bytes(b"no picture")
    (place / "empty.png").touch()
    return place
