"""S3 against a real server process, with failures by a seeded choice; and plain HTTP against the same."""

from __future__ import annotations

import io
import random
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from cinemae.scan.items import Item, ItemError, MissingItemError, OversizedItemError
from cinemae.scan.sources import list_items, read_item
from cinemae.scan.storage import MissingError, Storage, StorageError, TooLargeError
from cinemae.scan.storage import http as http_module
from cinemae.scan.storage import retry as retry_module

if TYPE_CHECKING:
    from scan.s3server import FaultyS3, S3Server

pytest_plugins = ["scan.s3server"]

SECRET = "hunter2secret"
SHORT = {"connect_timeout": 2, "request_timeout": 1}
NAMES = ("1.jpg", "deep/2.jpg", "deep/er/3 %?#é.png", "readme.txt")


def blob(name: object, size: int = 0) -> bytes:
    rng = random.Random(str(name))
    return f"<{name}>".encode() + rng.randbytes(size or rng.randrange(3_000))


def tar(names: list[str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(blob(name))
            file.addfile(info, io.BytesIO(blob(name)))
    return stream.getvalue()


def table(columns: dict[str, object], **options: object) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pa.table(columns), stream, **options)
    return stream.getvalue()


def contents(source: str) -> dict[str, bytes]:
    return {item.id: read_item(item, source=source) for item in list_items(source)}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tries are tested here, the pauses in ``test_storage.py``."""
    monkeypatch.setattr(retry_module, "FIRST_PAUSE", 0.01)


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    """A bucket with pictures, shards and tables."""
    for name in NAMES:
        s3.put(f"pictures/{name}", blob(name))
    for number in range(2):
        s3.put(f"shards/s-{number:02d}.tar", tar([f"{number}/{n}.jpg" for n in range(20)]))
    s3.put("tables/t.parquet", table({"image": [blob(n, 30_000) for n in range(60)]}, row_group_size=20))
    return "pictures"


WANTED = {name: blob(name) for name in NAMES[:3]}
SHARDS = {f"s-{s:02d}.tar/{s}/{n}.jpg": blob(f"{s}/{n}.jpg") for s in range(2) for n in range(20)}
TABLE = {f"t.parquet/{n}": blob(n, 30_000) for n in range(60)}


def test_a_bucket_is_listed_and_read(faulty: FaultyS3, bucket: str) -> None:
    source = faulty.uri("pictures")
    items = list(list_items(source))
    assert {item.id: read_item(item, source=source) for item in items} == WANTED
    assert [item.place for item in items] == [
        "s3://pictures/1.jpg",
        "s3://pictures/deep/2.jpg",
        "s3://pictures/deep/er/3 %25%3F%23é.png",
    ]
    assert [item.size for item in items] == [len(data) for data in WANTED.values()]
    assert all(item.modified == pytest.approx(time.time(), abs=600) for item in items)
    assert contents(faulty.uri("pictures/deep")) == {
        "2.jpg": WANTED["deep/2.jpg"],
        "er/3 %?#é.png": WANTED["deep/er/3 %?#é.png"],
    }
    assert contents(faulty.uri("shards")) == SHARDS
    assert contents(faulty.uri("shards/s-{00..01}.tar")) == SHARDS
    assert contents(faulty.uri("shards/*-0[01].tar")) == SHARDS
    assert contents(faulty.uri("tables/t.parquet")) == TABLE


def test_the_endpoint_may_stand_in_the_environment(
    s3: S3Server, s3_keys: None, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{s3.endpoint}")
    assert contents("s3://pictures/deep/") == {
        "2.jpg": WANTED["deep/2.jpg"],
        "er/3 %?#é.png": WANTED["deep/er/3 %?#é.png"],
    }


def test_lists_and_tables_lead_to_s3_with_the_options_of_the_source(
    faulty: FaultyS3, bucket: str, tmp_path: Path
) -> None:
    faulty.put("lists/all.txt", b"s3://pictures/1.jpg\n../pictures/none.jpg\ns3://shards/s-00.tar\n")
    faulty.put("pictures-too/all.lst", b"a.jpg\n")
    faulty.put("pictures-too/a.jpg", b"a")
    source = faulty.uri("lists/all.txt")
    items = list(list_items(source))
    assert read_item(items[0], source=source) == WANTED["1.jpg"]
    assert [item.id for item in items[2:]] == [f"s3://shards/{name}" for name in SHARDS if name.startswith("s-00")]
    assert read_item(items[-1], source=source) == SHARDS["s-00.tar/0/19.jpg"]
    assert contents("@" + faulty.uri("pictures-too/all.lst")) == {"a.jpg": b"a"}
    parquet.write_table(
        pa.table({"id": ["x"], "path": [faulty.uri("pictures/1.jpg")]}), tmp_path / "local.parquet"
    )  # each row with options of its own
    assert contents(str(tmp_path / "local.parquet")) == {"x": WANTED["1.jpg"]}


def test_results_are_written_listed_and_removed(faulty: FaultyS3) -> None:
    faulty.put("out/.keep", b"")
    storage = Storage.of(faulty.uri("out/scan"))
    assert not storage.exists("parts")
    assert storage.names("parts") == []
    large = random.Random(0).randbytes(12 << 20)  # in several uploads
    storage.write_atomically("parts/part-1.parquet", b"old")
    storage.write_atomically("parts/part-1.parquet", large)
    storage.write_atomically("parts/part-0.parquet", b"")
    assert storage.names("parts", suffix=".parquet") == ["part-0.parquet", "part-1.parquet"]
    assert storage.read("parts/part-1.parquet") == large
    assert storage.read("parts/part-0.parquet") == b""
    assert storage.clean("parts") == 0
    storage.remove("parts/part-0.parquet")
    storage.remove("parts/part-0.parquet")
    assert storage.names("parts") == ["part-1.parquet"]


def test_final_errors_are_not_tried_again_and_name_the_item(faulty: FaultyS3, bucket: str) -> None:
    storage = Storage.of(faulty.uri("pictures"))
    before = sum(faulty.faults.seen.values())
    with pytest.raises(MissingError, match=r"^s3://pictures/none\.jpg: no such file"):
        storage.read("none.jpg")
    with pytest.raises(TooLargeError, match="are more than 5"):
        storage.read("1.jpg", limit=5)
    with pytest.raises(StorageError, match=r"^s3://pictures/1\.jpg: ends after"):
        storage.read("1.jpg", 10, 1 << 20)
    with pytest.raises((MissingError, StorageError)):
        list_items(faulty.uri("no-such-bucket/x"))
    assert sum(faulty.faults.seen.values()) - before < 12
    item = Item(id="it", kind="file", place="s3://pictures/none.jpg")
    with pytest.raises(MissingItemError, match=r"^it: no such file"):
        read_item(item, source=faulty.uri("pictures"))
    with pytest.raises(ItemError, match=r"^it: .*unknown options nonsense"):
        read_item(item, source="s3://pictures?nonsense=1")


FAULTS = {"500": 0.07, "503": 0.07, "drop": 0.07, "cut": 0.07, "late": 0.02}


@pytest.mark.parametrize("seed", range(2))
def test_every_object_is_read_through_passing_faults(faulty: FaultyS3, bucket: str, seed: int) -> None:
    faulty.faults.shares, faulty.faults.random = FAULTS, random.Random(seed)
    source = faulty.uri("pictures", **SHORT)
    everything: dict[str, bytes] = {}
    for one in ("pictures", "shards", "tables"):
        source = faulty.uri(one, **SHORT)
        items = list(list_items(source))
        assert not [item.reason for item in items if item.reason]
        with ThreadPoolExecutor(4) as pool:
            data = pool.map(lambda item, source=source: read_item(item, source=source), items)
            everything |= {item.id: got for item, got in zip(items, data, strict=True)}
    assert everything == WANTED | SHARDS | TABLE
    assert all(faulty.faults.seen[kind] for kind in ("500", "503", "drop", "cut")), faulty.faults.seen


def test_writes_get_through_passing_faults(faulty: FaultyS3) -> None:
    faulty.put("out/.keep", b"")
    faulty.faults.shares = FAULTS
    storage = Storage.of(faulty.uri("out/faults", **SHORT))
    wanted = {f"part-{n}.bin": blob(n, 20_000) for n in range(15)}
    for name, data in wanted.items():
        storage.write_atomically(name, data)
    assert {name: storage.read(name) for name in storage.names()} == wanted
    assert sum(faulty.faults.seen.values()) > faulty.faults.seen["ok"]


@pytest.mark.parametrize("fault", ["500", "drop", "cut"])
def test_what_never_works_is_an_error_that_names_it_and_the_rest_is_read(
    faulty: FaultyS3, bucket: str, fault: str
) -> None:
    faulty.faults.broken = {"/pictures/deep/2.jpg": fault}
    source = faulty.uri("pictures", **SHORT, tries=2)
    good = {}
    for item in list_items(source):
        try:
            good[item.id] = read_item(item, source=source)
        except ItemError as error:
            assert str(error).startswith("deep/2.jpg: ")  # noqa: PT017
            assert "after 2 tries" in str(error)  # noqa: PT017
    assert good == {name: data for name, data in WANTED.items() if name != "deep/2.jpg"}
    assert faulty.faults.seen[fault] <= 2 * 2 * 2


def test_a_silent_server_is_given_up_after_the_timeout(faulty: FaultyS3, bucket: str) -> None:
    faulty.faults.broken, faulty.faults.pause = {"/pictures/1.jpg": "late"}, 30
    source = faulty.uri("pictures", **SHORT, tries=1)
    with pytest.raises(ItemError, match=r"^it: .*after 1 try"):
        read_item(Item(id="it", kind="file", place="s3://pictures/1.jpg"), source=source)


def test_a_broken_page_of_a_listing_is_an_item(faulty: FaultyS3, bucket: str) -> None:
    source = faulty.uri("shards/s-{00..01}.tar", **SHORT, tries=1)
    faulty.faults.broken = {"/shards/s-01.tar": "503"}
    items = list(list_items(source))
    assert [item.id for item in items if item.reason] == ["s-01.tar"]
    assert len(items) == 21


def test_secrets_are_in_no_item_and_no_error(faulty: FaultyS3, bucket: str) -> None:
    source = faulty.uri("pictures", session_token=SECRET).replace("s3://", f"s3://KEY:{SECRET}@")
    items = list(list_items(source))
    assert [read_item(item, source=source) for item in items] == list(WANTED.values())
    faulty.faults.broken = {"/pictures/1.jpg": "500"}
    with pytest.raises(ItemError) as caught:
        read_item(items[0], source=f"{source}&tries=1")
    chain: list[BaseException] = [caught.value]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    assert SECRET not in repr(items) + "".join(item.model_dump_json() for item in items) + repr(chain)
    assert not any(error.__context__ and not error.__suppress_context__ for error in chain)


def test_connections_stay_bounded_over_many_reads(faulty: FaultyS3, bucket: str) -> None:
    source = faulty.uri("pictures")
    items = [Item(id=str(n), kind="file", place="s3://pictures/1.jpg") for n in range(150)]
    items += [Item(id=str(n), kind="file", place=faulty.url("pictures/1.jpg")) for n in range(150)]
    open_files = Path("/proc/self/fd")
    before, highest = len(list(open_files.iterdir())), 0
    with ThreadPoolExecutor(4) as pool:
        for data in pool.map(lambda item: read_item(item, source=source), items):
            assert data == WANTED["1.jpg"]
            highest = max(highest, len(list(open_files.iterdir())))
    assert highest - before < 40  # the proxy's ends of the connections are in this process too


# HTTP


def test_a_list_of_urls_with_secrets(faulty: FaultyS3, bucket: str, tmp_path: Path) -> None:
    urls = [faulty.url("pictures/1.jpg") + f"?sig={SECRET}", faulty.url("pictures/deep/2.jpg")]
    urls += [faulty.url("shards/s-00.tar") + f"?sig={SECRET}", faulty.url("tables/t.parquet") + f"?sig={SECRET}"]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    source = str(tmp_path / "urls.txt")
    items = list(list_items(source))
    assert SECRET not in repr(items)
    assert [item.id for item in items[:2]] == [faulty.url("pictures/1.jpg"), faulty.url("pictures/deep/2.jpg")]
    wanted = [WANTED["1.jpg"], WANTED["deep/2.jpg"], *list(SHARDS.values())[:20], *TABLE.values()]
    assert [read_item(Item.model_validate_json(item.model_dump_json()), source=source) for item in items] == wanted
    (tmp_path / "urls.txt").write_text("\n".join(reversed(urls)))
    with pytest.raises(ItemError, match="was changed since it was listed"):
        read_item(items[0], source=source)


def test_shards_and_tables_by_url(faulty: FaultyS3, bucket: str) -> None:
    assert contents(faulty.url("shards/s-{00..01}.tar") + f"?sig={SECRET}") == SHARDS
    assert contents(faulty.url("tables/t.parquet")) == TABLE
    assert contents(faulty.url("pictures/1.jpg")) == {"1.jpg": WANTED["1.jpg"]}
    table_of_urls = table({"url": [faulty.url("pictures/1.jpg") + f"?sig={SECRET}", "../pictures/deep/2.jpg"]})
    faulty.put("tables/urls.parquet", table_of_urls)
    found = contents(faulty.url("tables/urls.parquet"))
    assert list(found) == [faulty.url("pictures/1.jpg"), "../pictures/deep/2.jpg"]
    assert next(iter(found.values())) == WANTED["1.jpg"]


def test_http_through_passing_faults(faulty: FaultyS3, bucket: str) -> None:
    faulty.faults.shares, faulty.faults.random = FAULTS, random.Random(5)
    assert contents(faulty.url("shards/s-{00..01}.tar")) == SHARDS
    assert contents(faulty.url("tables/t.parquet")) == TABLE
    assert faulty.faults.seen["cut"]
    assert faulty.faults.seen["503"]


@pytest.mark.parametrize("fault", ["500", "cut", "late"])
def test_what_never_works_over_http_is_an_error_without_secrets(
    faulty: FaultyS3, bucket: str, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(http_module.HttpStorage.__init__, "__kwdefaults__", {"read_timeout": 0.3, "tries": 2})
    faulty.faults.broken, faulty.faults.pause = {"/pictures/1.jpg": fault}, 2
    (tmp_path / "list.txt").write_text(faulty.url("pictures/1.jpg") + f"?sig={SECRET}")
    (item,) = list_items(str(tmp_path / "list.txt"))
    with pytest.raises(ItemError, match=r"^http://127.*/pictures/1\.jpg: .*\(after 2 tries\)$") as caught:
        read_item(item, source=str(tmp_path / "list.txt"))
    assert SECRET not in repr(caught.value)
    assert faulty.faults.seen[fault] == 2


class _Plain(BaseHTTPRequestHandler):
    """A server that knows no ranges and says no size, or answers with a status."""

    def do_GET(self) -> None:
        status = int(self.path[1:4]) if self.path[1:4].isdecimal() else 200
        self.send_response(status)
        self.end_headers()
        if status == 200:
            self.wfile.write(b"0123456789" * 100_000)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def plain() -> Iterator[str]:
    """The URL of such a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Plain) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_server_without_ranges_is_read_as_a_whole_within_the_limit(plain: str) -> None:
    storage = Storage.of(plain)
    assert storage.read("a.jpg") == b"0123456789" * 100_000
    assert storage.read("a.jpg", 0, 5) == b"01234"
    with pytest.raises(StorageError, match="gives no ranges"):
        storage.read("a.jpg", 5, 5)
    with pytest.raises(TooLargeError, match="more than 1,000 bytes"):
        storage.read("a.jpg", limit=1_000)
    with pytest.raises(StorageError, match="size can't be found out"):
        storage.open("a.tar")
    with pytest.raises(OversizedItemError, match=r"^it: more than 10 bytes"):
        read_item(Item(id="it", kind="file", place=f"{plain}/a.jpg"), limit=10)


@pytest.mark.parametrize(("status", "kind"), [(404, MissingError), (410, MissingError), (403, StorageError)])
def test_a_final_status_is_not_tried_again(
    plain: str, status: int, kind: type[StorageError], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: pytest.fail("it is tried again"))
    monkeypatch.setattr("cinemae.scan.storage.retry.time", clock)
    with pytest.raises(kind, match=f"HTTP status {status}$"):
        Storage.of(plain).read(str(status))


def test_http_is_not_listed_or_written(plain: str) -> None:
    storage = Storage.of(plain)
    with pytest.raises(StorageError, match="can't list a folder"):
        list(storage.walk())
    with pytest.raises(StorageError, match="only read from"):
        storage.write_atomically("a", b"")
    assert not storage.exists("404")
