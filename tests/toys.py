"""Toys that many tests share: pictures that differ as real and generated ones do, small MAEs, a head.

Real pictures are 1/f noise at their own resolution; "AI" ones are the same noise, up-sampled twice
as a generator's last layer does, so that a head can really learn the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import special

from cinemae.alignment import AugmentConfig
from cinemae.features.extractor import Backbone, FeatureExtractor
from cinemae.features.spec import FeatureSpec, ScaleSpec
from cinemae.fusion.config import FitConfig, PartConfig
from cinemae.fusion.division import Rows
from cinemae.fusion.fit import fit_head
from cinemae.fusion.head import FusionHead, HeadConfig
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.checkpoint import CheckpointRecord, load_mae, save_mae
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.conv import ConvMAE
from cinemae.mae.modules import to_frozen
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.mae.vit import ViTMAE
from cinemae.masks import LatticeMasks, PartitionMasks

SMALL_VIT = ViTMAEConfig(
    width=24, depth=4, heads=2, mlp_width=48, decoder_width=16, decoder_depth=1, decoder_heads=2, decoder_mlp_width=32,
    norm_eps=1e-6, output="logistic",
)  # fmt: skip
SMALL_CONV = ConvMAEConfig(width=8, encoder_blocks=1, decoder_blocks=1)
SCALES = {
    "semantic": ScaleSpec(view="resized", size=224, patch=16, masks=PartitionMasks(groups=4), layers=(2,)),
    "fine": ScaleSpec(view="native", size=64, crops=2, patch=8, masks=LatticeMasks(phases=2)),
}
FIT = FitConfig(
    parts={
        "local": PartConfig(groups=("likelihood", "error", "residual"), axes=10, strength=0.1),
        "tokens": PartConfig(groups=("global",), scales=("semantic",), axes=5, strength=0.01),
    },
    folds=4, false_alarms=0.2, alpha=0.4,
)  # fmt: skip
MILD = AugmentConfig(resize=0.0, blur=0.0, prior_jpeg=0.0, webp=0.0, qualities=(92, 98))


def pink(seed: int, side: int = 96) -> np.ndarray:
    """A smooth colour picture whose amplitude spectrum falls as 1/f, (side, side, 3) uint8."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.normal(size=(4, side, side))) / frequency
    channels = np.fft.irfft2(noise, s=(side, side))
    mixed = channels[:1] + 0.3 * channels[1:]  # natural colours go together
    scaled = 128 + rng.uniform(30, 50) * mixed / mixed.std()
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


def upsampled(seed: int, side: int = 96) -> np.ndarray:
    """The same noise made at half the size and enlarged, (side, side, 3) uint8."""
    return np.array(Image.fromarray(pink(seed, side // 2)).resize((side, side), Image.Resampling.BILINEAR))


def write_set(folder: Path, counts: dict[str, int], generator: str = "toygen") -> Path:
    """Write GenImage's layout; two pictures of each source."""
    for split, count in counts.items():
        for kind, draw in (("ai", upsampled), ("nature", pink)):
            place = folder / generator / split / kind
            place.mkdir(parents=True)
            for number in range(count):
                name = f"{kind}-{split}-{number // 2}__{number}.png"
                seed = 10_000 * (kind == "ai") + 1000 * (split == "val") + number
                Image.fromarray(draw(seed)).save(place / name)
    return folder


def rows_for(labels: np.ndarray, folds: int = 4) -> Rows:
    """Rows that weigh alike, in folds in turn, each an image of its own."""
    count = len(labels)
    return Rows(labels, np.ones(count), np.arange(count) % folds, np.ones(count, dtype=bool))


def head_of(
    seed: int = 0, *, ai: Sequence[float] = (0.5,) * 9, real: Sequence[float] = (0.5,) * 9, **settings: object
) -> FusionHead:
    """A head of 12 features (8 local, 4 global) and two parts with random weights.

    ``ai`` and ``real`` are the probabilities, before calibration, of what its verdicts are calibrated on.
    """
    rng = np.random.default_rng(seed)
    names = tuple(f"fine.likelihood.x{n}" for n in range(8)) + tuple(f"fine.global.x{n}" for n in range(4))
    weights: dict[str, np.ndarray] = {"center": rng.normal(size=12), "spread": rng.uniform(0.5, 2, 12)}
    for part, index in (("local", np.arange(8)), ("tokens", np.arange(8, 12))):
        weights |= {
            f"{part}.index": index,
            f"{part}.line": rng.normal(size=len(index)),
            f"{part}.bias": np.array(rng.normal()),
        }
    for name, scores in (("ai", ai), ("real", real)):
        weights[f"conformal.{name}"] = np.sort(special.logit(np.array(scores, dtype=np.float64)))
    values = {
        "spec": FeatureSpec(scales={"fine": SCALES["fine"]}, names=names),
        "backbones": {"fine": "0123456789abcdef"},
        "backbone_names": {"fine": "cinemae/conv-fine"},
        "parts": ("local", "tokens"),
    }
    return FusionHead(HeadConfig.model_validate(values | settings), weights)


def banded(head: FusionHead, low: float, high: float, **update: object) -> FusionHead:
    """The head with other settings, and calibrated on images that make its band, to rounding, (low, high)."""
    config = head.config.model_copy(update=update)
    scores = {
        f"conformal.{name}": np.full(99, (special.logit(p) - config.bias) * config.temperature)
        for name, p in (("ai", low), ("real", high))
    }
    return FusionHead(config, head.weights | scores)


def small_vit(seed: int = 0, config: ViTMAEConfig = SMALL_VIT) -> ViTMAE:
    mae = ViTMAE(config)
    mae.initialise(torch.Generator().manual_seed(seed))
    return mae.eval().requires_grad_(False)


def small_conv(seed: int = 0) -> ConvMAE:
    mae = ConvMAE(SMALL_CONV)
    mae.initialise(torch.Generator().manual_seed(seed))
    return mae.eval().requires_grad_(False)


def save_small(place: Path, mae: ViTMAE | ConvMAE, noise: NoiseModel | None = None) -> str:
    """Save a checkpoint folder and return its path as text."""
    save_mae(place, to_frozen(mae), CheckpointRecord(architecture=mae.config, noise=noise))
    return str(place)


def extractor_from(names: dict[str, str], spec: FeatureSpec) -> FeatureExtractor:
    """An extractor of saved MAEs, tied by hand rather than by the code under test."""
    backbones = {}
    for scale in spec.scales:
        mae, record = load_mae(Path(names[scale]))
        backbones[scale] = Backbone(OpenVINORuntime(mae), record.noise)
    return FeatureExtractor(backbones, spec)


@pytest.fixture(scope="session")
def mae_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Checkpoint folders of a small MAE for each scale."""
    place = tmp_path_factory.mktemp("maes")
    return {"semantic": save_small(place / "vit", small_vit()), "fine": save_small(place / "conv", small_conv())}


@pytest.fixture(scope="session")
def extractor(mae_folders: dict[str, str]) -> FeatureExtractor:
    """The small MAEs with the toy scales."""
    return extractor_from(mae_folders, FeatureSpec(scales=SCALES))


@pytest.fixture(scope="session")
def toy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 labelled pictures in GenImage's layout: 12 + 12 for training, 8 + 8 for validation."""
    return write_set(tmp_path_factory.mktemp("toy") / "set", {"train": 12, "val": 8})


@pytest.fixture(scope="session")
def toy_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of two sources, 12 and 4 of them."""
    place = tmp_path_factory.mktemp("photos")
    for source, count in (("large", 12), ("small", 4)):
        (place / source).mkdir()
        for number in range(count):
            Image.fromarray(pink(50_000 + 100 * count + number)).save(place / source / f"{number:02d}.png")
    return place


@pytest.fixture(scope="session")
def toy_features(extractor: FeatureExtractor) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of 16 + 16 pictures that are in no folder."""
    rows = [extractor.extract(draw(90_000 + n)).features for draw in (pink, upsampled) for n in range(16)]
    return np.stack(rows), np.repeat([0, 1], 16)


@pytest.fixture(scope="session")
def head(
    extractor: FeatureExtractor, mae_folders: dict[str, str], toy_features: tuple[np.ndarray, np.ndarray]
) -> FusionHead:
    """A head that was trained on the toy pictures."""
    features, labels = toy_features
    return fit_head(features, rows_for(labels), extractor.spec, extractor.fingerprints, mae_folders, FIT).head


@pytest.fixture(scope="session")
def head_folder(head: FusionHead, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved head."""
    place = tmp_path_factory.mktemp("head")
    head.save(place)
    return place
