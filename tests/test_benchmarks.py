"""What the documentation's figures are made with: settings that load, and a script that runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cinemae.fusion.recipe import TrainConfig
from toys import pink

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "ablations").glob("*.json")), ids=lambda path: path.stem)
def test_each_ablation_is_a_valid_fit_and_another_one(path):
    config, plain = TrainConfig.model_validate_json(path.read_text()), TrainConfig()
    assert config.fit != plain.fit
    assert config.model_copy(update={"fit": plain.fit}) == plain  # the features, and so the cache, are the same
    assert path.stem in (BENCHMARKS.parent / "docs" / "experiments.md").read_text()


def test_families_do_not_overlap_but_for_their_union():
    families = {
        name: set(generators) for name, generators in json.loads((BENCHMARKS / "families.json").read_text()).items()
    }
    assert families["unseen"] == families["classic"] | families["web"]
    assert not families["classic"] & families["web"]
    assert not families["unseen"] & families["stable diffusion 1.x"]


def test_mask_noise_is_measured(tmp_path):
    for number in range(3):
        Image.fromarray(pink(number, 64)).save(tmp_path / f"{number}.png")
    command = [sys.executable, str(BENCHMARKS / "mask_noise.py"), str(tmp_path), "--images", "3", "--seeds", "2"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith("3 images, 2 seeds, 1 round(s)")
    ratios = dict(re.findall(r"^(.+): over seeds \S+, over images \S+, ratio (\S+)$", out, re.MULTILINE))
    assert set(ratios) == {"semantic", "fine", "half", "logit of the head"}
    assert float(ratios["fine"]) < 1e-6 < float(ratios["semantic"])  # the lattice has no seed
