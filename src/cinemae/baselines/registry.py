"""All baselines as one type, told apart by ``kind``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from cinemae.baselines.base import Baseline
from cinemae.baselines.probe import ProbeConfig
from cinemae.baselines.residual import ResidualConfig
from cinemae.baselines.spectrum import SpectrumConfig

BaselineConfig = Annotated[SpectrumConfig | ProbeConfig | ResidualConfig, Field(discriminator="kind")]
"""A baseline's settings; a field of this type reads ``{"kind": "spectrum", ...}``."""

_adapter: TypeAdapter[Baseline] = TypeAdapter(BaselineConfig)


def parse_baseline(values: Mapping[str, Any]) -> Baseline:
    """Return the baseline that some settings describe.

    Raises:
        pydantic.ValidationError: If there is none of that kind, or it has no such setting.
    """
    return _adapter.validate_python(dict(values))
