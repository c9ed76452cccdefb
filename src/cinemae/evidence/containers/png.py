"""PNG: text chunks, EXIF, XMP and the presence of C2PA, before and behind the pixels."""

from __future__ import annotations

from cinemae.evidence.containers.blocks import MOST_BYTES, MOST_STEPS, Buffer, Parts
from cinemae.evidence.words import clean, decode

XMP_KEY = b"XML:com.adobe.xmp"


def walk(data: Buffer, parts: Parts) -> None:
    """Collect the chunks that hold metadata."""
    parts.alpha = data[25] in (4, 6)
    place, steps = 8, 0
    while place + 12 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 8 + size
        if end > len(data):
            raise IndexError
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            if size > MOST_BYTES:
                parts.note(f"PNG {kind.decode()}: larger than is read")
            else:
                _text(kind.decode(), data[place + 8 : end], parts)
        elif kind == b"eXIf":
            parts.add("exif", "PNG eXIf", data[place + 8 : min(end, place + 9 + MOST_BYTES)])
        elif kind == b"caBX":
            parts.add("c2pa", "PNG caBX", b"")
            parts.manifest_bytes = size
        elif kind == b"IEND":
            return
        place, steps = end + 4, steps + 1
        if steps > MOST_STEPS:
            parts.note(f"more than {MOST_STEPS:,} chunks: the others are not read")
            return


def _text(kind: str, body: bytes, parts: Parts) -> None:
    key, _, rest = body.partition(b"\0")
    name = clean(decode(key), 79)
    where = f'PNG {kind} "{name}"'
    packed = kind == "zTXt"
    if kind == "iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        _, _, rest = rest.partition(b"\0")
        _, _, rest = rest.partition(b"\0")
    elif kind == "zTXt":
        rest = rest[1:]
    if packed:
        unpacked = parts.unpack(where, rest)
        if unpacked is None:
            return
        rest = unpacked
    if key == XMP_KEY:
        parts.add("xmp", where, rest)
    elif name.startswith("Raw profile type "):
        _raw_profile(name, where, rest, parts)
    else:
        parts.add("text", where, rest, name)


def _raw_profile(name: str, where: str, body: bytes, parts: Parts) -> None:
    """Read ImageMagick's way of putting EXIF and XMP into text: a name, a length, hexadecimal digits."""
    lines = body.split(b"\n", 3)
    try:
        raw = bytes.fromhex(lines[3].decode("ascii"))
    except (IndexError, UnicodeDecodeError, ValueError):
        parts.note(f"{where}: is no profile")
        return
    kind = name.removeprefix("Raw profile type ").lower()
    if kind in ("exif", "app1") and raw.startswith(b"Exif\0\0"):
        parts.add("exif", where, raw[6:])
    elif kind == "xmp":
        parts.add("xmp", where, raw)
    elif kind == "iptc":
        parts.add("iptc", where, raw)
