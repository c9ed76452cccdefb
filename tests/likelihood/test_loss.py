"""The differentiable loss is the same formula, and its gradient can always be used."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cinemae.likelihood import distributions
from cinemae.likelihood.loss import logistic_nll


def test_equals_the_scoring_formula() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, 5000).astype(np.float32)
    values[:500], values[500:1000] = 0, 255
    mean = rng.uniform(-30, 285, 5000).astype(np.float32)
    log_scale = rng.uniform(np.log(0.1), np.log(128), 5000).astype(np.float32)
    loss = logistic_nll(*map(torch.from_numpy, (values, mean, log_scale)))
    scored = distributions.logistic_nll(values, mean, np.exp(log_scale))
    np.testing.assert_allclose(loss.numpy(), scored, rtol=2e-5, atol=2e-5)


def test_scales_outside_the_range_count_as_its_ends() -> None:
    values, mean = torch.tensor([10.0, 200.0]), torch.tensor([12.0, 90.0])
    for outside, end in ((-9.0, distributions.MIN_SCALE), (9.0, distributions.MAX_SCALE)):
        got = logistic_nll(values, mean, torch.full((2,), outside))
        expected = distributions.logistic_nll(values.numpy(), mean.numpy(), np.float32(end))
        np.testing.assert_allclose(got.numpy(), expected, rtol=2e-5)


@pytest.mark.parametrize("value", [0.0, 1.0, 128.0, 254.0, 255.0])
@pytest.mark.parametrize("mean", [-1e4, 0.0, 127.3, 255.0, 1e4])
@pytest.mark.parametrize("log_scale", [-200.0, -3.0, 0.0, 4.0, 200.0])
def test_loss_and_gradient_are_finite(value: float, mean: float, log_scale: float) -> None:
    parameters = [torch.tensor([number], requires_grad=True) for number in (mean, log_scale)]
    loss = logistic_nll(torch.tensor([value]), *parameters)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in parameters if parameter.grad is not None)
    assert all(parameter.grad is not None for parameter in parameters)


def test_gradient_is_the_slope() -> None:
    values = torch.tensor([0.0, 7.0, 130.0, 255.0], dtype=torch.float64)
    mean = torch.tensor([3.0, 5.0, 160.0, 251.0], dtype=torch.float64, requires_grad=True)
    log_scale = torch.tensor([0.0, -1.0, 3.0, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, s: logistic_nll(values, m, s), (mean, log_scale))
