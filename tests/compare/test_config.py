"""The configuration: what is checked before anything is read or measured."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cinemae.compare.config import CompareConfig, HeadMethod, SavedMethod, SetConfig, file_name, given_path
from cinemae.compare.errors import CompareError
from cinemae.fusion.config import TrainConfig


def config_of(**values: object) -> CompareConfig:
    return CompareConfig.model_validate({"methods": {"fused": {}, "old": {"kind": "saved"}}} | values)


def head(**values: object) -> dict[str, object]:
    return {"kind": "head"} | values


def test_methods_are_told_apart_by_their_kind():
    methods = {"a": head(), "b": {"kind": "saved", "model": "x"}, "c": {"kind": "spectrum", "bins": 8}}
    found = CompareConfig.model_validate({"methods": methods}).methods
    assert found["a"] == HeadMethod()
    assert found["b"] == SavedMethod(model="x")
    assert (found["c"].kind, found["c"].bins) == ("spectrum", 8)


def test_a_head_changes_the_shared_training():
    methods = {"a": head(), "b": head(train={"fit.folds": 7, "seed": 5})}
    config = CompareConfig.model_validate({"seed": 2, "train": {"augmentations": 3}, "methods": methods})
    assert config.shared_training == TrainConfig(seed=2, augmentations=3)
    found = config.training("b", config.methods["b"])
    assert (found.fit.folds, found.seed, found.augmentations) == (7, 5, 3)


def test_ablations_come_after_the_methods_and_build_on_their_base():
    methods = {"a": head(part="tokens", train={"augmentations": 2}), "b": {"kind": "spectrum"}}
    ablations = {"base": "a", "axes": {"fit.folds": [2, 3]}, "variants": {"v": {"augmentations": 4}}}
    config = CompareConfig.model_validate({"methods": methods, "ablations": ablations})
    assert list(config.expanded) == ["a", "b", "a fit.folds=2", "a fit.folds=3", "v"]
    assert config.expanded["a fit.folds=2"] == HeadMethod(part="tokens", train={"augmentations": 2, "fit.folds": 2})
    assert config.expanded["v"].train == {"augmentations": 4}
    only = CompareConfig.model_validate({"methods": methods, "ablations": ablations, "only": ["v", "a"]})
    assert list(only.expanded) == ["a", "v"]


def test_a_published_table_by_its_name():
    assert CompareConfig.model_validate({"methods": {"a": head()}, "published": "genimage"}).published.point == "half"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"methods": {}}, "at least 1 item"),
        ({"methods": {"a": {"kind": "forest"}}}, "forest"),
        ({"methods": {"a": head(trian={})}}, "trian"),
        (
            {"methods": {"a": head(part="colour")}},
            "methods.a: no part named colour; the configuration has tokens, likelihood",
        ),
        ({"methods": {"a": head(train={"fit.fold": 1})}}, r"methods\.a: fit\.fold = 1: fit\.fold: Extra"),
        (
            {"methods": {"a": head(), "ablated": {"kind": "saved"}}, "ablations": {"base": "ablated"}},
            "no method of kind",
        ),
        ({"methods": {"a": head()}, "ablations": {"base": "b"}}, "'b' is no method of kind head"),
        ({"methods": {"a": head()}, "ablations": {"base": "a", "axes": {"fit.folds": [1]}}}, r"a fit\.folds=1: "),
        ({"methods": {"a": head()}, "ablations": {"base": "a", "axes": {"fit.x.y": [0]}}}, r"no setting fit\.x"),
        ({"methods": {"a": head()}, "ablations": {"base": "a", "variants": {"a": {}}}}, "'a' already"),
        ({"methods": {"a b": head(), "a_b": head()}}, "'a b' and 'a_b' would share a file"),
        ({"methods": {"A": head(), "a": head()}}, "would share a file"),
        ({"methods": {"../..": head()}}, "can't name files"),
        ({"methods": {"a": head()}, "only": ["b"]}, "no method is called 'b'; there are a"),
        ({"methods": {"a": head()}, "train": {"augment.jpg": 1}}, r"train\.augment\.jpg = 1"),
        ({"methods": {"a": head()}, "protocols": ["raw", "raw"]}, "given twice"),
        ({"methods": {"a": head()}, "protocols": ["sepia"]}, "sepia|raw"),
        ({"methods": {"a": head()}, "published": "imagenet"}, "'imagenet'; there are genimage"),
        ({"methods": {"a": head()}, "published": {"table": "genimage", "methods": ["b"]}}, "'b'"),
        ({"methods": {"a": head()}, "published": "genimage", "protocols": ["format"]}, "raw is none of the protocols"),
        ({"methods": {"a": head()}, "sed": 1}, "sed"),
    ],
)
def test_what_is_wrong_is_named(values, message):
    with pytest.raises(ValidationError, match=message):
        CompareConfig.model_validate(values)


def test_file_names():
    assert file_name("fused fit.parts.tokens.axes=4") == "fused_fit.parts.tokens.axes=4"
    assert file_name("fused, plain") == "fused,_plain"
    assert file_name("../evil/..") == "evil"
    assert file_name("ä b") == "b"
    for bad in ("", "..", "ü", "x" * 151):
        with pytest.raises(CompareError, match="can't name files"):
            file_name(bad)


def test_a_missing_path_says_how_to_give_it():
    with pytest.raises(CompareError, match=r"data\.test\.path is not given; say --test PATH"):
        given_path(SetConfig(), "data.test", "--test")
