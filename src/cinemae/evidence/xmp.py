"""XMP: properties by their usual names, read by a bounded event parser that takes no document type and no entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MOST_ELEMENTS = 20_000
MOST_DEPTH = 64
MOST_VALUES = 2_000
MOST_TEXT = 1 << 20  # characters of one value
_OPEN, _CLOSE = b"<x:xmpmeta", b"</x:xmpmeta>"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PREFIXES: Mapping[str, str] = {
    "http://purl.org/dc/elements/1.1/": "dc", "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM", "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop", "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX", "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://ns.adobe.com/hdr-gain-map/1.0/": "hdrgm", "http://ns.google.com/photos/1.0/container/": "Container",
    "http://ns.google.com/photos/1.0/camera/": "GCamera", "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
}  # fmt: skip


class XmpError(ValueError):
    """A packet that is not read to its end; the message says why.

    Attributes:
        values: What was read before that, as :func:`read_xmp` returns it.
    """

    def __init__(self, reason: str, values: dict[str, list[str]] | None = None) -> None:
        super().__init__(reason)
        self.values = values or {}


@dataclass
class _Reading:
    """What has been read so far, and the elements that are open."""

    values: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    text: list[list[str]] = field(default_factory=list)
    elements: int = 0
    kept: int = 0
    characters: int = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            raise XmpError(f"more than {MOST_ELEMENTS:,} elements")
        if len(self.names) >= MOST_DEPTH:
            raise XmpError(f"elements nested deeper than {MOST_DEPTH}")
        self.names.append(name)
        self.text.append([])
        for key, value in attributes.items():
            if key.endswith(" resource") and key.startswith(_RDF):
                self.keep(self.owner(), value)
            elif not key.startswith(_RDF) and " " in key:
                self.keep(_short(key), value)

    def end(self, name: str) -> None:
        value = "".join(self.text.pop()).strip()
        if value:
            self.keep(self.owner(), value)
        self.names.pop()

    def characters_in(self, text: str) -> None:
        self.characters += len(text)
        if self.text and self.characters <= 4 * MOST_TEXT:
            self.text[-1].append(text)

    def owner(self) -> str:
        """Return the property that a value belongs to: the innermost element that is not RDF's."""
        return next((_short(name) for name in reversed(self.names) if not name.startswith(_RDF)), "")

    def keep(self, key: str, value: str) -> None:
        self.kept += 1
        if key and self.kept <= MOST_VALUES:
            self.values.setdefault(key, []).append(value[:MOST_TEXT])


def read_xmp(packet: bytes) -> dict[str, list[str]]:
    """Return the values of a packet by property, for example ``photoshop:Credit``.

    Values of lists and structures stand under the name of the innermost property that holds them.

    Args:
        packet: The packet's bytes.

    Raises:
        XmpError: If it is no XML, has a document type, or more parts than metadata need. It holds what was read.
    """
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reading.begin
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.characters_in
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(_trimmed(packet), True)
    except expat.ExpatError as error:
        raise XmpError(f"not XML ({expat.ErrorString(error.code)})", reading.values) from error
    except XmpError as error:
        error.values = reading.values
        raise
    return reading.values


def _trimmed(packet: bytes) -> bytes:
    """Return the packet without the padding and the leavings of other programs around it."""
    start, end = packet.find(_OPEN), packet.find(_CLOSE)
    if start >= 0 and end > start and b"<!DOCTYPE" not in packet[:start]:
        return packet[start : end + len(_CLOSE)]
    return packet.strip(b"\0 \r\n\t\xef\xbb\xbf")


def _refuse(*_: object) -> None:
    raise XmpError("a document type, which metadata have no need of")


def _short(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return f"{PREFIXES[namespace]}:{local}" if namespace in PREFIXES else local
