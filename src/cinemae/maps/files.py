"""Maps as files: names after their inputs, and nobody's file overwritten."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cinemae.maps.patches import parts_of
from cinemae.maps.pictures import overlay, side_by_side

if TYPE_CHECKING:
    from cinemae.detector import Scored

_OWNER = "cinemae-input"


def write_maps(scored: Scored, folder: Path, *, resize: int = 256) -> list[Path]:
    """Write both pictures of one image into a folder, as ``NAME.overlay.png`` and ``NAME.sides.png``.

    NAME is the input's name without folder and suffix. If other files have these names already,
    another input's maps or anything else, a short hash of the input is added. Each
    picture carries the hash of its input, so that maps are replaced only by those of the same image
    under the same path, and the conclusion as text.

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
    stem = _stem(scored.verdict.path)
    pictures = {"overlay": overlay(scored, resize=resize), "sides": side_by_side(scored)}
    for name in (stem, f"{stem}-{owner[:8]}", f"{stem}-{owner}"):
        paths = [folder / f"{name}.{kind}.png" for kind in pictures]
        if all(_is_free(path, owner) for path in paths):
            break
    info = PngInfo()
    info.add_text(_OWNER, owner)
    if scored.verdict.conclusion is not None:
        info.add_itxt("cinemae-conclusion", scored.verdict.conclusion.text)
    for path, picture in zip(paths, pictures.values(), strict=True):
        picture.save(path, pnginfo=info)
    return paths


def _stem(path: str) -> str:
    """Return a plain file name for an input: a path, a URL, ``-`` or ``<bytes>``."""
    if path == "-":
        return "stdin"
    name = PurePosixPath(path.split("?")[0].replace("\\", "/")).stem
    return re.sub(r"[^\w.-]+", "_", name).strip("._-")[:80] or "image"


def _is_free(path: Path, owner: str) -> bool:
    """Tell whether a map may be written here: nothing is there, or this input's own."""
    if not path.exists():
        return True
    try:
        with Image.open(path, formats=["PNG"]) as old:
            return bool(old.info.get(_OWNER) == owner)
    except OSError:  # something else under this name
        return False
