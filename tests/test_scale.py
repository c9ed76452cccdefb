"""The same photograph at other sizes: no verdict turns into its opposite (samples, shipped detector)."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cinemae import Detector
from cinemae.images import COARSE

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.[jpw]*"))


@pytest.fixture(scope="module")
def detector():
    return Detector.load(precision="f32", jobs=1)


def sizes(image: Image.Image) -> dict[str, Image.Image]:
    """The picture as it is, at half and twice its size, and enlarged from 64 pixels."""
    width, height = image.size
    short = 64 / min(width, height)
    small = image.resize((round(width * short), round(height * short)), Image.Resampling.BICUBIC)
    return {
        "own": image,
        "half": image.resize((width // 2, height // 2), Image.Resampling.BICUBIC),
        "twice": image.resize((2 * width, 2 * height), Image.Resampling.BICUBIC),
        "enlarged": small.resize((width, height), Image.Resampling.BICUBIC),
    }


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_no_size_turns_a_verdict_round(detector, path):
    with Image.open(path) as image:
        verdicts = {name: detector.detect_one(each) for name, each in sizes(image.convert("RGB")).items()}
    said = {verdict.verdict for verdict in verdicts.values()}
    assert not {"ai", "real"} <= said, {name: (v.verdict, v.probability) for name, v in verdicts.items()}


def test_an_enlarged_photograph_gets_a_note_unless_a_threshold_decides(detector):
    with Image.open(SAMPLES[0].parent / "chelsea.jpg") as image:
        enlarged = sizes(image.convert("RGB"))["enlarged"]
    verdict = detector.detect_one(enlarged)
    assert verdict.verdict == "inconclusive"
    assert COARSE in verdict.notes
    decided = Detector(detector.extractor, detector.head, threshold=0.5).detect_one(enlarged)
    assert decided.verdict == ("ai" if decided.probability >= 0.5 else "real")
    assert COARSE not in decided.notes
