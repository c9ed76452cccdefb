"""What a camera or an editor wrote: weak evidence, since anyone can write or copy it, and what can't be true of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from cinemae.evidence.containers import Parts
from cinemae.evidence.exif import Tags
from cinemae.evidence.generators import load_rules
from cinemae.evidence.schema import Finding
from cinemae.evidence.words import clean, details

FIRST_YEAR = 1990  # of digital cameras that write dates
AGREES = 0.6  # correlation of a thumbnail with its picture, below which it is of another one
_SIDE = 16
MOST_THUMBNAIL = 2_000_000  # pixels


def camera_finding(tags: Tags, parts: Parts, properties: Mapping[str, list[str]], personal: bool) -> Finding | None:
    """Return what says that a camera took the picture, or None.

    Args:
        tags: Its EXIF tags.
        parts: Its metadata.
        properties: Its XMP properties.
        personal: Whether places, names and serial numbers are told, not only that they are there.
    """
    make, model = (clean(tags.text.get(name, ""), 80) for name in ("Make", "Model"))
    exposure = [name for name in ("ExposureTime", "FNumber", "ISO", "FocalLength") if tags.text.get(name)]
    if (
        not (make or model)
        or _no_camera(make, model)
        or not (exposure or tags.maker_note or tags.text.get("DateTimeOriginal"))
    ):
        return None
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
    shown: dict[str, object] = {
        "camera": camera,
        "lens": tags.text.get("LensModel"),
        "taken on": tags.text.get("DateTimeOriginal"),
        "exposure": ", ".join(f"{name} {tags.text[name]}" for name in exposure),
        "maker note": f"{tags.maker_note:,} bytes" if tags.maker_note else None,
        "several pictures (MPF)": "yes" if parts.of("mpf") else None,
        "gain map": "yes" if parts.of("gain_map") or any(key.startswith("hdrgm:") for key in properties) else None,
    } | _personal(tags, personal)  # fmt: skip
    return Finding(
        source="camera", says="captured", strength="weak", where="EXIF",
        text=f"the file has the data of a camera ({camera}), which anyone can write or copy", details=details(shown),
    )  # fmt: skip


def software_finding(tags: Tags, properties: Mapping[str, list[str]]) -> Finding | None:
    """Return which editing program wrote the file, or None."""
    names = [
        tags.text.get("Software", ""),
        *(v for key in ("xmp:CreatorTool", "stEvt:softwareAgent") for v in properties.get(key, [])[:20]),
    ]
    editing = [
        clean(name, 80) for name in names if name.lower().startswith(tuple(n.lower() for n in load_rules().editing))
    ]
    if not editing:
        return None
    listed = ", ".join(dict.fromkeys(editing))
    return Finding(
        source="software", says="edited", strength="weak", where="EXIF or XMP",
        text=f"the file was written by {listed}", details=details({"programs": listed}),
    )  # fmt: skip


def impossible_dates(tags: Tags, now: datetime) -> list[str]:
    """Return what can't be true of a file's dates, as sentences.

    Args:
        tags: Its EXIF tags.
        now: The time.
    """
    said: list[str] = []
    dates = {name: _date(tags.text.get(name)) for name in ("DateTimeOriginal", "ModifyDate")}
    for name, when in dates.items():
        if when is not None and when > now + timedelta(days=2):
            said.append(f"EXIF {name} lies in the future ({when:%Y-%m-%d})")
        if when is not None and when.year < FIRST_YEAR:
            said.append(f"EXIF {name} is older than digital cameras ({when:%Y-%m-%d})")
    taken, changed = dates["DateTimeOriginal"], dates["ModifyDate"]
    if taken and changed and taken > changed + timedelta(days=1):
        said.append(f"EXIF says that it was taken ({taken:%Y-%m-%d}) after it was last changed ({changed:%Y-%m-%d})")
    return said


def thumbnail_agrees(thumbnail: bytes, pixels: NDArray[np.uint8]) -> float | None:
    """Return how well an embedded thumbnail fits its picture, as a correlation; None if nothing can be said.

    Orientations and black bars are allowed for: the best of the four turns counts, of the whole and the middle.

    Args:
        thumbnail: A JPEG.
        pixels: (height, width, 3) RGB.
    """
    try:
        small = JpegImagePlugin.JpegImageFile(io.BytesIO(thumbnail))
        if small.width * small.height > MOST_THUMBNAIL or min(small.size) < _SIDE:
            return None
        preview = np.asarray(small.convert("L"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    step = max(1, min(pixels.shape[:2]) // 256)
    whole = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step])).convert("L")
    picture = _small(np.asarray(whole))
    if picture.std() < 3:  # a plain surface resembles nothing
        return None
    views = [preview, *_without_bars(preview)]
    return max(_correlation(np.rot90(_small(view), turns), picture) for view in views for turns in range(4))


def _without_bars(preview: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the preview without the dark bars that cameras put around another aspect, if there are any."""
    light = preview > 24
    rows, cols = (np.flatnonzero(light.mean(axis=axis) > 0.1) for axis in (1, 0))
    if not len(rows) or not len(cols):
        return []
    cut = preview[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return [cut] if min(cut.shape) >= _SIDE and cut.shape != preview.shape else []


def _small(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(Image.fromarray(grey).resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if one.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _no_camera(make: str, model: str) -> bool:
    """Tell whether these are no names: ComfyUI keeps its graphs in these tags."""
    return any(name.lower().startswith(("prompt:", "workflow:")) or "{" in name for name in (make, model))


def _personal(tags: Tags, told: bool) -> dict[str, object]:
    hidden = "there, not shown"
    found: dict[str, object] = {}
    if tags.position:
        found["GPS position"] = f"{tags.gps[0]:.5f}, {tags.gps[1]:.5f}" if told and tags.gps else hidden
    for name, tag in (("owner", "CameraOwnerName"), ("serial number", "BodySerialNumber"), ("artist", "Artist")):
        if tags.text.get(tag, "").strip():
            found[name] = tags.text[tag] if told else hidden
    return found


def _date(text: str | None) -> datetime | None:
    try:
        return datetime.strptime((text or "").strip()[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
