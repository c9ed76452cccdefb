"""Settings by dotted path."""

import pytest

from cinemae.compare.errors import CompareError
from cinemae.compare.settings import changed, with_settings
from cinemae.fusion.config import FitConfig, TrainConfig
from cinemae.masks import RandomMasks


def test_a_path_changes_one_setting_and_nothing_else():
    config = with_settings(TrainConfig(), {"fit.branches.local.hidden": 4, "scales.fine.crops": 4})
    assert config.fit.branches["local"].hidden == 4
    assert config.scales["fine"].crops == 4
    assert changed(config, TrainConfig()) == {"fit.branches.local.hidden": 4, "scales.fine.crops": 4}


def test_what_is_given_replaces_all_that_lies_there():
    start = with_settings(TrainConfig(), {"fit.members": 2})
    assert with_settings(start, {"fit.rate": 0.01}).fit.members == 2
    assert with_settings(start, {"fit": {"rate": 0.01}}).fit == FitConfig(rate=0.01)
    one = with_settings(start, {"fit.branches": {"all": {"groups": ["error", "global"]}}})
    assert list(one.fit.branches) == ["all"]
    more = with_settings(start, {"fit.branches.extra": {"groups": ["error"]}})
    assert list(more.fit.branches) == ["error", "local", "global", "extra"]


def test_nothing_takes_a_part_out():
    octave = dict.fromkeys(("fit.branches.error", "fit.distances.octave-unusual", "fit.distances.octave-contrast"))
    config = with_settings(TrainConfig(), octave | {"scales.half": None, "backbones.half": None})
    assert list(config.fit.branches) == ["local", "global"]
    assert list(config.scales) == list(config.backbones) == ["semantic", "fine"]
    with pytest.raises(CompareError, match=r"scales\.half = null: fit\.differences\.octave is of fine and half"):
        with_settings(TrainConfig(), {"scales.half": None})
    assert with_settings(TrainConfig(), {"fit.branches.error.scales": None}) == TrainConfig()  # all scales, there


def test_what_is_given_is_left_as_it_is():
    settings = {"fit": {"members": 3}, "fit.members": 2}
    assert with_settings(TrainConfig(), settings).fit.members == 2
    assert settings == {"fit": {"members": 3}, "fit.members": 2}


def test_another_kind_of_mask_is_set_as_a_whole():
    masks = {"kind": "random", "ratio": 0.5, "passes": 4}
    config = with_settings(TrainConfig(), {"scales.semantic.masks": masks})
    assert config.scales["semantic"].masks == RandomMasks(ratio=0.5, passes=4)
    assert changed(config, TrainConfig()) == {"scales.semantic.masks": masks}


def test_the_likelihood_is_a_setting():
    assert with_settings(TrainConfig(), {"family": "laplace"}).family == "laplace"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fit.branchs.local.hidden": 4}, r"fit\.branchs\.local\.hidden: no setting fit\.branchs; there are branches"),
        ({"pseudo_fake": True}, r"pseudo_fake = true: pseudo_fake: Extra inputs"),
        ({"fit.members": 0}, r"fit\.members = 0: fit\.members: .*greater than or equal to 1"),
        ({"fit.members": 2, "family": "cauchy"}, r"^family = cauchy: "),
        ({"fit.members.x": 1}, r"fit\.members\.x: fit\.members has no parts"),
        ({"scales.tiny": None}, r"scales\.tiny: there is none to take out; there are semantic, fine, half"),
        ({"": 1}, r"Extra inputs"),
        ({"augmentations": "many"}, r"augmentations = many: "),
        ({"scales.semantic.masks.ratio": 0.5}, r"scales\.semantic\.masks\.ratio = 0\.5: .*Extra inputs"),
    ],
)
def test_what_is_wrong_is_named(settings, message):
    with pytest.raises(CompareError, match=message):
        with_settings(TrainConfig(), settings)
