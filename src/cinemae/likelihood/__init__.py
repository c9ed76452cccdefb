"""Conditional likelihood of hidden patches: distributions, noise model, combination of passes."""

from cinemae.likelihood.conditional import ConditionalLikelihood, PassPredictions, combine
from cinemae.likelihood.distributions import FAMILIES, Family
from cinemae.likelihood.noise import NoiseModel

__all__ = ["FAMILIES", "ConditionalLikelihood", "Family", "NoiseModel", "PassPredictions", "combine"]
