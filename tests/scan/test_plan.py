"""The plan: every input in one part, in a fixed order, complete or begun anew; equal contents beside each other."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest

from cinemae.scan.config import ScanError
from cinemae.scan.dedupe import equal_together
from cinemae.scan.folder import PlanState, ScanFolder, planned_path
from cinemae.scan.items import Item, ItemError
from cinemae.scan.plan import Planned, decode_planned, encode_planned, read_planned, write_plan

ITEMS = [Item(id=f"{n:03d}.png", kind="file", place=f"/x/{n:03d}.png", size=n) for n in range(45)]
ODD = Item(id="s.tar/ä", kind="tar", place="s3://b/s.tar", offset=2**40, size=3, modified=1.5, row=None)


def test_items_come_back_as_they_were():
    part = [Planned(ODD), Planned(ITEMS[1], "ab" * 32), Planned(ITEMS[2], "ab" * 32, "001.png")]
    assert list(decode_planned(encode_planned(part))) == part
    broken = Item(id="x", kind="file", place="/x", reason="can't be listed")
    table = Item(id="t#3", kind="parquet", place="/t.parquet", row=3, column="image", via="@/list.txt")
    assert [planned.item for planned in decode_planned(encode_planned([Planned(broken), Planned(table)]))] == [
        broken,
        table,
    ]


@pytest.mark.parametrize(("size", "parts"), [(20, 3), (45, 1), (15, 3), (1, 45)])
def test_cut_into_parts_without_a_rest_lost(tmp_path, size, parts):
    folder = ScanFolder(str(tmp_path))
    assert folder.plan() is None
    state = write_plan(folder, map(Planned, ITEMS), size)
    assert state == PlanState(items=45, parts=parts) == folder.plan()
    found = [planned.item for number in range(parts) for planned in read_planned(folder, number)]
    assert found == ITEMS


def test_a_source_that_fails_leaves_no_complete_plan(tmp_path):
    def items():
        yield from map(Planned, ITEMS[:30])
        raise OSError("the disk is gone")

    folder = ScanFolder(str(tmp_path))
    with pytest.raises(OSError, match="the disk is gone"):
        write_plan(folder, items(), 10)
    assert (tmp_path / planned_path(2)).exists()
    assert folder.plan() is None
    # Begun anew, a shorter list is not mixed with what is left of the first.
    assert write_plan(folder, map(Planned, ITEMS[:5]), 10) == PlanState(items=5, parts=1)


def test_a_foreign_plan_is_refused(tmp_path):
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "complete.json").write_text(json.dumps({"inputs": 3}))
    with pytest.raises(ScanError, match=r"complete\.json: not written by this cinemae"):
        ScanFolder(str(tmp_path)).plan()


def contents(item: Item) -> bytes:
    number = int(item.id[:3])
    if number % 10 == 7:
        raise ItemError(item.id, "gone")
    return b"content %d" % (number % 6)


def test_equal_contents_stand_together_in_any_order_of_the_source():
    planned = list(equal_together(ITEMS, contents))
    shuffled = random.Random(1).sample(ITEMS, len(ITEMS))
    assert list(equal_together(shuffled, contents)) == planned
    assert sorted(one.item.id for one in planned) == [item.id for item in ITEMS]
    unread = [one for one in planned if one.sha256 is None]
    assert [one.item.id for one in unread] == ["007.png", "017.png", "027.png", "037.png"]
    assert all(one.duplicate_of is None for one in unread)
    firsts: dict[str, str] = {}
    hashes = [one.sha256 for one in planned if one.sha256 is not None]
    assert hashes == sorted(hashes)
    for one in planned[len(unread) :]:
        assert one.sha256 == hashlib.sha256(contents(one.item)).hexdigest()
        assert one.duplicate_of == firsts.get(one.sha256)
        assert one.item.id > firsts.setdefault(one.sha256, one.item.id) or one.duplicate_of is None
    assert len(firsts) == 6


def test_a_folder_that_was_not_written_is_empty(tmp_path):
    folder = ScanFolder(str(tmp_path / "new"))
    assert (folder.config(), folder.plan(), folder.totals(), folder.finished()) == (None, None, None, set())
    assert folder.report(0) is None


def test_a_damaged_part_is_named(tmp_path):
    (tmp_path / "parts").mkdir()
    place = Path(tmp_path / "parts" / "part-000000.parquet")
    place.write_bytes(b"no parquet")
    with pytest.raises(ScanError, match=r"part-000000\.parquet"):
        ScanFolder(str(tmp_path)).report(0)
