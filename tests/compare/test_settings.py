"""Settings by dotted path."""

import pytest

from cinemae.compare.errors import CompareError
from cinemae.compare.settings import changed, with_settings
from cinemae.fusion.config import FitConfig, TrainConfig
from cinemae.masks import RandomMasks


def test_a_path_changes_one_setting_and_nothing_else():
    config = with_settings(TrainConfig(), {"fit.parts.tokens.axes": 4, "scales.native.crops": 4})
    assert config.fit.parts["tokens"].axes == 4
    assert config.scales["native"].crops == 4
    assert changed(config, TrainConfig()) == {"fit.parts.tokens.axes": 4, "scales.native.crops": 4}


def test_what_is_given_replaces_all_that_lies_there():
    start = with_settings(TrainConfig(), {"fit.folds": 2})
    assert with_settings(start, {"fit.clip": 3.0}).fit.folds == 2
    assert with_settings(start, {"fit": {"clip": 3.0}}).fit == FitConfig(clip=3.0)
    one = with_settings(start, {"fit.parts": {"all": {"groups": ["error", "global"]}}})
    assert list(one.fit.parts) == ["all"]
    more = with_settings(start, {"fit.parts.extra": {"groups": ["error"]}})
    assert list(more.fit.parts) == ["tokens", "likelihood", "extra"]


def test_nothing_takes_a_part_out():
    without = {"fit.parts.likelihood": None, "scales.semantic": None, "backbones.semantic": None}
    config = with_settings(TrainConfig(), without)
    assert list(config.fit.parts) == ["tokens"]
    assert list(config.scales) == list(config.backbones) == ["resized", "native"]
    with pytest.raises(CompareError, match=r"scales\.semantic = null: fit\.parts\.likelihood reads the scale semantic"):
        with_settings(TrainConfig(), {"scales.semantic": None})
    everywhere = with_settings(TrainConfig(), {"fit.parts.tokens.scales": None})  # there it means all scales
    assert everywhere.fit.parts["tokens"].scales is None
    named = with_settings(TrainConfig(), {"families.gan": ["biggan"]})
    assert with_settings(named, {"families.gan": None}) == TrainConfig()


def test_what_is_given_is_left_as_it_is():
    settings = {"fit": {"folds": 3}, "fit.folds": 2}
    assert with_settings(TrainConfig(), settings).fit.folds == 2
    assert settings == {"fit": {"folds": 3}, "fit.folds": 2}


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
        ({"fit.prats.tokens.axes": 4}, r"fit\.prats\.tokens\.axes: no setting fit\.prats; there are parts, folds"),
        ({"pseudo_fakes": True}, r"pseudo_fakes = true: pseudo_fakes: Extra inputs"),
        ({"fit.folds": 1}, r"fit\.folds = 1: fit\.folds: .*greater than or equal to 2"),
        ({"fit.folds": 2, "family": "cauchy"}, r"^family = cauchy: "),
        ({"fit.folds.x": 1}, r"fit\.folds\.x: fit\.folds has no parts"),
        ({"fit.parts": {}}, r"fit\.parts = \{\}: fit\.parts: .*at least 1 item"),
        ({"scales.tiny": None}, r"scales\.tiny: there is none to take out; there are semantic, resized, native"),
        ({"": 1}, r"Extra inputs"),
        ({"augmentations": "many"}, r"augmentations = many: "),
        ({"scales.semantic.masks.ratio": 0.5}, r"scales\.semantic\.masks\.ratio = 0\.5: .*Extra inputs"),
    ],
)
def test_what_is_wrong_is_named(settings, message):
    with pytest.raises(CompareError, match=message):
        with_settings(TrainConfig(), settings)
