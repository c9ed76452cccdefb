"""The measurer of the MAEs' features: what its keys depend on."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from cinemae.features.measurer import ExtractorConfig
from cinemae.features.spec import FeatureSpec, ScaleSpec, default_scales
from cinemae.masks import LatticeMasks
from toys import SCALES, SMALL_VIT, extractor_from, pink, save_small, small_vit


def config_of(names: dict[str, str], scales: dict[str, ScaleSpec]) -> ExtractorConfig:
    return ExtractorConfig.of(extractor_from(names, FeatureSpec(scales=scales)), names)


def test_a_scale_s_key_is_of_all_that_its_numbers_depend_on(mae_folders):
    config = config_of(mae_folders, SCALES)
    spec, fine = config.spec, SCALES["fine"]
    others = [
        config,
        config.model_copy(update={"fingerprints": config.fingerprints | {"fine": "fedcba9876543210"}}),
        config.model_copy(update={"spec": spec.model_copy(update={"family": "laplace"})}),
        config.model_copy(update={"spec": spec.model_copy(update={"version": spec.version + 1})}),
        config.model_copy(update={"precision": "bf16"}),
    ]
    for change in (
        {"size": 32}, {"crops": 1}, {"patch": 16}, {"reduce": 2}, {"masks": LatticeMasks(phases=4)}, {"masks": None},
        {"pools": ("mean",)}, {"enlarge": True},
    ):  # fmt: skip
        scales = SCALES | {"fine": fine.model_copy(update=change)}
        others.append(config.model_copy(update={"spec": spec.model_copy(update={"scales": scales})}))
    assert len({other.scale_key("fine") for other in others}) == len(others) == 13
    assert config.scale_key("semantic") != config.scale_key("fine")


def test_a_scale_s_key_is_of_nothing_else(mae_folders):
    config = config_of(mae_folders, SCALES)
    scales = {"fine": SCALES["fine"], "semantic": SCALES["semantic"].model_copy(update={"layers": (3,)})}
    same = [
        config.model_copy(update={"backbone_names": {"fine": "elsewhere", "semantic": "elsewhere"}}),
        config.model_copy(update={"fingerprints": config.fingerprints | {"semantic": "fedcba9876543210"}}),
        config.model_copy(update={"spec": config.spec.model_copy(update={"scales": scales, "names": ()})}),
    ]
    assert {other.scale_key("fine") for other in same} == {config.scale_key("fine")}


@pytest.mark.parametrize(
    ("scale", "key"),
    [("semantic", "e1ee928183cac8a4"), ("resized", "d18e43f498a1cf76"), ("native", "1039d39750e8f9ab")],
)
def test_a_scale_s_key_stays_what_it_was(scale, key):
    """What users have measured with the shipped scales is still found."""
    config = ExtractorConfig(
        backbone_names={},
        fingerprints=dict.fromkeys(default_scales(), "0123456789abcdef"),
        spec=FeatureSpec(scales=default_scales()),
    )
    assert config.parts[scale] == config.scale_key(scale) == key


def test_the_key_of_a_scale_without_masks_is_of_the_encoder_alone(tmp_path):
    """Another decoder behind the same encoder leaves what was measured where it is."""
    scale = SCALES["semantic"].model_copy(update={"masks": None})
    keys = []
    for number, update in enumerate(({}, {"decoder_depth": 2}, {"decoder_depth": 0})):
        vit = small_vit(0, SMALL_VIT.model_copy(update=update))  # its encoder is drawn first
        state = small_vit().state_dict()
        vit.load_state_dict({name: state.get(name, tensor) for name, tensor in vit.state_dict().items()}, strict=False)
        config = config_of({"semantic": save_small(tmp_path / str(number), vit)}, {"semantic": scale})
        keys.append(config.scale_key("semantic"))
    assert len(set(keys)) == 1
    other = config_of({"semantic": save_small(tmp_path / "other", small_vit(seed=1))}, {"semantic": scale})
    assert other.scale_key("semantic") != keys[0]


def test_it_measures_what_the_extractor_does_also_in_another_process(mae_folders):
    config = config_of(mae_folders, SCALES)
    measure = pickle.loads(pickle.dumps(config)).build()
    pixels = pink(1, 80)
    row = np.concatenate([measure(pixels, part) for part in config.parts])
    assert np.array_equal(row, extractor_from(mae_folders, config.spec).extract(pixels).features)
    assert (row.shape, row.dtype) == ((config.width,), config.dtype)
