"""The feature specification: what travels with a head, and what is refused."""

import pytest
from pydantic import ValidationError

from cinemae.features.spec import SPEC_VERSION, FeatureSpec, ScaleSpec, SpecMismatchError, default_scales
from cinemae.masks import BlockMasks, LatticeMasks, PartitionMasks

NAMES = (
    "semantic.likelihood.nll.mean",
    "semantic.error.absolute.mean",
    "semantic.global.last.cls.0",
    "fine.likelihood.nll.mean",
    "fine.residual.z.red.mean",
    "fine.global.0.mean.0",
)
FINE = ScaleSpec(view="native", size=64, crops=2, patch=8, masks=LatticeMasks(phases=2))
SCALES = default_scales() | {"fine": FINE}
SPEC = FeatureSpec(scales=SCALES, names=NAMES)


def test_the_same_spec_is_accepted():
    SPEC.require(FeatureSpec.model_validate_json(SPEC.model_dump_json()))


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"version": SPEC_VERSION + 1}, rf"version = {SPEC_VERSION}, the features have {SPEC_VERSION + 1}"),
        ({"family": "laplace"}, r"family = logistic, the features have laplace"),
        ({"scales": {"fine": FINE}}, r"scales = .*semantic.*the features have \{'fine'"),
        ({"names": NAMES[:-1]}, r"on 6 features, given are 5; they differ from number 5 on"),
        ({"names": (*NAMES, "more")}, r"on 6 features, given are 7; they differ from number 6 on"),
        ({"names": (NAMES[1], NAMES[0], *NAMES[2:])}, r"given are 6; they differ from number 0 on"),
    ],
)
def test_what_differs_is_named(update, message):
    with pytest.raises(SpecMismatchError, match=message):
        SPEC.require(SPEC.model_copy(update=update))


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("size", 128), ("crops", 3), ("patch", 4), ("masks", LatticeMasks(phases=4)), ("masks", None), ("reduce", 2),
        ("enlarge", True), ("pools", ("mean", "std")), ("layers", (1,)),
    ],
)  # fmt: skip
def test_any_setting_of_a_scale_counts(field, other):
    scales = SCALES | {"fine": FINE.model_copy(update={field: other})}
    with pytest.raises(SpecMismatchError, match="scales"):
        SPEC.require(FeatureSpec(scales=scales, names=NAMES))


def test_select_gives_positions_by_scale_and_group():
    assert SPEC.select(("semantic", "fine"), ("likelihood", "error", "residual")) == [0, 1, 3, 4]
    assert SPEC.select(("semantic",), ("likelihood", "error")) == [0, 1]
    assert SPEC.select(("fine", "semantic"), ("global",)) == [2, 5]
    assert SPEC.select(("coarse",), ("global",)) == []


def test_select_takes_whole_words_only():
    odd = FeatureSpec(scales={}, names=("fine.globality.x", "finer.global.x", "fine.global.x"))
    assert odd.select(("fine",), ("global",)) == [2]


def test_json_round_trip_keeps_the_mask_schemes():
    scales = SCALES | {"blocks": ScaleSpec(view="resized", size=224, patch=16, masks=BlockMasks(size=7))}
    spec = FeatureSpec(scales=scales, names=NAMES, family="gaussian")
    back = FeatureSpec.model_validate_json(spec.model_dump_json())
    assert back == spec
    assert list(back.scales) == list(spec.scales)
    assert [type(scale.masks) for scale in back.scales.values()] == [type(scale.masks) for scale in scales.values()]
    assert {type(scale.masks) for scale in back.scales.values()} == {
        PartitionMasks, LatticeMasks, BlockMasks, type(None),
    }  # fmt: skip


@pytest.mark.parametrize("layers", [(6, 4), (4, 4), (0,)])
def test_layers_must_rise(layers):
    with pytest.raises(ValidationError, match="layers"):
        ScaleSpec(view="resized", size=224, patch=16, masks=PartitionMasks(), layers=layers)


@pytest.mark.parametrize("pools", [(), ("max",), ("cls", "cls.mean")])
def test_pools_are_known_ones_and_at_least_one(pools):
    with pytest.raises(ValidationError, match="pools"):
        ScaleSpec(view="resized", size=224, patch=16, pools=pools)


def test_select_takes_what_holds_a_word():
    spec = FeatureSpec(scales={}, names=("s.global.4.cls.0", "s.global.4.mean.0", "s.global.last.cls.1"))
    assert spec.select(("s",), ("global",), ".cls.") == [0, 2]
    assert spec.select(("s",), ("global",), ".4.") == [0, 1]


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError, match="extra"):
        FeatureSpec.model_validate({"scales": {}, "quantiles": [0.5]})
