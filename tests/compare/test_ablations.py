"""Ablations become methods."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cinemae.compare.ablations import Ablations
from cinemae.compare.errors import CompareError


def test_one_axis_at_a_time():
    axes = {"augment.equalise": [True, False], "fit.folds": [3, 5]}
    assert Ablations(base="fused", axes=axes).expand() == {
        "fused augment.equalise=true": {"augment.equalise": True},
        "fused augment.equalise=false": {"augment.equalise": False},
        "fused fit.folds=3": {"fit.folds": 3},
        "fused fit.folds=5": {"fit.folds": 5},
    }


def test_a_grid_has_every_combination():
    found = Ablations(base="b", axes={"a": [1, 2], "c": ["x", "y"]}, grid=True).expand()
    assert list(found) == ["b a=1 c=x", "b a=1 c=y", "b a=2 c=x", "b a=2 c=y"]
    assert found["b a=2 c=x"] == {"a": 2, "c": "x"}
    assert Ablations(base="b", grid=True).expand() == {}


@given(sizes=st.lists(st.integers(1, 4), max_size=4), grid=st.booleans())
def test_the_number_of_methods(sizes, grid):
    axes = {f"axis{number}": list(range(size)) for number, size in enumerate(sizes)}
    product = 1
    for size in sizes:
        product *= size
    wanted = (product if sizes else 0) if grid else sum(sizes)
    assert len(Ablations(base="b", axes=axes, grid=grid).expand()) == wanted


def test_values_that_are_not_plain_have_names_and_variants_their_own():
    masks = {"kind": "random", "ratio": 0.5}
    found = Ablations(
        base="fused",
        axes={"scales.semantic.masks": {"half": masks}},
        variants={"plain": {"fit.balance": 0.0, "augment.equalise": False}},
    ).expand()
    assert found == {
        "fused scales.semantic.masks=half": {"scales.semantic.masks": masks},
        "plain": {"fit.balance": 0.0, "augment.equalise": False},
    }


@pytest.mark.parametrize(
    ("axes", "message"), [({"a.b": []}, "a.b: no values"), ({"a.b": [{"x": 1}]}, "a.b: values that are not plain")]
)
def test_bad_axes_are_named(axes, message):
    with pytest.raises(ValidationError, match=message):
        Ablations(base="b", axes=axes)


def test_two_methods_of_one_name_are_refused():
    with pytest.raises(CompareError, match="'b a=1'"):
        Ablations(base="b", axes={"a": [1]}, variants={"b a=1": {}}).expand()
