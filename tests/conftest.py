"""Fixtures that every part of the suite may use."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

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


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A photograph, (120, 160, 3) uint8, not writable."""
    return pictures.photo()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """The photograph as a JPEG file."""
    return pictures.encode(pictures.photo(), "JPEG", quality=92)
