"""``import cinemae`` is cheap, and a verdict on a CPU needs no torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cinemae
from processes import environment

HEAVY = ("torch", "transformers", "sklearn", "scipy", "pyarrow", "rich", "huggingface_hub", "numpy", "PIL", "openvino")
TORCH = {"torch", "transformers", "sklearn", "scipy", "pyarrow"}


def modules_after(code: str) -> set[str]:
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment())
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_import_loads_nothing_heavy():
    assert not modules_after("import cinemae; cinemae.__version__") & set(HEAVY)


@pytest.mark.parametrize("name", ["ImageError", "Verdict"])
def test_light_names_load_no_runtime(name):
    loaded = modules_after(f"import cinemae; cinemae.{name}")
    assert not loaded & (TORCH | {"openvino"})


def test_a_verdict_needs_neither_torch_nor_the_command_line():
    sample = Path(__file__).parents[1] / "samples" / "chelsea.jpg"
    loaded = modules_after(
        f"from cinemae import Detector\nassert Detector.load(device='cpu').detect_one({str(sample)!r}).verdict"
    )
    assert "openvino" in loaded
    assert not loaded & (TORCH | {"rich", "typer", "huggingface_hub"})
    assert not loaded & {"cinemae.fusion.config", "cinemae.alignment", "cinemae.datasets"}  # what only training needs


def test_the_command_needs_no_torch():
    sample = Path(__file__).parents[1] / "samples" / "chelsea.jpg"
    code = (
        "sys.argv = ['cinemae', 'detect', '--device', 'cpu', '--json', " + repr(str(sample)) + "]\n"
        "from cinemae.cli.app import app\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    loaded = modules_after(code)
    assert "openvino" in loaded
    assert not loaded & (TORCH | {"huggingface_hub"})


def test_public_names_are_what_they_say():
    for name in cinemae.__all__:
        assert getattr(cinemae, name) is not None
    assert cinemae.Detector.__module__ == "cinemae.detector"
    assert issubclass(cinemae.ImageError, ValueError)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Detecter'"):
        cinemae.Detecter  # noqa: B018
