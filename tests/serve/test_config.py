"""A configuration travels as JSON, and one that can't work is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cinemae.serve.config import Limits, ServeConfig
from cinemae.settings import DetectorSettings


def test_it_survives_as_json():
    config = ServeConfig(
        detector=DetectorSettings(device="cpu", jobs=3),
        limits=Limits(files=2),
        keys=Path("keys.json"),
        cors_origins=("https://a.example",),
        workers=2,
    )
    assert ServeConfig.model_validate_json(config.model_dump_json()) == config


def test_a_request_that_never_fits_is_a_mistake():
    with pytest.raises(ValidationError, match="never fits a queue of 4"):
        Limits(files=5, queue_images=4)
    with pytest.raises(ValidationError, match="never fits a memory"):
        Limits(body_bytes=5000, memory_bytes=4000)
    with pytest.raises(ValidationError, match="workers"):
        ServeConfig(workers=0)
