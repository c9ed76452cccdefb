"""A small comparison: toy MAEs, toy pictures, a head, one of its parts, an ablation and a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cinemae.compare.config import CompareConfig
from cinemae.compare.run import Workshop, run_comparison
from cinemae.compare.schema import Comparison
from toys import FIT, MILD, SCALES


@pytest.fixture(scope="session")
def document(toy_set: Path, mae_folders: dict[str, str]) -> dict[str, Any]:
    """A configuration as a file holds it; small enough that a run takes seconds."""
    scales = {name: scale.model_dump(mode="json") for name, scale in SCALES.items()}
    scales["fine"]["crops"] = 1
    return {
        "name": "toys",
        "seed": 3,
        "data": {"train": {"path": str(toy_set), "split": "train"}, "test": {"path": str(toy_set), "split": "val"}},
        "train": {
            "scales": scales,
            "backbones": mae_folders,
            "augment": MILD.model_dump(mode="json"),
            "fit": FIT.model_dump(mode="json"),
        },
        "protocols": ["raw", "format"],
        "methods": {
            "fused": {"kind": "head"},
            "local": {"kind": "head", "part": "local"},
            "spectrum": {"kind": "spectrum", "size": 64, "bins": 8},
        },
        "ablations": {"base": "fused", "axes": {"fit.folds": [3]}},
        "resamples": 40,
        "precision": "f32",
    }


@pytest.fixture(scope="session")
def config(document: dict[str, Any]) -> CompareConfig:
    return CompareConfig.model_validate(document)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare-cache")


@pytest.fixture(scope="session")
def done(
    config: CompareConfig, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Comparison, list[str]]:
    """The output folder, the comparison, and what was said."""
    out, said = tmp_path_factory.mktemp("compared"), []
    return out, run_comparison(config, out, Workshop(shared_cache, 1, say=said.append)), said
