"""The command line as a user runs it: a process of its own, and the files that it meets."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from processes import environment
from toys import pink

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cinemae() -> Run:
    """Run ``cinemae`` to its end, as a process."""

    def run(*arguments: object, stdin: bytes | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cinemae", *map(str, arguments)]
        settings = {"env": environment(), "timeout": 600} | options
        done = subprocess.run(command, input=stdin, capture_output=True, **settings)
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, one of them deeper; hidden files and a text file beside them."""
    place = tmp_path_factory.mktemp("album")
    (place / "deep" / "er").mkdir(parents=True)
    (place / ".thumbs").mkdir()
    Image.fromarray(pink(1)).save(place / "b.png")
    Image.fromarray(pink(2)).save(place / "a.JPG", quality=92)
    Image.fromarray(pink(3)).save(place / "deep" / "er" / "c.webp", lossless=True)
    Image.fromarray(pink(4)).save(place / ".hidden.png")
    Image.fromarray(pink(5)).save(place / ".thumbs" / "d.png")
    (place / "notes.txt").write_text("not an image")
    return place


@pytest.fixture(scope="session")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that are refused, by the name of the refusal."""
    place = tmp_path_factory.mktemp("bad")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    bomb += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    Image.fromarray(pink(6)).save(place / "whole.jpg")
    contents = {
        "PixelLimitError": ("bomb.png", bomb),
        "TruncatedImageError": ("cut.jpg", (place / "whole.jpg").read_bytes()[:2000]),
        "UnsupportedFormatError": ("text.jpg", b"This is no image at all, whatever its name says."),
    }
    (place / "whole.jpg").unlink()
    for name, data in contents.values():
        (place / name).write_bytes(data)
    return {error: place / name for error, (name, _) in contents.items()}
