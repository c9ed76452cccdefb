"""Fixtures that every part of the suite may use."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import pictures

# A limit in wall-clock time fails on a busy machine, whatever the code does.
settings.register_profile("cinemae", deadline=None)
settings.load_profile("cinemae")

# Compiled graphs of tests don't belong into the user's cache folder.
if "CINEMAE_CACHE" not in os.environ:
    os.environ["CINEMAE_CACHE"] = tempfile.mkdtemp(prefix="cinemae-cache-")
    atexit.register(shutil.rmtree, os.environ["CINEMAE_CACHE"], ignore_errors=True)

pytest_plugins = ["toys"]  # small MAEs, labelled pictures and a head

LONG = (
    "scan/test_ray.py",
    "test_export.py",
    "test_benchmarks.py",
    "fusion/test_fit.py",
    "cli/test_export.py",
    "test_readme.py",
    "test_packaging.py",
    "scan/test_run.py",
    "cli/test_pretrain.py",
    "cli/test_scan.py",
)
"""The files that take longest, longest first: a worker that got one of them last would be waited for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; within a file the order stays."""
    tests = Path(__file__).parent
    rank = {tests / name: number for number, name in enumerate(LONG)}
    if gone := [str(path) for path in rank if not path.is_file()]:
        raise pytest.UsageError(f"LONG names files that are not there: {', '.join(gone)}")
    items.sort(key=lambda item: rank.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A photograph, (120, 160, 3) uint8, not writable."""
    return pictures.photo()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """The photograph as a JPEG file."""
    return pictures.encode(pictures.photo(), "JPEG", quality=92)
