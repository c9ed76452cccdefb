"""Local sources: what is listed, and that an item's bytes are the right ones. Remote ones are in ``test_s3.py``."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cinemae.scan.items import (
    Item,
    ItemError,
    ListingError,
    MissingItemError,
    OversizedItemError,
)
from cinemae.scan.sources import cells as cells_module
from cinemae.scan.sources import list_items, read_item
from cinemae.scan.sources.cells import Cells
from cinemae.scan.sources.patterns import expand_braces
from cinemae.scan.storage import MissingError

SECRET = "hunter2secret"


def blob(name: object, size: int = 0) -> bytes:
    """Bytes that tell which file they are of."""
    rng = random.Random(str(name))
    return f"<{name}>".encode() + rng.randbytes(size or rng.randrange(2_000))


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(blob(name))


def tar(names: list[str], form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(blob(name))
            file.addfile(info, io.BytesIO(blob(name)))
    return stream.getvalue()


def ids(source: object, **options: object) -> list[str]:
    return [item.id for item in list_items(str(source), **options)]  # type: ignore[arg-type]


def contents(source: object) -> dict[str, bytes]:
    return {item.id: read_item(item) for item in list_items(str(source))}


# Folders


def test_a_folder_gives_images_shards_and_tables_in_order(tmp_path: Path) -> None:
    write(tmp_path, "b/2.JPG", "b/1.png", "a.webp", "notes.txt", ".hidden.jpg", "c/.x/y.jpg")
    (tmp_path / "b" / "s.tar").write_bytes(tar(["m/1.jpg", "m/1.json"]))
    parquet.write_table(pa.table({"image": [blob("row")]}), tmp_path / "t.parquet")
    found = contents(tmp_path)
    assert list(found) == ["a.webp", "b/1.png", "b/2.JPG", "b/s.tar/m/1.jpg", "t.parquet/0"]
    wanted = {name: blob(name) for name in ("a.webp", "b/1.png", "b/2.JPG")}
    assert found == wanted | {"b/s.tar/m/1.jpg": blob("m/1.jpg"), "t.parquet/0": blob("row")}


def test_items_say_where_and_when(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", (1_000_000, 1_000_000))
    (item,) = list_items(str(tmp_path))
    assert item == Item(
        id="a.jpg", kind="file", place=str(tmp_path / "a.jpg"), size=len(blob("a.jpg")), modified=1_000_000
    )


def test_a_relative_folder_gives_absolute_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "p/a.jpg")
    monkeypatch.chdir(tmp_path)
    (item,) = list_items("p")
    monkeypatch.chdir("/")
    assert (item.id, read_item(item)) == ("a.jpg", blob("p/a.jpg"))


def test_one_file_is_a_source_whatever_its_suffix(tmp_path: Path) -> None:
    write(tmp_path, "picture", "[a]{1..2}.jpg")
    assert contents(tmp_path / "picture") == {"picture": blob("picture")}
    assert ids(tmp_path / "[a]{1..2}.jpg") == ["[a]{1..2}.jpg"]  # it exists, so it is no pattern


def test_a_source_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    for name in ("none", "@none.txt", "none*.jpg"):
        with pytest.raises(MissingError, match=r"no such file or folder|nothing matches"):
            list_items(name if name[0] == "@" else str(tmp_path / name))


def test_a_file_that_went_away_is_an_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    first, second = list_items(str(tmp_path))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(MissingItemError, match=r"^a\.jpg: No such file"):
        read_item(first)
    with pytest.raises(OversizedItemError, match=r"^b\.jpg: .* more than 3"):
        read_item(second, limit=3)


def test_a_name_that_is_no_text_is_listed_and_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    (item,) = list_items(str(tmp_path))
    again = Item.model_validate_json(item.model_dump_json())
    assert again.id == "caf\\udce9.jpg"
    assert read_item(again) == b"x"


def test_a_folder_that_can_not_be_listed_is_an_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/1.jpg", "b/2.jpg")
    scandir = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    broken, fine = list_items(str(tmp_path))
    assert (broken.id, broken.reason, fine.id) == ("a/", "Permission denied", "b/2.jpg")
    with pytest.raises(ListingError, match=r"^a/: Permission denied$"):
        read_item(broken)


# Choices


def test_since_keeps_what_is_newer_and_what_has_no_date(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    write(tmp_path, "new.jpg", "old.jpg")
    for name, names in (("new.tar", ["n.jpg"]), ("old.tar", ["o.jpg"])):
        (tmp_path / name).write_bytes(tar(names))
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    parquet.write_table(pa.table({"image": [b"x"]}), tmp_path / "old.parquet")
    for name in ("old.jpg", "old.tar", "old.parquet"):
        stamp = (now - timedelta(days=2)).timestamp()
        os.utime(tmp_path / name, (stamp, stamp))
    assert ids(tmp_path, since=now - timedelta(days=1)) == ["gone.jpg", "new.jpg", "new.tar/n.jpg"]
    naive = (now - timedelta(days=3)).replace(tzinfo=None)
    assert len(ids(tmp_path, since=naive)) == 6
    (tmp_path / "list.txt").write_text("old.jpg\nnew.jpg\nold.tar\ngone.jpg\n")
    assert ids(tmp_path / "list.txt", since=now - timedelta(days=1)) == ["new.jpg", "gone.jpg"]


def test_sample_and_limit(tmp_path: Path) -> None:
    write(tmp_path, *(f"{n}.jpg" for n in range(100)))
    some = ids(tmp_path, sample=0.3, seed=1)
    assert 15 < len(some) < 45
    assert ids(tmp_path, sample=0.3, seed=1, limit=5) == some[:5]
    assert ids(tmp_path, limit=0) == []


def test_a_limit_needs_no_look_at_the_rest(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg\n" * 300_000)
    items = list_items(str(tmp_path / "list.txt"))
    assert [next(items).id for _ in range(3)] == ["a.jpg", "a.jpg#2", "a.jpg#3"]


# Lists


def test_a_list_leads_to_files_shards_and_tables(tmp_path: Path) -> None:
    write(tmp_path, "p/1.jpg", "p/2 x.jpg", "elsewhere/3.jpg")
    (tmp_path / "p" / "s.tar").write_bytes(tar(["m.jpg"]))
    parquet.write_table(pa.table({"image": [blob("row")]}), tmp_path / "p" / "t.parquet")
    lines = ["\ufeff1.jpg", "", "# no image", "2 x.jpg\r", str(tmp_path / "elsewhere/3.jpg"), "s.tar", "t.parquet"]
    lines += ["1.jpg", "../elsewhere/3.jpg", (tmp_path / "p/1.jpg").as_uri()]
    (tmp_path / "p" / "all.lst").write_text("\n".join(lines))
    found = contents(f"@{tmp_path}/p/all.lst")
    assert found == contents(tmp_path / "p/all.lst")
    first, second, third = blob("p/1.jpg"), blob("p/2 x.jpg"), blob("elsewhere/3.jpg")
    assert list(found.items()) == [
        ("1.jpg", first),
        ("2 x.jpg", second),
        (str(tmp_path / "elsewhere/3.jpg"), third),
        ("s.tar/m.jpg", blob("m.jpg")),
        ("t.parquet/0", blob("row")),
        ("1.jpg#2", first),
        ("../elsewhere/3.jpg", third),
        ((tmp_path / "p/1.jpg").as_uri(), first),
    ]


def test_a_line_that_leads_nowhere_is_an_error_that_names_it(tmp_path: Path) -> None:
    long = "x" * 200_000
    text = f"none.jpg\nnone.tar\n{long}\ns3://KEY:12/{SECRET}@b/c\nnosuch://x/y.jpg\nlast.jpg"
    (tmp_path / "list.txt").write_text(text)
    write(tmp_path, "last.jpg")
    items = list(list_items(str(tmp_path / "list.txt")))
    assert [item.id for item in items] == ["none.jpg", "none.tar", "list.txt:3", "list.txt:4", "list.txt:5", "last.jpg"]
    for item, kind in zip(items, (MissingItemError, *[ListingError] * 4), strict=False):
        with pytest.raises(kind, match=rf"^{item.id}: "):
            read_item(item)
    assert SECRET not in repr(items)
    assert read_item(items[-1]) == blob("last.jpg")


# Patterns


def test_shards_by_braces_and_stars(tmp_path: Path) -> None:
    for number in range(8, 12):
        (tmp_path / f"s-{number:04d}.tar").write_bytes(tar([f"{number}.jpg"]))
    write(tmp_path, "deep/er/x.jpg", "deep/y.jpg", "deep/y.png")
    assert ids(tmp_path / "s-{0008..0010}.tar") == ["s-0008.tar/8.jpg", "s-0009.tar/9.jpg", "s-0010.tar/10.jpg"]
    assert ids(tmp_path / "s-001[01].tar") == ["s-0010.tar/10.jpg", "s-0011.tar/11.jpg"]
    assert ids(tmp_path / "d*/**/*.jpg") == ["deep/y.jpg", "deep/er/x.jpg"]
    assert ids(tmp_path / "{deep/y,deep/none}.png") == ["deep/y.png", "deep/none.png"]
    assert ids(tmp_path / "dee?") == ["deep/er/x.jpg", "deep/y.jpg", "deep/y.png"]
    assert sorted(ids(tmp_path / "deep/**")) == ["er/x.jpg", "y.jpg", "y.png"]


def test_a_shard_of_a_range_that_is_not_there_is_an_item(tmp_path: Path) -> None:
    (tmp_path / "s-1.tar").write_bytes(tar(["a.jpg"]))
    fine, missing = list_items(str(tmp_path / "s-{1,2}.tar"))
    assert (fine.id, missing.id, missing.reason) == ("s-1.tar/a.jpg", "s-2.tar", "no such file or folder")


BRACES = [
    "a", "{a,b}", "x{a,b}y{1..3}z", "{0000..0011}", "{3..1}", "{08..10..2}", "{a,b{1,2}c,}", "{a", "a}{b,c}", "{a}",
    "{}", "{,}", "{-2..2}", "{10..1..3}", "{{a,b},c}", "{{1..2},{x,y}}", "s-{00..02}/{a,b}.tar", "{-01..10..5}",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is the oracle")
def test_braces_expand_as_in_bash() -> None:
    script = "\n".join(f"printf '%s\\n' {pattern}; echo --" for pattern in BRACES)
    said = subprocess.run(["bash", "-fc", script], capture_output=True, text=True, check=True).stdout
    wanted = [part.strip("\n").split("\n") for part in said.split("--\n")[:-1]]
    got = [[text for text in expand_braces(pattern) if text] or [""] for pattern in BRACES]
    assert dict(zip(BRACES, got, strict=True)) == dict(zip(BRACES, wanted, strict=True))


@given(st.lists(st.lists(st.text("xyz0.", max_size=3), min_size=2, max_size=3), max_size=3), st.text("pq/", max_size=3))
def test_braces_are_a_product(choices: list[list[str]], between: str) -> None:
    pattern = between.join("{" + ",".join(each) + "}" for each in choices)
    count = 1
    for each in choices:
        count *= len(each)
    found = list(expand_braces(pattern))
    assert len(found) == count
    assert found[0] == between.join(each[0] for each in choices)
    assert found[-1] == between.join(each[-1] for each in choices)


def test_a_range_of_billions_is_not_held() -> None:
    numbers = expand_braces("s-{000000000000..999999999999}.tar")
    assert [next(numbers), next(numbers)] == ["s-000000000000.tar", "s-000000000001.tar"]


# Shards

NAMES = st.text("abc/é.", min_size=1, max_size=130).map(lambda text: f"k{text.strip('/')}.jpg".replace("/.", "/"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(NAMES, max_size=8),
    form=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_members_by_offset_are_those_that_tarfile_gives(tmp_path: Path, names: list[str], form: int) -> None:
    (tmp_path / "s.tar").write_bytes(tar([*names, "k.json", "deep/.hidden.jpg"], form))
    items = list(list_items(str(tmp_path / "s.tar")))
    with tarfile.open(tmp_path / "s.tar") as file:
        members = [member for member in file if re.search(r"(^|/)[^./][^/]*\.jpg$", member.name)]
        read = [(member.name, file.extractfile(member).read()) for member in members]  # type: ignore[union-attr]
    assert [read_item(item) for item in items] == [data for _, data in read]
    assert len({item.id for item in items}) == len(items)
    assert all(item.id.startswith(f"s.tar/{name}") for item, (name, _) in zip(items, read, strict=True))


def test_what_a_cut_shard_had_is_listed_and_the_rest_is_an_item(tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(6)]
    whole = tar(names)
    with tarfile.open(fileobj=io.BytesIO(whole)) as file:
        ends = {member.name: member.offset_data + member.size for member in file}
    rng = random.Random(0)
    for cut in [0, 100, *sorted(rng.randrange(512, ends["5.jpg"]) for _ in range(30))]:
        (tmp_path / "s.tar").write_bytes(whole[:cut])
        items = list(list_items(str(tmp_path / "s.tar")))
        good = {}
        errors = []
        for item in items:
            try:
                good[item.id] = read_item(item)
            except ItemError as error:
                errors.append(error)
        wanted = {f"s.tar/{name}": blob(name) for name in names if ends[name] <= cut}
        assert good == wanted
        assert errors, f"cut at {cut} was not noticed"
        assert all(error.name.startswith("s.tar") for error in errors)


def test_a_broken_header_is_an_item_not_an_end(tmp_path: Path) -> None:
    data = bytearray(tar(["1.jpg", "2.jpg", "3.jpg"]))
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as file:
        at = file.getmember("2.jpg").offset
    data[at : at + 40] = b"#" * 40
    (tmp_path / "s.tar").write_bytes(data)
    first, broken = list_items(str(tmp_path / "s.tar"))
    assert (first.id, broken.id) == ("s.tar/1.jpg", "s.tar")
    assert f"no header of a member at byte {at:,}" in str(broken.reason)


def test_a_link_in_a_shard_is_an_item_with_a_reason(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as file:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    (item,) = list_items(str(tmp_path / "s.tar"))
    with pytest.raises(ListingError, match=r"^s\.tar/link\.jpg: a link"):
        read_item(item)


def test_a_compressed_shard_is_refused_with_a_way_out(tmp_path: Path) -> None:
    packed = gzip.compress(tar(["1.jpg"]))
    for name in ("a.tar", "b.tar.gz", "c.tgz"):
        (tmp_path / name).write_bytes(packed)
    items = list(list_items(str(tmp_path)))
    assert [item.id for item in items] == ["a.tar", "b.tar.gz", "c.tgz"]
    assert all("compressed" in str(item.reason) and "unpack" in str(item.reason) for item in items)


def test_a_shard_that_was_replaced_by_a_shorter_one_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(tar(["1.jpg", "2.jpg"]))
    _, second = list_items(str(tmp_path / "s.tar"))
    (tmp_path / "s.tar").write_bytes(tar(["1.jpg"])[:1024])
    with pytest.raises(ItemError, match=r"^s\.tar/2\.jpg: ends after"):
        read_item(second)


# Tables


@pytest.mark.parametrize("name", ["image", "bytes", "IMAGE", "jpg"])
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_column_of_bytes(tmp_path: Path, name: str, kind: pa.DataType) -> None:
    rows = [blob(n) for n in range(50)]
    table = pa.table({"label": list(range(50)), name: pa.array(rows, kind)})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    assert contents(tmp_path / "t.parquet") == {f"t.parquet/{n}": row for n, row in enumerate(rows)}


def test_ids_of_a_table_are_its_own_if_it_has_them(tmp_path: Path) -> None:
    table = {"Key": pa.array([7, 7, None]), "image": pa.array([b"a", b"b", b"c"])}
    parquet.write_table(pa.table(table), tmp_path / "t.parquet")
    assert contents(tmp_path / "t.parquet") == {"7": b"a", "7#2": b"b", "t.parquet/2": b"c"}


def test_structs_of_hugging_face(tmp_path: Path) -> None:
    write(tmp_path, "on/disk.jpg")
    images = [
        {"bytes": b"a", "path": "a.jpg"},
        {"bytes": b"b", "path": None},
        {"bytes": None, "path": "on/disk.jpg"},
        None,
        {"bytes": b"", "path": ""},
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    parquet.write_table(pa.table({"image": pa.array(images, kind), "label": [0] * 5}), tmp_path / "t.parquet")
    *good, none, empty = list_items(str(tmp_path / "t.parquet"))
    assert {item.id: read_item(item) for item in good} == {
        "a.jpg": b"a",
        "t.parquet/1": b"b",
        "on/disk.jpg": blob("on/disk.jpg"),
    }
    for item, row in ((none, 3), (empty, 4)):
        with pytest.raises(MissingItemError, match=f"no image in row {row}"):
            read_item(item)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_column_of_paths(tmp_path: Path, kind: pa.DataType) -> None:
    write(tmp_path, "p/1.jpg", "2.jpg")
    paths = pa.array(["p/1.jpg", str(tmp_path / "2.jpg"), None, "none.jpg", f"s3://KEY:{SECRET}/x@b/c"], pa.string())
    parquet.write_table(pa.table({"url": paths.cast(kind), "x": [1] * 5}), tmp_path / "t.pq")
    first, second, null, missing, bad = list_items(str(tmp_path / "t.pq"))
    assert (first.id, read_item(first)) == ("p/1.jpg", blob("p/1.jpg"))
    assert (second.id, read_item(second)) == (str(tmp_path / "2.jpg"), blob("2.jpg"))
    assert (null.id, null.reason) == ("t.pq/2", "no path in row 2")
    assert (bad.id, SECRET in repr(bad)) == ("t.pq/4", False)
    with pytest.raises(MissingItemError, match=r"^none\.jpg: "):
        read_item(missing)


def test_a_table_without_images_or_that_is_none_is_an_item(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"image": [[b"a"]]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no table PAR1")
    (tmp_path / "d.parquet").write_bytes(b"")
    items = list(list_items(str(tmp_path)))
    assert [item.id for item in items] == ["a.parquet", "b.parquet", "c.parquet", "d.parquet"]
    assert all(item.reason for item in items)
    assert "no column of image bytes" in str(items[0].reason)


def test_a_table_that_broke_after_the_listing_names_the_item(tmp_path: Path) -> None:
    table = pa.table({"image": [blob(n, 500) for n in range(40)]})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=10, compression="zstd")
    items = list(list_items(str(tmp_path / "t.parquet")))
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[len(data) // 3 : len(data) // 3 + 400] = bytes(400)
    (tmp_path / "t.parquet").write_bytes(data)
    outcomes = []
    for number, item in enumerate(items):
        try:
            outcomes.append(read_item(item) == blob(number, 500))
        except ItemError as error:
            assert str(error).startswith(f"t.parquet/{number}: ")  # noqa: PT017
            outcomes.append(False)
    assert outcomes[:10] == [True] * 10
    assert outcomes[30:] == [True] * 10
    assert False in outcomes
    parquet.write_table(table.slice(0, 3), tmp_path / "u.parquet")
    gone = items[9].model_copy(update={"place": str(tmp_path / "u.parquet")})
    with pytest.raises(ItemError, match="no row 9 any more"):
        read_item(gone)
    with pytest.raises(ItemError, match="no column old any more"):
        read_item(gone.model_copy(update={"column": "old"}))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 60), st.integers(1, 25), st.lists(st.integers(0, 59), max_size=40))
def test_any_order_of_rows_gives_the_right_ones(tmp_path: Path, count: int, group: int, order: list[int]) -> None:
    rows = [blob(n, 50) for n in range(count)]
    place = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"image": rows}), place, row_group_size=group)
    cells = Cells()
    for row in order:
        if row < count:
            assert cells.value(str(place), "image", row, lambda: place.open("rb")) == rows[row]
        else:
            with pytest.raises(IndexError):
                cells.value(str(place), "image", row, lambda: place.open("rb"))
    cells.close()


def test_rows_in_order_are_decoded_once_by_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [blob(n, 20_000) for n in range(600)]
    parquet.write_table(pa.table({"image": rows}), tmp_path / "t.parquet", row_group_size=300)
    items = list(list_items(str(tmp_path / "t.parquet")))
    begun = []
    begin = cells_module.Cursor._begin

    def count(cursor: cells_module.Cursor, group: int) -> None:
        begun.append(group)
        begin(cursor, group)

    monkeypatch.setattr(cells_module.Cursor, "_begin", count)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(read_item, items)) == rows
    assert begun == [0, 1]


def test_many_tables_in_many_threads_keep_few_files_open(tmp_path: Path) -> None:
    for number in range(20):
        table = pa.table({"image": [blob((number, row), 300) for row in range(30)]})
        parquet.write_table(table, tmp_path / f"{number:02d}.parquet", row_group_size=10)
    items = list(list_items(str(tmp_path)))
    random.Random(1).shuffle(items)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with ThreadPoolExecutor(6) as pool:
        data = list(pool.map(read_item, items))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4
    for item, got in zip(items, data, strict=True):
        assert got == blob((int(Path(item.place).stem), item.row), 300)


def test_files_stay_bounded_over_thousands_of_reads(tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(1_000)]
    (tmp_path / "s.tar").write_bytes(tar(names))
    write(tmp_path, *(f"files/{name}" for name in names))
    before = len(list(Path("/proc/self/fd").iterdir()))
    highest = 0
    for number, item in enumerate(list_items(str(tmp_path))):
        read_item(item)
        if number % 50 == 0:
            highest = max(highest, len(list(Path("/proc/self/fd").iterdir())))
    assert number == 1_999
    assert highest <= before + 6
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4


def test_joined_cut_and_mislabelled_shards(tmp_path: Path) -> None:
    """Each member is listed, or a row says that something is missing."""

    def tar(*names: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 1000
                archive.addfile(member, io.BytesIO(name.encode() * 1000))
        return out.getvalue()

    one, two = tar("a.jpg", "notes.txt"), tar("b.jpg", "c.jpg")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.jpg", b"x")
    wanted = {
        "joined.tar": (one + two, ["a.jpg", "b.jpg", "c.jpg"], None),
        "padded.tar": (one + bytes(512 * 7) + two, ["a.jpg", "b.jpg", "c.jpg"], None),
        "thrice.tar": (one + two + tar("d.jpg"), ["a.jpg", "b.jpg", "c.jpg", "d.jpg"], None),
        "followed.tar": (one + b"no archive at all" * 99, ["a.jpg"], "not listed"),
        "cut-data.tar": (two[:1200], ["b.jpg"], "not listed"),
        "cut-header.tar": (two[: 512 + 1024 + 100], ["b.jpg"], "not listed"),
        "cut-end.tar": (two[: 2 * (512 + 1024)], ["b.jpg", "c.jpg"], "end mark"),
        "cut-second.tar": (one + two[:1200], ["a.jpg", "b.jpg"], "not listed"),
        "zip.tar": (packed.getvalue(), [], "zip"),
        "gz.tar": (gzip.compress(one), [], "gzip"),
        "empty.tar": (b"", [], "empty"),
    }
    for name, (data, members, reason) in wanted.items():
        (tmp_path / name).write_bytes(data)
        left_out: Counter[str] = Counter()
        found = list(list_items(str(tmp_path / name), left_out=left_out))
        assert [item.id for item in found if item.reason is None] == [f"{name}/{member}" for member in members], name
        reasons = [item.reason for item in found if item.reason is not None]
        assert bool(reasons) == (reason is not None), (name, reasons)
        assert all(reason in said for said in reasons), (name, reasons)
        assert left_out == ({".txt": 1} if "a.jpg" in members else {})
        for item in found:
            if item.reason is None and not name.startswith("cut"):
                assert read_item(item) == item.id.rpartition("/")[2].encode() * 1000 or len(read_item(item)) == 1000


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-8"])
def test_a_list_is_read_by_its_mark(tmp_path: Path, encoding: str) -> None:
    names = ["a.png", "ä/ĊਊĊ.png", "b\u0a0a.png", "x" * 3000 + ".png", "deep\\c.png"]
    text = "\ufeff" + "# a list\n\n" + "\r\n".join(names) + "\n" + "y" * (1 << 16) + "\nlast.png"
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    found = list(list_items(f"@{tmp_path}/list.txt"))
    wanted = [*names[:-1], "deep/c.png"]
    assert [item.id for item in found[:5]] == wanted
    assert "longer than" in str(found[5].reason)
    assert [item.id for item in found[6:]] == ["last.png"]
