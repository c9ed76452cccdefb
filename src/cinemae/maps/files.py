"""Maps as files: names after their inputs, nobody's file overwritten, and never half a picture."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cinemae.maps.marks import KINDS, OWNER
from cinemae.maps.patches import parts_of
from cinemae.maps.pictures import overlay, side_by_side

if TYPE_CHECKING:
    from cinemae.detector import Scored

_LONGEST = 80  # letters of the input's own name
_NAME_BYTES = 255  # of a file name, where the file system doesn't say
_SHORT = 143  # what the narrowest file systems take (encrypted ones)


def write_maps(scored: Scored, folder: Path, *, resize: int = 256) -> list[Path]:
    """Write both pictures of one image into a folder, as ``NAME.overlay.png`` and ``NAME.sides.png``.

    NAME is the input's name without folder and suffix, cut to what the file system takes. If other files
    have these names already, another input's maps or anything else, a short hash of the input is added. Each
    picture carries the hash of its input, so that maps are replaced only by those of the same image
    under the same path, and the conclusion as text. A picture is written under a hidden name and renamed: it is there
    as a whole or not at all.

    Args:
        scored: A scored image.
        folder: An existing folder.
        resize: See :func:`overlay`.

    Returns:
        The two files.

    Raises:
        ValueError: If the input was refused.
        OSError: If a file can't be written.
    """
    image, _ = parts_of(scored)
    owner = hashlib.sha256(f"{scored.verdict.path}\n{image.facts.sha256}".encode()).hexdigest()
    pictures = dict(zip(KINDS, (overlay(scored, resize=resize), side_by_side(scored)), strict=True))
    info = PngInfo()
    info.add_text(OWNER, owner)
    if scored.verdict.conclusion is not None:
        info.add_itxt("cinemae-conclusion", scored.verdict.conclusion.text)
    stem = _stem(scored.verdict.path)
    try:
        return _write(pictures, folder, stem, owner, info, _name_bytes(folder))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    return _write(pictures, folder, stem, owner, info, _SHORT)


def _write(
    pictures: dict[str, Image.Image], folder: Path, stem: str, owner: str, info: PngInfo, most: int
) -> list[Path]:
    for ending in ("", f"-{owner[:8]}", f"-{owner}"):
        longest = max(len(f"{ending}.{kind}.png") for kind in pictures)
        name = _cut(stem, most - longest) + ending
        paths = [folder / f"{name}.{kind}.png" for kind in pictures]
        if all(_is_free(path, owner) for path in paths):
            break
    for path, picture in zip(paths, pictures.values(), strict=True):
        temporary = folder / f".{secrets.token_hex(8)}.png"
        try:
            picture.save(temporary, pnginfo=info)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return paths


def _name_bytes(folder: Path) -> int:
    """Return how many bytes a file name in a folder may have."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # not said by this file system, or not on this system
        return _NAME_BYTES


def _cut(text: str, most: int) -> str:
    """Return as much of the beginning of a text as fits into so many bytes of UTF-8."""
    return text.encode("utf-8", "replace")[: max(1, most)].decode("utf-8", "ignore") or "_"


def _stem(path: str) -> str:
    """Return a plain file name for an input: a path, a URL, ``-`` or ``<bytes>``."""
    if path == "-":
        return "stdin"
    name = PurePosixPath(path.split("?")[0].replace("\\", "/")).stem
    return re.sub(r"[^\w.-]+", "_", name).strip("._-")[:_LONGEST] or "image"


def _is_free(path: Path, owner: str) -> bool:
    """Tell whether a map may be written here: nothing is there, not even a link, or this input's own."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(mode):  # a link could lead anywhere, a pipe would never end
        return False
    try:
        with Image.open(path, formats=["PNG"]) as old:
            return bool(old.info.get(OWNER) == owner)
    except OSError:  # something else under this name
        return False
