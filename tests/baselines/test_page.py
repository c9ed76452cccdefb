"""docs/baselines.md: its example runs, its settings are read, its numbers are the code's; and importing stays cheap."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from cinemae.baselines import ResidualConfig, Scorer, SpectrumConfig, parse_baseline
from cinemae.baselines.network import shapes
from processes import environment
from toys import write_set

PAGE = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return found


def test_the_example_runs(tmp_path):
    write_set(tmp_path / "DATA", {"train": 10})
    (tmp_path / "example.py").write_text(block("python"))
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, env=environment(), timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"\d\.\d", done.stdout)) == 20
    assert Scorer.load(tmp_path / "spectrum").baseline == SpectrumConfig()


def test_the_settings_are_read():
    methods = yaml.safe_load(block("yaml"))["methods"]
    kinds = {parse_baseline(values).kind for values in methods.values() if values["kind"] != "head"}
    assert kinds == {"spectrum", "probe", "residual-cnn"}


def test_the_numbers_are_those_of_the_code():
    spectrum, network = SpectrumConfig(), ResidualConfig()
    assert f"`size` ({spectrum.size})" in PAGE
    assert f"`bins` ({spectrum.bins})" in PAGE
    assert f"`size` ({network.size})" in PAGE
    assert f"`crops` ({network.crops})" in PAGE
    assert f"{round(network.measurer().width / 1000)} kB an image" in PAGE
    count = sum(int(np.prod(shape)) for shape in shapes(network.channels).values())
    assert f"{round(count, -3):,} weights" in PAGE


def test_settings_load_nothing_heavy():
    code = (
        "import sys, json\nfrom cinemae.baselines import parse_baseline\n"
        "parse_baseline({'kind': 'residual-cnn'}).measurer().build()\n"
        "parse_baseline({'kind': 'spectrum'}).measurer().build()\nprint(json.dumps(sorted(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert not set(json.loads(ran.stdout)) & {"torch", "transformers", "timm", "sklearn", "scipy", "openvino"}
