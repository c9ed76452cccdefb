"""The ViT masked autoencoder: what a mask means, and stored outputs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.frozen import sincos_positions
from cinemae.mae.vit import Attention, ViTMAE, patchify, visible_index
from references import random_batch, set_waves

SETTINGS = {
    "image_size": 16,
    "patch_size": 4,
    "width": 16,
    "depth": 3,
    "heads": 2,
    "mlp_width": 32,
    "decoder_width": 8,
    "decoder_depth": 2,
    "decoder_heads": 2,
    "decoder_mlp_width": 16,
}


@pytest.fixture(scope="module")
def mae() -> ViTMAE:
    model = ViTMAE(ViTMAEConfig(**SETTINGS)).eval().requires_grad_(False)
    set_waves(model)
    return model


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor]:
    return random_batch(3, 16, (4, 4))


def test_patchify_orders_rows_columns_colours() -> None:
    images = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    patches = patchify(images, 2)
    assert patches.shape == (2, 6, 12)
    expected = [images[1, colour, row, column] for row in (2, 3) for column in (4, 5) for colour in range(3)]
    assert patches[1, 5].tolist() == [int(value) for value in expected]


def test_positions_are_zero_for_the_class_token_and_distinct() -> None:
    table = torch.from_numpy(sincos_positions(16, (4, 6)))
    assert table.shape == (25, 16)
    assert not table[0].any()
    assert len(table.unique(dim=0)) == 25
    # The first half follows the column, the second the row.
    assert torch.equal(table[1, :8], table[7, :8])
    assert torch.equal(table[1, 8:], table[2, 8:])
    assert not torch.equal(table[1, 8:], table[7, 8:])


def test_visible_index_is_in_image_order() -> None:
    hidden = torch.tensor([[True, False, True, False, False], [False, True, False, True, False]])
    assert visible_index(hidden).tolist() == [[1, 3, 4], [0, 2, 4]]


def test_unequal_masks_are_refused(mae: ViTMAE, batch: tuple[Tensor, Tensor]) -> None:
    images, hidden = batch
    hidden = hidden.clone()
    hidden[1, hidden[1].nonzero()[0]] = False
    with pytest.raises(ValueError, match="same number"):
        mae(images, hidden)


def test_hidden_patches_are_never_seen(mae: ViTMAE, batch: tuple[Tensor, Tensor]) -> None:
    images, hidden = batch
    covered = hidden.reshape(3, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    other = torch.where(covered, 100 * torch.randn(images.shape, generator=torch.manual_seed(0)), images)
    assert torch.equal(mae(images, hidden), mae(other, hidden))
    seen = torch.where(covered, images, images + 1)
    assert not torch.allclose(mae(images, hidden), mae(seen, hidden), atol=1e-3)


def test_a_batch_equals_its_images(mae: ViTMAE, batch: tuple[Tensor, Tensor]) -> None:
    images, hidden = batch
    together = mae(images, hidden)
    apart = torch.cat([mae(images[i : i + 1], hidden[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, apart, atol=1e-6, rtol=0)


def test_no_mask_equals_nothing_hidden(mae: ViTMAE, batch: tuple[Tensor, Tensor]) -> None:
    tokens = mae.embed(batch[0])
    nothing = torch.zeros(3, 16, dtype=torch.bool)
    assert torch.equal(mae.encode(tokens)[-1], mae.encode(tokens, nothing)[-1])


def test_the_encoder_does_not_care_for_the_order_of_its_tokens(mae: ViTMAE, batch: tuple[Tensor, Tensor]) -> None:
    tokens = mae.embed(batch[0])
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    straight, shuffled = mae.encode(tokens)[-1], mae.encode(tokens[:, order])[-1]
    torch.testing.assert_close(shuffled[:, 1:], straight[:, 1:][:, order], atol=1e-6, rtol=0)
    torch.testing.assert_close(shuffled[:, 0], straight[:, 0], atol=1e-6, rtol=0)


def test_middle_layers_are_the_blocks_outputs(mae: ViTMAE, batch: tuple[Tensor, Tensor]) -> None:
    tokens = mae.embed(batch[0])
    outputs = mae.encode(tokens, None, layers=(1, 3))
    assert len(outputs) == 3
    assert torch.equal(mae.norm(outputs[1]), outputs[2])
    first = torch.cat([(mae.cls_token + mae.pos_embed[:, :1]).expand(3, -1, -1), tokens], dim=1)
    assert torch.equal(outputs[0], mae.blocks[0](first))


def test_layer_0_is_what_enters_the_first_block(batch: tuple[Tensor, Tensor]) -> None:
    for pre_norm in (False, True):
        model = ViTMAE(ViTMAEConfig(**SETTINGS, pre_norm=pre_norm)).eval().requires_grad_(False)
        set_waves(model)
        tokens = model.embed(batch[0])
        entering, first, *_ = model.encode(tokens, None, layers=(0, 1))
        plain = torch.cat([(model.cls_token + model.pos_embed[:, :1]).expand(3, -1, -1), tokens], dim=1)
        assert torch.equal(entering, model.pre_norm(plain) if pre_norm else plain)
        assert torch.equal(first, model.blocks[0](entering))


@pytest.mark.parametrize("taps", [(), (0,), (1, 3), (0, 1, 2, 3)])
def test_the_latent_is_the_tapped_blocks_side_by_side(batch: tuple[Tensor, Tensor], taps: tuple[int, ...]) -> None:
    model = ViTMAE(ViTMAEConfig(**SETTINGS, taps=taps)).eval().requires_grad_(False)
    set_waves(model)
    images, hidden = batch
    tokens = model.embed(images)
    outputs = model.encode(tokens, hidden, taps)
    latent = model.latent(tokens, hidden)
    assert latent.shape == (3, 5, model.config.tapped_width)
    assert torch.equal(latent, torch.cat(outputs[:-1], dim=-1) if taps else outputs[-1])
    assert torch.equal(model(images, hidden), model.decode(latent, hidden))


def test_quick_gelu_is_the_encoder_s_alone() -> None:
    model = ViTMAE(ViTMAEConfig(**SETTINGS, activation="quick_gelu"))
    assert {block.quick for block in model.blocks} == {True}
    assert {block.quick for block in model.decoder_blocks} == {False}


def test_an_encoder_alone_has_no_decoder_to_initialise() -> None:
    model = ViTMAE(ViTMAEConfig(**SETTINGS | {"decoder_depth": 0}))
    model.initialise(torch.Generator().manual_seed(5))
    assert model.cls_token.std() > 0
    assert not any("decoder" in name or "mask" in name for name in model.state_dict())


def test_attention_is_the_same_for_training_and_scoring() -> None:
    attention = Attention(16, 4)
    x = torch.randn(2, 7, 16, generator=torch.manual_seed(2))
    with torch.no_grad():
        fused = attention(x)
    torch.testing.assert_close(attention(x), fused, atol=1e-6, rtol=0)


def test_logistic_output_doubles_the_last_axis(batch: tuple[Tensor, Tensor]) -> None:
    model = ViTMAE(ViTMAEConfig(**SETTINGS, output="logistic"))
    assert model(*batch).shape == (3, 16, 96)


def test_initialise_depends_on_the_generator_alone() -> None:
    models = []
    for _ in range(2):
        models.append(ViTMAE(ViTMAEConfig(**SETTINGS)))
        models[-1].initialise(torch.Generator().manual_seed(5))
        torch.rand(3)
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["cls_token"].std() == pytest.approx(0.02, rel=0.5)
    assert not first["blocks.0.fc1.bias"].any()


def test_golden_values(mae: ViTMAE) -> None:
    images = torch.sin(torch.arange(2 * 3 * 16 * 16).float()).reshape(2, 3, 16, 16)
    hidden = (torch.arange(16)[None] + torch.tensor([[0], [1]])) % 4 != 0
    latent = mae.encode(mae.embed(images), hidden)[-1]
    torch.testing.assert_close(latent[1, :3, :3], torch.tensor(GOLDEN_LATENT), atol=1e-4, rtol=0)
    torch.testing.assert_close(mae(images, hidden)[1, 5:8, :3], torch.tensor(GOLDEN_OUTPUT), atol=1e-4, rtol=0)


GOLDEN_LATENT = [[1.37882, -1.05126, -1.09826], [-0.8467, -0.91888, -0.81124], [0.04466, -1.00056, -1.26396]]
GOLDEN_OUTPUT = [[-0.64803, 1.38565, -1.84397], [-0.55951, 1.00681, -2.11072], [-2.14493, 1.39513, 0.58437]]
