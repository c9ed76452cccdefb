"""The pre-training loss: NLL of a discretised logistic, differentiable (torch).

The same formula as :func:`cinemae.likelihood.distributions.logistic_nll`; a test holds them equal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cinemae.likelihood.distributions import MAX_SCALE, MIN_SCALE


def logistic_nll(values: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return -log p(value) in nats, elementwise; values, mean and exp(log_scale) in levels (0-255)."""
    # Clamped before exp: an overflowed exp behind a clamp has a gradient of 0 * inf.
    inverse = torch.exp(-log_scale.clamp(math.log(MIN_SCALE), math.log(MAX_SCALE)))
    upper = F.softplus((mean - values - 0.5) * inverse)
    lower = F.softplus((values - mean - 0.5) * inverse)
    inside = upper + lower - torch.log(-torch.expm1(-inverse))
    return torch.where(values <= 0, upper, torch.where(values >= 255, lower, inside))
