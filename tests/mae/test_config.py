"""Configurations: what is refused, and how the two kinds are told apart."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cinemae.mae.config import ARCHITECTURES, ConvMAEConfig, ViTMAEConfig, parse_config


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_size": 225}, "not a multiple"),
        ({"heads": 7}, "heads"),
        ({"width": 30, "heads": 2}, "multiple of 4"),
        ({"decoder_width": 510}, "multiple of 4"),
        ({"output": "logistic", "target": "patch_norm"}, "raw pixels"),
        ({"target": "normalised"}, "patch_norm"),
        ({"hidden_size": 768}, "Extra inputs"),
        ({"depth": 0}, "greater than or equal to 1"),
        ({"decoder_depth": -1}, "greater than or equal to 0"),
        ({"activation": "relu"}, "quick_gelu"),
        ({"taps": (13,)}, "taps must be rising numbers from 0 to the depth, 12; got"),
        ({"taps": (-1, 4)}, "taps must be rising"),
        ({"taps": (4, 2)}, "taps must be rising"),
        ({"taps": (4, 4)}, "taps must be rising"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ViTMAEConfig(**changes)


def test_derived_numbers() -> None:
    config = ViTMAEConfig(image_size=32, patch_size=4)
    assert config.grid == (8, 8)
    assert config.outputs == 48
    assert config.model_copy(update={"output": "logistic"}).outputs == 96


def test_an_encoder_may_stand_alone_and_be_tapped() -> None:
    assert ViTMAEConfig().has_decoder
    assert not ViTMAEConfig(decoder_depth=0).has_decoder
    assert ViTMAEConfig(width=24, heads=2).tapped_width == 24
    assert ViTMAEConfig(width=24, heads=2, taps=(0, 4, 12)).tapped_width == 72


def test_parse_tells_the_kinds_apart() -> None:
    assert parse_config({"kind": "conv", "width": 16}) == ConvMAEConfig(width=16)
    assert parse_config({"kind": "vit", "depth": 2}) == ViTMAEConfig(depth=2)
    with pytest.raises(ValidationError):
        parse_config({"kind": "swin"})


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_architectures_survive_json(name: str) -> None:
    config = ARCHITECTURES[name]
    assert parse_config(config.model_dump(mode="json")) == config


def test_configurations_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ViTMAEConfig().depth = 3  # type: ignore[misc]
