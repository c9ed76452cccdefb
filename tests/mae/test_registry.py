"""The registry says only what holds."""

from __future__ import annotations

import re

import pytest
import torch

from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.errors import CheckpointError
from cinemae.mae.modules import build
from cinemae.mae.registry import KNOWN, KnownCheckpoint, find, find_hash, lookup

DECODER = ("decoder", "mask_token")


@pytest.mark.parametrize("record", KNOWN, ids=lambda record: record.name)
def test_records_agree_with_the_networks(record: KnownCheckpoint) -> None:
    with torch.device("meta"):
        mae = build(record.config)
    counted = sum(
        parameter.numel()
        for name, parameter in mae.named_parameters()
        if not (record.encoder_only and name.startswith(DECODER))
    )
    assert record.parameters == counted
    if isinstance(record.config, ViTMAEConfig):
        assert (record.image_size, record.patch_size) == (record.config.image_size, record.config.patch_size)
        assert (record.pixel_mean, record.pixel_std) == (record.config.pixel_mean, record.config.pixel_std)
        if not record.encoder_only and record.config.has_decoder:
            assert record.output == record.config.output


@pytest.mark.parametrize("record", KNOWN, ids=lambda record: record.name)
def test_records_are_complete(record: KnownCheckpoint) -> None:
    no_decoder = record.encoder_only or not getattr(record.config, "has_decoder", True)
    assert (record.target is None) == (record.output is None) == no_decoder
    assert record.revision is None or re.fullmatch("[0-9a-f]{40}", record.revision)
    assert record.licence
    assert record.licence_note
    assert record.source == "shipped" or record.url


def test_names_are_unique() -> None:
    assert len({record.name for record in KNOWN}) == len(KNOWN)


def test_an_encoder_only_file_names_one_that_works() -> None:
    refused = [record for record in KNOWN if record.encoder_only]
    assert {record.architecture for record in refused} == {"vit-base", "vit-large", "vit-huge"}
    for record in refused:
        assert record.instead is not None
        other = lookup(record.instead)
        assert not other.encoder_only
        assert other.architecture == record.architecture


def test_meta_files_differ_in_their_target() -> None:
    assert lookup("mae_visualize_vit_large.pth").target == "raw"
    assert lookup("mae_pretrain_vit_large_full.pth").target == "patch_norm"


def test_both_sides_of_the_licence_conflict_are_stated() -> None:
    for size in ("base", "large", "huge"):
        record = lookup(f"facebook/vit-mae-{size}")
        assert record.restricted
        assert "Apache-2.0" in record.licence_note
        assert "CC BY-NC 4.0" in record.licence_note
    assert not lookup("cinemae/vit-tiny").restricted


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("facebook/vit-mae-bse", "did you mean facebook/vit-mae-base"),
        ("vit-tiny", "did you mean cinemae/vit-tiny"),
        ("mae_visualise_vit_huge.pth", "did you mean mae_visualize_vit_huge.pth"),
        ("zzz", "cinemae models"),
    ],
)
def test_lookup_suggests_the_nearest_name(name: str, hint: str) -> None:
    assert find(name) is None
    with pytest.raises(CheckpointError, match=re.escape(hint)):
        lookup(name)


def test_find_hash() -> None:
    record = lookup("facebook/vit-mae-base")
    assert record.sha256 is not None
    assert find_hash(record.sha256) is record
    assert find_hash("0" * 64) is None
