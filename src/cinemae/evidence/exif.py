"""EXIF: a small bounded reader of the tags that say where a picture comes from."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from cinemae.evidence.buffers import Buffer

MOST_ENTRIES = 1_000  # of a directory
MOST_DIRECTORIES = 6
MOST_VALUE = 1 << 20  # bytes of a value
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_EXIF, _GPS, _THUMBNAIL, _THUMBNAIL_SIZE = 0x8769, 0x8825, 0x0201, 0x0202

NAMES = {
    0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x0132: "ModifyDate",
    0x013B: "Artist", 0x8298: "Copyright", 0x9003: "DateTimeOriginal", 0x9004: "DateTimeDigitized",
    0x927C: "MakerNote", 0x9286: "UserComment", 0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9D: "XPAuthor",
    0x9C9E: "XPKeywords", 0x9C9F: "XPSubject", 0xA430: "CameraOwnerName", 0xA431: "BodySerialNumber",
    0xA433: "LensMake", 0xA434: "LensModel", 0x829A: "ExposureTime", 0x829D: "FNumber", 0x8827: "ISO",
    0x920A: "FocalLength", 0x010D: "DocumentName",
}  # fmt: skip
_C2PA = 0xCD41
_WANTED = frozenset(NAMES) | {700, 33723, 34377, _C2PA, _EXIF, _GPS, _THUMBNAIL, _THUMBNAIL_SIZE, 1, 2, 3, 4}
_UTF16 = (0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)


@dataclass
class Tags:
    """The tags of one EXIF structure.

    Attributes:
        text: Values as text, by name.
        raw: Bytes of the values of the first directory, by number; of a C2PA store its size, in eight bytes.
        thumbnail: The embedded preview, a JPEG; empty if there is none.
        position: Whether there is a directory of GPS tags with a latitude.
        gps: Latitude and longitude in degrees, if they can be read.
        maker_note: Size of the maker note in bytes.
    """

    text: dict[str, str] = field(default_factory=dict)
    raw: dict[int, bytes] = field(default_factory=dict)
    thumbnail: bytes = b""
    position: bool = False
    gps: tuple[float, float] | None = None
    maker_note: int = 0


def read_tags(data: Buffer, *, most: int = MOST_VALUE) -> Tags:
    """Read an EXIF structure, which is laid out as a TIFF file; what points outside of it is left out.

    Args:
        data: The structure, from its byte order mark on.
        most: Bytes of a value beyond which it is left out.
    """
    tags = Tags()
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 8:
        return tags
    (place,) = struct.unpack(order + "I", data[4:8])
    first, following = _directory(data, order, place, most)
    tags.raw = {tag: value for tag, (_, value) in first.items()}
    inner = _at(data, order, first.get(_EXIF), most)
    for tag, (kind, value) in (first | inner).items():
        if tag in NAMES:
            tags.text[NAMES[tag]] = _as_text(tag, kind, value, order)
    tags.maker_note = len((first | inner).get(0x927C, (0, b""))[1])
    gps = _at(data, order, first.get(_GPS), most)
    tags.position = 2 in gps
    tags.gps = _position(gps, order)
    small, _ = _directory(data, order, following, most)
    start, size = (_number(small.get(tag), order) for tag in (_THUMBNAIL, _THUMBNAIL_SIZE))
    if start and size and size <= most:
        tags.thumbnail = bytes(data[start : start + size])
    return tags


Entries = dict[int, tuple[int, bytes]]


def _directory(data: Buffer, order: str, place: int, most: int) -> tuple[Entries, int]:
    """Return the entries of a directory and the place of the next one."""
    found: Entries = {}
    if not 8 <= place <= len(data) - 2:
        return found, 0
    (count,) = struct.unpack(order + "H", data[place : place + 2])
    for at in range(place + 2, place + 2 + 12 * min(count, MOST_ENTRIES), 12):
        entry = data[at : at + 12]
        if len(entry) < 12:
            return found, 0
        tag, kind, number = struct.unpack(order + "HHI", entry[:8])
        size = _SIZES.get(kind, 0) * number
        if tag == _C2PA:  # of which only the size is asked
            found[tag] = (kind, size.to_bytes(8, "big"))
        # Others are not copied: a thousand of them may claim the same bytes.
        if not size or size > most or tag not in _WANTED or tag == _C2PA:
            continue
        (start,) = struct.unpack(order + "I", entry[8:])
        value = entry[8 : 8 + size] if size <= 4 else data[start : start + size]
        if len(value) == size:
            found[tag] = (kind, bytes(value))
    after = data[place + 2 + 12 * count : place + 6 + 12 * count]
    return found, struct.unpack(order + "I", after)[0] if len(after) == 4 else 0


def _at(data: Buffer, order: str, entry: tuple[int, bytes] | None, most: int) -> Entries:
    return _directory(data, order, _number(entry, order), most)[0]


def _number(entry: tuple[int, bytes] | None, order: str) -> int:
    if entry is None or entry[0] not in (3, 4, 13):
        return 0
    code = "H" if entry[0] == 3 else "I"
    return int(struct.unpack(order + code, entry[1][: struct.calcsize(code)])[0])


def _as_text(tag: int, kind: int, value: bytes, order: str) -> str:
    if kind in (5, 10):
        over, under = struct.unpack(order + ("II" if kind == 5 else "ii"), value[:8])
        return f"{over}/{under}"
    if kind in (3, 4):
        return str(_number((kind, value), order))
    if tag in _UTF16:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    if tag == 0x9286 and kind != 2:  # some writers give it the type of bytes
        return _comment(value, order)
    return value.split(b"\0", 1)[0].decode("utf-8", "replace") if kind == 2 else _printed(value)


def _printed(value: bytes) -> str:
    """Return what reads as text of an untyped value, for example of OpenAI's maker note."""
    return value.rstrip(b"\0").decode("utf-8", "replace") if b"\0" not in value.rstrip(b"\0") else ""


def _comment(value: bytes, order: str) -> str:
    """Decode a user comment: eight bytes name its character set; writers don't agree on the order of UTF-16."""
    name, body = value[:8], value[8:]
    if name.startswith(b"UNICODE"):
        guess = "utf-16-be" if body[:1] == b"\0" else "utf-16-le" if body[1:2] == b"\0" else None
        return body.decode(guess or ("utf-16-be" if order == ">" else "utf-16-le"), "replace").strip("\0")
    if name.startswith((b"ASCII", b"\0\0\0\0")):
        return body.rstrip(b"\0").decode("utf-8", "replace")
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _position(gps: Entries, order: str) -> tuple[float, float] | None:
    degrees = []
    for tag, negative in ((2, b"S"), (4, b"W")):
        kind, value = gps.get(tag, (0, b""))
        if kind != 5 or len(value) < 24:
            return None
        parts = struct.unpack(order + "6I", value[:24])
        if 0 in parts[1::2]:
            return None
        angle = sum(
            over / under / 60**step for step, (over, under) in enumerate(zip(parts[::2], parts[1::2], strict=True))
        )
        degrees.append(-angle if gps.get(tag - 1, (0, b""))[1][:1] == negative else angle)
    return degrees[0], degrees[1]
