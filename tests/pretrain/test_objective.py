"""What a training step sees, and that it minimises what the scores are made of."""

import numpy as np
import pytest
import torch

from cinemae.likelihood import combine
from cinemae.likelihood.conditional import BITS
from cinemae.mae.config import ConvMAEConfig
from cinemae.mae.modules import to_frozen
from cinemae.mae.torch_runtime import TorchRuntime
from cinemae.masks import LatticeMasks
from cinemae.pretrain.config import PretrainConfig, TileConfig
from cinemae.pretrain.objective import draw_batch, masked_nll
from toys import SMALL_VIT, pink, small_conv, small_vit

TILES = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), dtype=np.uint8)
TILE = TileConfig(size=40, count=5, native=1.0)
CONV = PretrainConfig(architecture="conv-fine", tiles=TILE, crop=32, batch=6, groups=2, steps=1, precision="f32")


def test_batches_are_crops_and_the_same_for_the_same_step():
    images, _ = draw_batch(TILES, CONV, ConvMAEConfig(), 3)
    again, _ = draw_batch(TILES, CONV, ConvMAEConfig(), 3)
    other, _ = draw_batch(TILES, CONV, ConvMAEConfig(), 4)
    assert (images.shape, images.dtype) == ((6, 3, 32, 32), torch.uint8)
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    windows = np.lib.stride_tricks.sliding_window_view(TILES, (32, 32), axis=(1, 2)).reshape(-1, 3, 32, 32)
    for image in images.numpy():
        found = (windows == image).all((1, 2, 3)).any() or (windows == image[..., ::-1]).all((1, 2, 3)).any()
        assert found, "a crop of a tile, mirrored or not"


def test_conv_masks_are_lattice_phases():
    _, hidden = draw_batch(TILES, CONV, ConvMAEConfig(), 0)
    phases = torch.from_numpy(LatticeMasks(phases=2).hidden((32, 32)))
    assert hidden.shape == (6, 1, 32, 32)
    assert all(any(torch.equal(mask[0], phase) for phase in phases) for mask in hidden)
    four = CONV.model_copy(update={"groups": 4})
    assert draw_batch(TILES, four, ConvMAEConfig(), 0)[1].float().mean() == 0.25
    with pytest.raises(ValueError, match="phases"):
        draw_batch(TILES, CONV.model_copy(update={"groups": 3}), ConvMAEConfig(), 0)


def test_vit_masks_hide_three_quarters():
    config = CONV.model_copy(update={"groups": 4, "crop": 32, "batch": 200})
    shape = SMALL_VIT.model_copy(update={"image_size": 32, "patch_size": 4})
    _, hidden = draw_batch(TILES, config, shape, 0)
    assert hidden.shape == (200, 64)
    assert (hidden.sum(1) == 48).all()
    assert len({tuple(row.tolist()) for row in hidden}) == 200
    assert hidden.float().mean(0).min() > 0.6  # no patch is favoured


def test_conv_loss_is_the_score_of_the_hidden_pixels():
    """The training loss in bits equals the detector's NLL of the same pixels under the same mask."""
    mae, view = small_conv(), pink(3, 32)
    hidden = LatticeMasks(phases=2).hidden((32, 32))
    likelihood = combine(view, TorchRuntime(to_frozen(mae)).view(view, hidden).passes, hidden, patch=1)
    levels = torch.from_numpy(view).permute(2, 0, 1)[None]
    for phase in hidden:
        loss = float(masked_nll(mae, levels, torch.from_numpy(phase)[None, None])) * BITS
        assert loss == pytest.approx(likelihood.nll[phase].mean(), abs=2e-4)


def test_vit_loss_is_the_score_of_the_hidden_patches():
    """The same for the ViT, over the third of the hidden patches that the loss takes."""
    shape = SMALL_VIT.model_copy(update={"image_size": 64})
    mae, view = small_vit(0, shape), pink(4, 64)
    mask = np.ones((1, 4, 4), dtype=bool)
    mask[0, [0, 1, 2, 3], [1, 3, 0, 2]] = False
    runtime = TorchRuntime(to_frozen(mae))
    passes = runtime.view(view, mask).passes
    everything = combine(view, passes, np.ones_like(mask), patch=16)
    taken = np.flatnonzero(mask)[::3]
    per_patch = everything.per_patch(everything.nll).ravel()
    levels = torch.from_numpy(view).permute(2, 0, 1)[None].float()
    loss = float(masked_nll(mae, levels, torch.from_numpy(mask).flatten(1))) * BITS
    assert loss == pytest.approx(per_patch[taken].mean(), abs=2e-4)


def test_visible_patches_bring_no_loss():
    """What is hidden reaches neither encoder: changing it changes the truth only."""
    mae = small_conv()
    images, hidden = draw_batch(TILES, CONV, mae.config, 0)
    prediction = mae(images / 127.5 - 1, hidden)
    painted = torch.where(hidden, 255 - images, images)
    assert torch.equal(prediction, mae(painted / 127.5 - 1, hidden))
    assert masked_nll(mae, painted, hidden) != masked_nll(mae, images, hidden)
