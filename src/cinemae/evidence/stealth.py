"""NovelAI's stealth data: a gzipped JSON in the lowest bits of the alpha channel, column by column.

Two steps, since nearly no picture has it: the signature is read out of the first column alone, for which a PNG's rows
need only be unpacked as far as they are asked for; only a picture with it is decoded.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image, PngImagePlugin, WebPImagePlugin

from cinemae.evidence.buffers import Buffer
from cinemae.evidence.containers.blocks import MOST_BYTES, Parts
from cinemae.evidence.parameters import load_json, parse
from cinemae.evidence.schema import Finding
from cinemae.evidence.words import decode, details

SIGNATURES = (b"stealth_pngcomp", b"stealth_pnginfo")
_BITS = 8 * len(SIGNATURES[0])
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
MOST_PIXELS = 20_000_000  # of a picture that is decoded; NovelAI makes up to 3
MOST_ROWS = 16 << 20  # bytes that are unpacked to see the signature


def stealth_finding(data: Buffer, parts: Parts) -> Finding | None:
    """Return what a picture's alpha channel says, or None.

    Args:
        data: The whole file.
        parts: Its metadata, for its format and whether it has an alpha channel.
    """
    if not parts.alpha or parts.format not in ("PNG", "WebP"):
        return None
    if parts.format == "PNG" and not _begins(data):
        return None
    text = _text(data, parts)
    if text is None:
        return None
    value = load_json(text)
    inner = value.get("Comment") if isinstance(value, dict) else None
    read = parse("json", inner if isinstance(inner, str) else text)
    if isinstance(value, dict) and "Description" in value:
        read |= {"prompt": value["Description"]}
    if not any(read.values()):  # other programs hide their text in the same way
        read = parse("a1111", text)
    software = str(value.get("Software", "")) if isinstance(value, dict) else ""
    generator = "NovelAI" if "novelai" in (software + text[:2_000]).lower() else "a program that writes stealth data"
    return Finding(
        source="generator", says="ai", strength="stated", generator=generator, where=f"{parts.format} alpha channel",
        text=f"the file says that {generator} made it (data hidden in its alpha channel)", details=details(read),
    )  # fmt: skip


def _begins(data: Buffer) -> bool:
    """Tell whether a PNG's first column begins with a signature in its alpha bits; others are not decoded."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    depth, colour, interlaced = data[24], data[25], data[28]
    if depth != 8 or colour != 6 or interlaced or not width or height < _BITS:
        return bool(interlaced and colour == 6 and depth == 8)  # rare: decode it
    row = 1 + 4 * width
    if row * _BITS > MOST_ROWS:
        return False
    rows = _rows(data, row * _BITS)
    if len(rows) < row * _BITS:
        return False
    bits, above = [], 0
    for at in range(0, row * _BITS, row):
        kind, value = rows[at], rows[at + 4]
        if kind in (_UP, _PAETH):  # in the first column Paeth's choice is always what is above
            value += above
        elif kind == _AVERAGE:
            value += above // 2
        above = value & 255
        bits.append(above & 1)
    return np.packbits(bits).tobytes() in SIGNATURES


def _rows(data: Buffer, wanted: int) -> bytes:
    """Unpack the first bytes of a PNG's pixels."""
    unpack, out, place = zlib.decompressobj(), b"", 8
    while place + 12 <= len(data) and len(out) < wanted:
        size = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"IDAT":
            try:
                out += unpack.decompress(data[place + 8 : place + 8 + size], wanted - len(out))
            except zlib.error:
                break
        place += 12 + size
    return out


def _text(data: Buffer, parts: Parts) -> str | None:
    plugin = PngImagePlugin.PngImageFile if parts.format == "PNG" else WebPImagePlugin.WebPImageFile
    try:
        image = plugin(io.BytesIO(bytes(data)))
        if image.mode != "RGBA" or image.width * image.height > MOST_PIXELS:
            return None
        alpha = np.asarray(image.getchannel("A")) & 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        parts.note(f"{parts.format} alpha channel: can't be decoded ({error})")
        return None
    bits = alpha.T.ravel()
    head = np.packbits(bits[: _BITS + 32]).tobytes()
    signature, length = head[: _BITS // 8], int.from_bytes(head[_BITS // 8 :], "big")
    if signature not in SIGNATURES or length > len(bits) - _BITS - 32:
        return None
    body = np.packbits(bits[_BITS + 32 : _BITS + 32 + length]).tobytes()
    if signature == SIGNATURES[1]:
        return decode(body[:MOST_BYTES])
    try:
        return decode(_gunzip(body))
    except zlib.error:
        parts.note(f"{parts.format} alpha channel: its hidden data can't be unpacked")
        return None


def _gunzip(body: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, MOST_BYTES)
