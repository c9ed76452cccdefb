"""Local storage, URIs and the retry; S3 is in ``test_s3.py``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemae.scan.storage import MissingError, Storage, StorageError, TooLargeError, public
from cinemae.scan.storage import retry as retry_module
from cinemae.scan.storage.retry import with_tries
from cinemae.scan.storage.uris import Address, encode_key, local_place

SECRET = "hunter2secret"


def inside(folder: Path) -> set[str]:
    """The names in a folder, hidden ones too."""
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    """a/b/2.jpg, a/1.jpg, z.jpg, hidden things and links."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c.d").mkdir()
    for name in ("a/b/2.jpg", "a/1.jpg", "z.jpg", ".hidden.jpg", "c.d/3.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.jpg").write_bytes(b"x")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "z.jpg")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "nothing")
    return Storage.of(tmp_path)


def test_a_walk_finds_the_visible_files_in_order(folder: Storage) -> None:
    found = list(folder.walk())
    assert [entry.path for entry in found] == ["a/1.jpg", "a/b/2.jpg", "c.d/3.jpg", "link.jpg", "nowhere.jpg", "z.jpg"]
    sizes = {entry.path: entry.size for entry in found}
    assert sizes["a/1.jpg"] == 7
    assert sizes["link.jpg"] == 5
    assert sizes["nowhere.jpg"] is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_an_entry_as_another_user(folder: Storage) -> None:
    Path(folder.place("a/b")).chmod(0)
    assert any(entry.problem for entry in folder.walk())
    Path(folder.place("a/b")).chmod(0o755)


def test_a_folder_that_can_not_be_listed_is_an_entry(folder: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = {entry.path: entry.problem for entry in folder.walk()}
    assert found.pop("a/b") == "Permission denied"
    assert set(found) == {"a/1.jpg", "c.d/3.jpg", "link.jpg", "nowhere.jpg", "z.jpg"}


def test_a_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path / "none")
    assert not storage.exists()
    assert storage.names() == []
    with pytest.raises(MissingError, match="none: No such file"):
        list(storage.walk())


def test_pieces_of_a_file(folder: Storage) -> None:
    assert folder.read("z.jpg") == b"z.jpg"
    assert folder.read("z.jpg", 2) == b"jpg"
    assert folder.read("z.jpg", 1, 3) == b".jp"
    assert folder.read("z.jpg", 9) == b""
    assert Storage.of(folder.place("z.jpg")).read() == b"z.jpg"
    with pytest.raises(StorageError, match="ends after 3 of 4 bytes"):
        folder.read("z.jpg", 2, 4)
    with pytest.raises(TooLargeError, match="5 bytes are more than 4"):
        folder.read("z.jpg", limit=4)
    with pytest.raises(TooLargeError):
        folder.read("z.jpg", 0, 1 << 40)
    with pytest.raises(MissingError):
        folder.read("none.jpg")
    with pytest.raises(StorageError, match="Is a directory"):
        folder.read("a")
    with pytest.raises(StorageError, match="null"):
        folder.read("a\0b")


def test_what_is_there(folder: Storage) -> None:
    file = folder.info("a/1.jpg")
    assert file is not None
    assert (file.is_folder, file.size) == (False, 7)
    assert file.modified == pytest.approx(time.time(), abs=60)
    there = folder.info("a")
    assert there is not None
    assert there.is_folder
    assert folder.info("a/1.jpg/x") is None
    assert folder.names("a", suffix=".jpg") == ["1.jpg"]


def test_a_write_replaces_the_whole_file_and_makes_folders(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    storage.write_atomically("new/folder/part.bin", b"one")
    storage.write_atomically("new/folder/part.bin", b"two")
    assert (tmp_path / "new/folder/part.bin").read_bytes() == b"two"
    assert inside(tmp_path / "new/folder") == {"part.bin"}
    storage.remove("new/folder/part.bin")
    storage.remove("new/folder/part.bin")
    assert storage.names("new/folder") == []


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage.of(tmp_path)
    storage.write_atomically("part.bin", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"part\.bin: No space left"):
        storage.write_atomically("part.bin", b"new")
    assert inside(tmp_path) == {"part.bin"}
    assert storage.read("part.bin") == b"old"


WRITER = """
import sys
from cinemae.scan.storage import Storage
storage = Storage.of(sys.argv[1])
print("ready", flush=True)
for number in range(10**9):
    storage.write_atomically("part.bin", bytes([number % 251]) * 400_000)
"""


def test_a_killed_writer_leaves_a_whole_file_and_what_clean_removes(tmp_path: Path) -> None:
    leftovers = 0
    for kill in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02 + kill * 0.007)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        storage = Storage.of(tmp_path)
        assert set(storage.names()) <= {"part.bin"}
        if storage.exists("part.bin"):
            data = storage.read("part.bin")
            assert len(data) == 400_000
            assert len(set(data)) == 1
        hidden = {name for name in inside(tmp_path) - {"part.bin"} if (tmp_path / name).stat().st_size}
        leftovers += len(hidden)
        assert storage.clean() == len(hidden)
        assert not inside(tmp_path) & hidden
    assert leftovers  # else nothing was tested


def test_clean_leaves_alone_what_is_being_written(tmp_path: Path) -> None:
    storage = Storage.of(tmp_path)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        storage.clean()
        assert writer.poll() is None, "the writer lost its file"
    writer.kill()
    writer.wait()
    writer.stdout.close()


def test_reading_leaves_no_file_open(folder: Storage) -> None:
    before = len(inside(Path("/proc/self/fd")))
    for _ in range(2_000):
        folder.read("a/1.jpg", 1, 2)
    assert len(inside(Path("/proc/self/fd"))) == before


def test_a_file_name_that_is_no_text_has_a_place_that_is(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 100%.jpg")
    (tmp_path / name).write_bytes(b"bytes")
    (entry,) = Storage.of(tmp_path).walk()
    place = Storage.of(tmp_path).place(entry.path)
    place.encode()
    assert place.startswith("file:///")
    assert Storage.of(place).read() == b"bytes"


@given(st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name))
def test_every_local_path_comes_back(name: bytes) -> None:
    path = os.path.abspath("/folder/" + os.fsdecode(name))  # noqa: PTH100 (links are not followed)
    assert Address.of(local_place(path)).path == path


@given(st.text(min_size=1, max_size=20))
def test_every_key_comes_back_from_a_uri(key: str) -> None:
    key = key.encode("utf-8", "replace").decode()
    assert Address.of(f"s3://bucket/{encode_key(key)}").key == key


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"s3://KEY:{SECRET}@bucket/a/b.tar?session_token={SECRET}&region=x", "s3://bucket/a/b.tar"),
        (f"https://user:{SECRET}@host:8080/a%20b.jpg?sig={SECRET}#{SECRET}", "https://host:8080/a%20b.jpg"),
        ("HTTP://[::1]:80/x", "http://[::1]:80/x"),
        (f"@s3://KEY:{SECRET}@bucket/list.txt", "@s3://bucket/list.txt"),
        ("folder/a?b.jpg", "folder/a?b.jpg"),
        ("@list.txt", "@list.txt"),
        ("C:/pictures", "C:/pictures"),
        ("s3://bucket", "s3://bucket/"),
    ],
)
def test_the_public_part_has_no_secret(text: str, shown: str) -> None:
    assert public(text) == shown
    assert SECRET not in repr(Address.of(text.removeprefix("@")))
    assert public(Address.of(shown).full) == shown


@pytest.mark.parametrize("text", [f"s3://KEY:{SECRET}/x@bucket/a", f"https://user:{SECRET}?x@host/a"])
def test_a_password_that_looks_like_a_host_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="%2F") as caught:
        Storage.of(text)
    assert SECRET not in str(caught.value)


def test_an_unknown_option_is_named_but_not_its_value() -> None:
    with pytest.raises(ValueError, match="unknown options secret_key; known: anonymous") as caught:
        Storage.of(f"s3://bucket/a?secret_key={SECRET}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["s3:///a", "http:///a"])
def test_a_uri_without_a_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no bucket|no host"):
        Storage.of(text)


def test_an_unknown_kind_of_storage_is_refused() -> None:
    with pytest.raises(ValueError, match="nosuch:// is not a kind"):
        Storage.of("nosuch://host/a")


def test_other_stores_of_fsspec_are_read() -> None:
    system = fsspec.filesystem("memory")
    system.pipe({"/pictures/b/2.jpg": b"22", "/pictures/1.jpg": b"1", "/pictures/.hidden": b""})
    storage = Storage.of("memory://pictures")
    assert [(entry.path, entry.size) for entry in storage.walk()] == [("1.jpg", 1), ("b/2.jpg", 2)]
    assert storage.read("b/2.jpg", 1, 1) == b"2"
    assert Storage.of(storage.place("b/2.jpg")).read() == b"22"
    assert storage.info("b/none") is None
    with pytest.raises(TooLargeError):
        storage.read("b/2.jpg", limit=1)
    with pytest.raises(StorageError, match="ends after"):
        storage.read("b/2.jpg", 1, 2)
    with pytest.raises(StorageError, match="only read from"):
        storage.write_atomically("x", b"")
    system.rm("/pictures", recursive=True)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, without making them."""
    made: list[float] = []
    monkeypatch.setattr(retry_module.time, "sleep", made.append)
    return made


def test_what_fails_for_a_moment_is_done_at_last(pauses: list[float]) -> None:
    failures = iter([OSError("busy"), OSError("busy"), OSError("busy")])

    def work() -> str:
        if error := next(failures, None):
            raise error
        return "done"

    assert with_tries(work, "place", passing=lambda error: True) == "done"
    assert len(pauses) == 3
    assert pauses == sorted(pauses)
    assert pauses[2] == pytest.approx(4 * pauses[0])


def test_tries_are_bounded_and_the_error_names_the_place_without_secrets(pauses: list[float]) -> None:
    calls = []

    def work() -> None:
        calls.append(1)
        raise OSError(f"busy: {SECRET}")

    with pytest.raises(StorageError, match=r"^place: busy: \*\*\* \(after 4 tries\)$") as caught:
        with_tries(work, "place", passing=lambda error: True, secrets=(SECRET,), tries=4)
    assert (len(calls), len(pauses)) == (4, 3)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("error", [FileNotFoundError("x"), StorageError("place", "x"), OSError("final")])
def test_what_no_try_can_change_is_not_tried_again(error: OSError, pauses: list[float]) -> None:
    def work() -> None:
        raise error

    with pytest.raises(StorageError, match=r"^place: ") as caught:
        with_tries(work, "place", passing=lambda error: False)
    assert isinstance(caught.value, MissingError) == isinstance(error, FileNotFoundError)
    assert not pauses


def test_a_bug_is_no_storage_error(pauses: list[float]) -> None:
    with pytest.raises(ZeroDivisionError):
        with_tries(lambda: 1 / 0, "place", passing=lambda error: True)
    assert not pauses
