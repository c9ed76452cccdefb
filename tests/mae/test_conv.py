"""The convolutional masked autoencoder of single pixels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cinemae.mae.config import ConvMAEConfig
from cinemae.mae.conv import ConvMAE, condition_on_colour, neighbour_mean
from cinemae.mae.frozen import START_LOG_SCALE
from cinemae.masks import LatticeMasks
from references import set_waves


@pytest.fixture(scope="module")
def mae() -> ConvMAE:
    model = ConvMAE(ConvMAEConfig(width=8, encoder_blocks=2, decoder_blocks=1)).eval().requires_grad_(False)
    set_waves(model)
    return model


def images_of(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def lattice(count: int, height: int, width: int, phases: int = 2) -> Tensor:
    masks = torch.from_numpy(LatticeMasks(phases=phases).hidden((height, width)))
    return masks[torch.arange(count) % phases][:, None]


@pytest.mark.parametrize("phases", [2, 4])
def test_hidden_pixels_are_never_seen(mae: ConvMAE, phases: int) -> None:
    images, hidden = images_of(2, 12, 16), lattice(2, 12, 16, phases)
    other = torch.where(hidden, images_of(2, 12, 16, seed=1), images)
    assert torch.equal(mae(images, hidden), mae(other, hidden))
    seen = torch.where(hidden, images, images_of(2, 12, 16, seed=1))
    assert not torch.allclose(mae(images, hidden), mae(seen, hidden), atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (6, 10), (34, 32)])
def test_takes_any_even_size(mae: ConvMAE, height: int, width: int) -> None:
    out = mae(images_of(1, height, width), lattice(1, height, width))
    assert out.shape == (1, 9, height, width)
    assert torch.isfinite(out).all()


def test_a_batch_equals_its_images(mae: ConvMAE) -> None:
    images, hidden = images_of(3, 12, 12), lattice(3, 12, 12)
    apart = torch.cat([mae(images[i : i + 1], hidden[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(mae(images, hidden), apart, atol=1e-5, rtol=0)


def test_encoder_outputs_stem_and_blocks(mae: ConvMAE) -> None:
    outputs = mae.encode(images_of(1, 8, 8), lattice(1, 8, 8))
    assert [tuple(out.shape) for out in outputs] == [(1, 8, 4, 4)] * 3


def test_starts_from_the_mean_of_the_visible_neighbours() -> None:
    model = ConvMAE(ConvMAEConfig(width=8))
    model.initialise(torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(model.head.weight)
    images, hidden = images_of(1, 8, 8), lattice(1, 8, 8)
    mean, log_scale, colour = model(images, hidden).chunk(3, dim=1)
    torch.testing.assert_close(mean, neighbour_mean(images, hidden))
    assert (log_scale == START_LOG_SCALE).all()
    assert not colour.any()


def test_neighbour_mean() -> None:
    images = torch.arange(16.0).reshape(1, 1, 4, 4).expand(1, 3, 4, 4)
    hidden = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hidden[..., 1, 1] = True
    mean = neighbour_mean(images, hidden)
    assert mean[0, 0, 1, 1] == pytest.approx((0 + 1 + 2 + 4 + 6 + 8 + 9 + 10) / 8)
    assert mean[0, 0, 0, 0] == pytest.approx((0 + 1 + 4) / 3)
    assert not neighbour_mean(images, torch.ones_like(hidden)).any()


def test_colour_conditioning_uses_only_earlier_colours() -> None:
    prediction = torch.randn(2, 9, 4, 4, generator=torch.Generator().manual_seed(1))
    images = images_of(2, 4, 4)
    mean, log_scale = condition_on_colour(prediction, images)
    assert torch.equal(log_scale, prediction[:, 3:6])
    assert torch.equal(mean[:, 0], prediction[:, 0])
    for colour, changed in ((0, [False, True, True]), (1, [False, False, True]), (2, [False, False, False])):
        other = images.clone()
        other[:, colour] += 0.5
        moved = condition_on_colour(prediction, other)[0] != mean
        assert moved.amax(dim=(0, 2, 3)).tolist() == changed


def test_colour_conditioning_formula() -> None:
    prediction = torch.tensor([0.1, 0.2, 0.3, 0, 0, 0, 0.5, -1.0, 2.0]).reshape(1, 9, 1, 1)
    images = torch.tensor([0.5, 0.6, 0.7]).reshape(1, 3, 1, 1)
    mean = condition_on_colour(prediction, images)[0].flatten()
    expected = [0.1, 0.2 + 0.5 * (0.5 - 0.1), 0.3 - 1.0 * (0.5 - 0.1) + 2.0 * (0.6 - 0.2)]
    torch.testing.assert_close(mean, torch.tensor(expected))


def test_golden_values(mae: ConvMAE) -> None:
    images = torch.sin(torch.arange(2 * 3 * 8 * 8).float()).reshape(2, 3, 8, 8)
    out = mae(images, lattice(2, 8, 8))
    torch.testing.assert_close(out[1, :, 3, 4], torch.tensor(GOLDEN), atol=1e-4, rtol=0)


GOLDEN = [-0.07312, -0.08729, 0.5119, -3.48255, -3.34633, -3.07791, 0.29441, -0.14707, 0.10646]
