"""Headers: which allowed format a file has, and decoding that never returns half an image.

``Image.open`` is not used: above Pillow's own pixel limit it warns or fails whatever our limit is,
and warnings can't be caught safely in threads. Pillow's global switches (``MAX_IMAGE_PIXELS``,
``LOAD_TRUNCATED_IMAGES``) are neither changed nor relied on: other libraries set them on import.

Where a file holds several pictures, the one that its format calls primary is opened (docs/formats.md).
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.MpoImagePlugin import MpoImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cinemae.extras import install_hint
from cinemae.images import boxes, film, primary, tiff
from cinemae.images.errors import (
    CorruptImageError,
    EndsEarlyError,
    ImageError,
    PixelLimitError,
    TruncatedImageError,
    UnsupportedFormatError,
    UnsupportedModeError,
)
from cinemae.images.jpeg import load_jpeg
from cinemae.images.png_text import without_large_text
from cinemae.images.structure import check_structure

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp", ".gif")
) | {".bmp", ".dib", ".tif", ".tiff", ".btf", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"}
HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"))
AVIF_BRANDS = frozenset((b"avif", b"avis"))
PRIMARY = "Baseline MP Primary Image"
RAW_FILES = (
    (0, b"IIRO", "ORF"), (0, b"IIRS", "ORF"), (0, b"MMOR", "ORF"), (0, b"IIU\0", "RW2"), (8, b"CR\2", "CR2"),
    (6, b"HEAPCCDR", "CRW"), (4, b"ftypcrx ", "CR3"), (0, b"FUJIFILMCCD-RAW", "RAF"), (0, b"FOVb", "X3F"),
    (0, b"\0MRM", "MRW"),
)  # fmt: skip
PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Avif")
ENDS_EARLY = (
    "truncated", "unexpected end", "end of file", "not enough", "incomplete", "too short", "read next frame",
    "unrecognized image contents",
)  # fmt: skip

_load = ImageFile.ImageFile.load
# Pillow's own loop with the one global that would let truncated and broken files pass as grey halves.
_STRICT_LOAD = FunctionType(
    _load.__code__, vars(ImageFile) | {"LOAD_TRUNCATED_IMAGES": False}, "load", _load.__defaults__, _load.__closure__
)


@dataclass
class Opened:
    """A file whose header was read.

    Attributes:
        image: The primary picture, not decoded.
        frames: Pictures or frames in the file.
        notes: What is to be said of the others, and of what can't be honoured.
        collection: The items of a HEIC or AVIF.
        cicp: Colour space of a HEIC or AVIF as code points: primaries, transfer, matrix, range.
        samples: How the samples of a TIFF are meant.
    """

    image: Image.Image
    frames: int = 1
    notes: list[str] = field(default_factory=list)
    collection: boxes.Collection | None = None
    cicp: primary.Cicp | None = None
    samples: tiff.Samples | None = None


def identify(data: bytes, name: str) -> Image.Image:
    """Return the primary picture of a file, as :func:`open_primary` finds it.

    Raises:
        ImageError: As there.
    """
    return open_primary(data, name).image


def open_primary(data: bytes, name: str) -> Opened:
    """Parse a file's header with the plugins of the allowed formats only; nothing is decoded.

    Args:
        data: The whole file.
        name: What errors call it.

    Raises:
        ImageError: If the format is not allowed, the header can't be read, or the file's parts
            can't be those of an image (:func:`cinemae.images.structure.check_structure`).
    """
    register_plugins()
    for start, magic, kind in RAW_FILES:
        if data.startswith(magic, start):
            raise tiff.raw_file(name, kind)
    if _is_short(data):
        raise TruncatedImageError(name, "the file ends too early (before the end that its header states)")
    check_structure(data, name)
    data = without_large_text(data)
    brands = _brands(data)
    if brands & HEIF_BRANDS and not brands & AVIF_BRANDS and "HEIF" not in Image.OPEN:
        raise UnsupportedFormatError(name, f"HEIC needs the extra: {install_hint('heic')}")
    notes: list[str] = []
    directory = tiff.choose(data, name, notes) if data[:2] in (b"II", b"MM") else None
    samples = tiff.read_samples(directory, data, name) if directory else None
    image = _open(tiff.pointed_at(data, directory) if directory else data, name)
    return Opened(image, notes=notes, samples=samples)


def _open(data: bytes, name: str) -> Image.Image:
    cause: Exception | None = None
    for kind in ALLOWED_FORMATS:
        if kind not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[kind]
        answer = accept(data[:16]) if accept else True
        if not answer:
            continue
        if isinstance(answer, str):  # the plugin's reason, for example a Pillow built without AVIF
            raise UnsupportedFormatError(name, answer)
        try:
            return factory(io.BytesIO(data), "")
        except Exception as error:  # hostile bytes raise anything; the last cause is reported below
            cause = error
    if cause is not None:
        raise refusal(cause, name) from cause
    raise UnsupportedFormatError(
        name, "not an image of an allowed format (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIF)"
    )


def note_others(opened: Opened, data: bytes, name: str) -> None:
    """Count the pictures of a file, and say what was not taken.

    Args:
        opened: Gets the count and the notes; its image is left at the primary picture.
        data: The whole file.
        name: What errors call it.

    Raises:
        Exception: Whatever a broken file makes Pillow raise.
    """
    if opened.image.format in ("AVIF", "HEIF"):
        _note_collection(opened, data, name)
    else:
        _note_frames(opened, data)


def _note_frames(opened: Opened, data: bytes) -> None:
    """Count the frames or pages, and leave the image at the first."""
    image, notes = opened.image, opened.notes
    opened.frames = int(getattr(image, "n_frames", 1))
    image.seek(0)  # counting may have walked through the file
    if image.format == "TIFF" and notes:  # not its first page, and the chain was entered there
        opened.frames = max(opened.frames, tiff.count_pages(data))
    elif opened.frames > 1:
        notes.append(f"first of {opened.frames} frames")
    if isinstance(image, MpoImageFile):
        entries = [entry["Attribute"]["MPType"] == PRIMARY for entry in (image.mpinfo or {})[0xB002]]
        if any(entries) and not entries[0]:
            raise ValueError("its index calls another picture primary than the first, which is what others show")
    if image.info.get("default_image"):
        notes.append("it is the still picture of the file; browsers show the animation instead")


def _note_collection(opened: Opened, data: bytes, name: str) -> None:
    """Say which picture of a HEIC or AVIF is the primary one, and check that AVIF's decoder won't scale it."""
    image, collection = opened.image, boxes.read_collection(data)
    opened.frames = int(getattr(image, "n_frames", 1))
    if collection is None:
        return
    opened.collection, header = collection, None
    if image.format == "AVIF":
        if collection.major == b"avis" and collection.sequence:
            header = film.check_coded_size(data, image.size, name)
        else:
            header = primary.check_coded_size(collection, name)
    opened.cicp = primary.colours(collection, header)
    shown = collection.shown()
    if opened.frames > 1 and collection.sequence:
        opened.notes.append(f"first of {opened.frames} frames")
    elif len(shown) > 1:
        place = shown.index(collection.primary) + 1 if collection.primary in shown else "?"
        opened.notes.append(f"picture {place} of {len(shown)} taken, which the file calls primary")
        opened.frames = max(opened.frames, len(shown))
    if collection.sequence and collection.items and opened.frames == 1:
        opened.notes.append("the file holds a film, too")


@cache
def register_plugins() -> None:
    """Make Pillow know the allowed formats, and no more; HEIF if the extra is installed."""
    for plugin in PLUGINS:
        importlib.import_module(f"PIL.{plugin}ImagePlugin")
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return  # the extra is not installed: identify() refuses a HEIC file and names it
    register_heif_opener()


def load_strictly(image: Image.Image) -> list[str]:
    """Decode an opened image, or raise; never fill what is missing with grey.

    Returns:
        What is to be said of a JPEG whose data are damaged or not closed.

    Raises:
        Exception: Whatever the decoder raises.
    """
    if image.format == "HEIF" and ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UnsupportedModeError("HEIC can't be checked for truncation while LOAD_TRUNCATED_IMAGES is set")
    if isinstance(image, JpegImageFile) and isinstance(image.fp, io.BytesIO):
        return load_jpeg(image, image.fp.getvalue())
    by_libtiff = isinstance(image, TiffImageFile) and image.use_load_libtiff
    if type(image).load is _load or (isinstance(image, TiffImageFile) and not by_libtiff):
        _STRICT_LOAD(image)
    else:  # libtiff, WebP and AVIF check for themselves, whatever the switch says
        image.load()
    return []


def refusal(error: Exception, name: str) -> ImageError:
    """Return the error of this package for one that a decoder raised."""
    if isinstance(error, ImageError):
        return error
    text = str(error) or type(error).__name__
    if isinstance(error, UnsupportedModeError):
        return UnsupportedFormatError(name, text)
    if "unknown pixel mode" in text or "unknown raw mode" in text:  # a sound TIFF of RGB floats, for example
        return UnsupportedFormatError(name, "samples of this kind are not supported; save it as 8-bit RGB or grey")
    if "exceeds the maximum image size" in text:  # libheif, which looks at the coded size before it decodes
        return PixelLimitError(name, f"its coded picture is larger than it declares ({text.strip()})")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return PixelLimitError(name, f"more pixels than Pillow allows ({text})")
    if isinstance(error, MemoryError):
        return PixelLimitError(name, "there is not enough memory to decode it")
    if isinstance(error, EOFError | EndsEarlyError) or any(word in text.lower() for word in ENDS_EARLY):
        return TruncatedImageError(name, f"the file ends too early ({text})")
    return CorruptImageError(name, f"can't be decoded ({text})")


def _is_short(data: bytes) -> bool:
    """Tell whether a file ends before a place that its header names; Pillow doesn't look, or can't say why it fails."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data[:4] in (b"II*\0", b"MM\0*"):  # TIFF: the directory may lie behind the pixels
        return int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") >= len(data)
    return False


def _brands(data: bytes) -> frozenset[bytes]:
    """Return the brands that an ISO base media file (AVIF, HEIC) declares in its first box."""
    if data[4:8] != b"ftyp":
        return frozenset()
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return frozenset(box[start : start + 4] for start in range(0, len(box), 4) if start != 4)
