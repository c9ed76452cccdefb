"""Baselines: simple detectors that ours must beat, each a configuration that measures, fits and is saved."""

from cinemae.baselines.base import Baseline, BaselineError, Scorer, ScorerConfig
from cinemae.baselines.probe import ProbeConfig
from cinemae.baselines.registry import BaselineConfig, parse_baseline
from cinemae.baselines.residual import ResidualConfig
from cinemae.baselines.spectrum import SpectrumConfig

__all__ = [
    "Baseline",
    "BaselineConfig",
    "BaselineError",
    "ProbeConfig",
    "ResidualConfig",
    "Scorer",
    "ScorerConfig",
    "SpectrumConfig",
    "parse_baseline",
]
