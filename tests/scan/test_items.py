from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinemae.naming import printable
from cinemae.scan.items import Item, ItemError, ListingError, MissingItemError, UniqueIds, sample


def items(count: int) -> list[Item]:
    return [Item(id=f"{n}.jpg", kind="file", place=f"/x/{n}.jpg") for n in range(count)]


def test_an_item_comes_back_from_json() -> None:
    item = Item(id="s.tar/a.jpg", kind="tar", place="s3://b/s.tar", offset=512, size=7, modified=1.5, via="0+3@/l")
    assert Item.model_validate_json(item.model_dump_json()) == item


@pytest.mark.parametrize("kind", [ItemError, MissingItemError, ListingError])
def test_an_error_keeps_its_parts_in_another_process(kind: type[ItemError]) -> None:
    error = pickle.loads(pickle.dumps(kind("a.jpg", "no such file")))
    assert (type(error), error.name, error.reason, str(error)) == (kind, "a.jpg", "no such file", "a.jpg: no such file")
    assert isinstance(error, OSError)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["a", "b", "a#2", "a#3", "a#2#2", ""]), max_size=30))
def test_ids_are_unique_and_the_first_of_a_name_keeps_it(names: list[str]) -> None:
    ids = UniqueIds()
    given_out = [ids.take(name) for name in names]
    ids.close()
    assert len(set(given_out)) == len(names)
    for name, got in zip(names, given_out, strict=True):
        assert got == name or got.startswith(f"{name}#")
    taken: set[str] = set()
    for name, got in zip(names, given_out, strict=True):
        assert got == name or name in taken  # a suffix only where the name was gone
        taken.add(got)


def test_many_of_one_name_are_numbered_in_linear_time() -> None:
    ids = UniqueIds()
    assert [ids.take("x") for _ in range(20_000)][-1] == "x#20000"
    ids.close()


def test_a_sample_has_about_its_share_and_grows_with_it() -> None:
    every = items(20_000)
    small = {item.id for item in sample(every, 0.1, seed=3)}
    large = {item.id for item in sample(every, 0.3, seed=3)}
    assert 1_850 < len(small) < 2_150  # 3.5 standard deviations
    assert small < large
    assert small != {item.id for item in sample(every, 0.1, seed=4)}
    assert [item.id for item in sample(reversed(every), 0.1, seed=3)][::-1] == [
        item.id for item in every if item.id in small
    ]
    assert list(sample(every, 1)) == every
    assert not list(sample(every, 0))


def test_a_sample_keeps_what_could_not_be_listed() -> None:
    broken = Item(id="s.tar", kind="file", place="/s.tar", reason="broken")
    assert list(sample([broken, *items(5)], 0)) == [broken]


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        sample([], fraction)


def test_a_name_that_is_no_text_can_be_written() -> None:
    assert printable("caf\udce9.jpg") == "caf\\udce9.jpg"
