"""WebDataset shards: the image files in a tar, each by its offset, from the headers alone.

Archives that were joined (``cat one.tar two.tar``) are read one after the other: what follows an end mark is looked at.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from cinemae.images import IMAGE_SUFFIXES
from cinemae.leftout import kind_of
from cinemae.naming import printable
from cinemae.scan.items import Item
from cinemae.scan.sources.context import problem
from cinemae.scan.storage import Storage, StorageError

_BLOCK = 512
_MAGIC = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar",
}  # fmt: skip
_COMPRESSED = "is compressed ({kind}), and members can't be read out of the middle; unpack it to a plain .tar"
_BLOCKS = 1 << 20  # bytes of zeros that are skipped at a time behind an end mark


def shard_items(
    storage: Storage, path: str, name: str, modified: float | None, *, left_out: Counter[str] | None = None
) -> Iterator[Item]:
    """List the image files in a tar, in its order; what is broken in it is an item with a reason.

    Args:
        storage: Where the shard is.
        path: The shard.
        name: Its id, which the ids of its members begin with.
        modified: When the shard was written; its members' own dates are often invented.
        left_out: Counts by kind the members that are no images.
    """
    counter = Counter[str]() if left_out is None else left_out
    place = storage.place(path)
    try:
        with storage.open(path) as file:
            if kind := _compression(file):
                yield problem(name, place, _COMPRESSED.format(kind=kind))
                return
            start: int | None = 0
            while start is not None:
                file.seek(start)
                with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as tar:
                    yield from _members(tar, name, place, modified, counter)
                    if reason := _early_end(file, tar.offset):
                        yield problem(name, place, reason)
                        return
                    start = _next_archive(file, tar.offset)
    except (tarfile.TarError, StorageError) as error:
        reason = error.reason if isinstance(error, StorageError) else f"a broken tar ({error})"
        yield problem(name, place, f"{reason}; members after this place are not listed")


def compressed(storage: Storage, path: str, name: str) -> Item:
    """Return the refusal of a tar whose name says that it is compressed."""
    return problem(name, storage.place(path), _COMPRESSED.format(kind=PurePosixPath(path or name).suffix))


def _members(
    tar: tarfile.TarFile, name: str, place: str, modified: float | None, left_out: Counter[str]
) -> Iterator[Item]:
    while (member := tar.next()) is not None:
        vars(tar)["members"].clear()  # tarfile keeps them all, which for millions is too much
        file = PurePosixPath(member.name)
        if member.isdir():
            continue
        if file.name.startswith(".") or file.suffix.lower() not in IMAGE_SUFFIXES:
            left_out[kind_of(member.name)] += 1
            continue
        full = f"{name}/{member.name}"
        if not member.isreg() or member.issparse():
            yield problem(full, place, "a link, a device or a sparse file in a tar has no bytes of its own")
            continue
        yield Item(
            id=printable(full),
            kind="tar",
            place=place,
            offset=member.offset_data,
            size=member.size,
            modified=modified,
        )


def _compression(file: BinaryIO) -> str | None:
    start = file.read(6)
    file.seek(0)
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def _next_archive(file: BinaryIO, offset: int) -> int | None:
    """Return where, behind the zeros of an end mark, something begins again; None if nothing does."""
    file.seek(offset)
    while data := file.read(_BLOCKS):
        if data.count(0) < len(data):
            first = len(data) - len(data.lstrip(b"\0"))
            return (offset + first) // _BLOCK * _BLOCK
        offset += len(data)
    return None


def _early_end(file: BinaryIO, offset: int) -> str | None:
    """Return what is wrong where tarfile saw the end: it takes a broken header for one."""
    file.seek(offset)
    block = file.read(_BLOCK)
    if len(block) == _BLOCK and not any(block):
        return None
    if not block:
        return "the end mark of a tar is missing; members may be missing too"
    return f"no header of a member at byte {offset:,}; members after this place are not listed"
