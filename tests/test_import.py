"""``import cinemae`` is cheap: nothing heavy is loaded before it is needed."""

import json
import subprocess
import sys

import pytest

import cinemae

HEAVY = ("torch", "transformers", "sklearn", "scipy", "pyarrow", "rich", "huggingface_hub", "numpy", "PIL")


def modules_after(code: str) -> set[str]:
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout))


def test_import_loads_nothing_heavy():
    assert not modules_after("import cinemae; cinemae.__version__") & set(HEAVY)


@pytest.mark.parametrize("name", ["ImageError", "Verdict"])
def test_light_names_load_no_torch(name):
    loaded = modules_after(f"import cinemae; cinemae.{name}")
    assert not loaded & {"torch", "transformers", "sklearn"}


def test_the_detector_needs_torch_but_neither_transformers_nor_the_training_extras():
    loaded = modules_after("from cinemae import Detector")
    assert "torch" in loaded
    assert not loaded & {"transformers", "sklearn", "scipy", "pyarrow", "rich", "typer"}


def test_public_names_are_what_they_say():
    for name in cinemae.__all__:
        assert getattr(cinemae, name) is not None
    assert cinemae.Detector.__module__ == "cinemae.detector"
    assert issubclass(cinemae.ImageError, ValueError)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Detecter'"):
        cinemae.Detecter  # noqa: B018
