"""Other people's files: what is no file is never opened, and text is what its mark says, or refused by line."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cinemae.images import ImageLimits, UnreadableFileError, header_size, load_image
from cinemae.plainfiles import EncodingError, NotAFileError, open_plain, read_plain, read_text

KINDS = {"pipe": "a named pipe", "socket": "a socket", "device": "a device"}


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of things that are called images and are none, each also behind a link."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    os.mkfifo("pipe.jpg")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.jpg")
    Path("device.jpg").symlink_to("/dev/zero")
    Path("nowhere.jpg").symlink_to("gone")
    Path("loop.jpg").symlink_to("loop.jpg")
    for kind in KINDS:
        Path(f"{kind}-link.jpg").symlink_to(f"{kind}.jpg")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("link", ["", "-link"])
def test_what_is_no_file_is_not_opened(odd: Path, kind: str, link: str) -> None:
    path = odd / f"{kind}{link}.jpg"
    for read in (open_plain, read_plain, read_text):
        with pytest.raises(NotAFileError, match=f"{KINDS[kind]}, not a file"):
            read(path)
    for read in (load_image, header_size):
        with pytest.raises(UnreadableFileError, match=f"{KINDS[kind]}, not a file"):
            read(path)


def test_links_that_lead_nowhere_are_said_to(odd: Path) -> None:
    with pytest.raises(UnreadableFileError, match="a link that leads nowhere"):
        load_image(odd / "nowhere.jpg")
    with pytest.raises(UnreadableFileError, match="symbolic links"):
        load_image(odd / "loop.jpg")
    with pytest.raises(FileNotFoundError, match="No such file"):
        open_plain(odd / "none.jpg")
    with pytest.raises(IsADirectoryError):
        open_plain(odd)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(1 << 40)  # read, it would fill any memory
    with pytest.raises(UnreadableFileError, match="larger than the limit of 1,000 bytes"):
        load_image(tmp_path / "sparse.jpg", limits=ImageLimits(max_bytes=1000))
    with pytest.raises(OSError, match="larger than the limit"):
        read_plain(tmp_path / "sparse.jpg", most=1000)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_is_read_by_its_mark(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding[-2:] in ("le", "be") else ""
    (tmp_path / "a.csv").write_bytes((mark + "path,label\r\nbild-ü.png,ai\r\n").encode(encoding))
    assert read_text(tmp_path / "a.csv") == "path,label\r\nbild-ü.png,ai\r\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("path\na.png\ncafé.png\n".encode("cp1252"), r"a\.csv, line 3: not UTF-8 \(byte 0xe9\)"),
        ("path\na.png\n".encode("utf-16-le"), r"a\.csv, line 1: has null bytes"),
        (b"\xff\xfea", r"a\.csv: begins with the mark of UTF-16 and is not"),
    ],
)
def test_other_text_is_refused_by_line(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(EncodingError, match=said):
        read_text(tmp_path / "a.csv")
