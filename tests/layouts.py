"""One picture in every container, sample layout and byte order that can be written here, with the pixels it means."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image, features

import pictures


class Layout(NamedTuple):
    """A file, and what it shows: (height, width, 3) uint8. ``near`` is how far a lossy one may be off, in the mean."""

    name: str
    data: bytes
    means: np.ndarray
    near: float = 0.0


@cache
def layouts() -> tuple[Layout, ...]:
    """Return all of them; names are unique."""
    made = (*_packed(), *_pillow_tiffs(), *_tifffiles(), *_pngs(), *_others())
    return tuple(made)


def grey() -> np.ndarray:
    """The picture's shades, (height, width)."""
    return np.ascontiguousarray(pictures.photo()[..., 1])


def alpha() -> np.ndarray:
    """Opacity that rises from left to right, (height, width)."""
    return np.broadcast_to(np.linspace(0, 255, 160).astype(np.uint8), (120, 160)).copy()


def three(shades: np.ndarray) -> np.ndarray:
    """Grey as RGB."""
    return np.repeat(shades[..., None], 3, axis=2).astype(np.uint8)


def on_white(colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Colours weighed against white."""
    weight = opacity[..., None] / 255
    return np.floor(colours * weight + 255 * (1 - weight) + 0.5).astype(np.uint8)


def levels(shades: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of this depth, and the 8-bit shades that they mean."""
    white = (1 << depth) - 1
    samples = np.rint(shades / 255 * white).astype(np.int64)
    return samples, np.rint(samples / white * 255).astype(np.uint8)


def pack(samples: np.ndarray, depth: int, order: str = ">") -> bytes:
    """Rows of samples (height, width) or (height, width, channels), packed, each row to whole bytes."""
    rows = samples.reshape(len(samples), -1)
    if depth == 16:
        return rows.astype(f"{order}u2").tobytes()
    bits = (rows[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def tiff_file(order: str, tags: list[tuple[int, int, Any]], pixels: bytes) -> bytes:
    """A TIFF written entry by entry: tag, kind, value or values; the pixels follow the header."""
    start = 8 + len(pixels) + len(pixels) % 2
    tags = sorted([*tags, (273, 4, 8), (279, 4, len(pixels))])
    behind, entries = b"", b""
    for tag, kind, value in tags:
        values = value if isinstance(value, tuple) else (value,)
        body = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(body) > 4:
            place = start + 2 + 12 * len(tags) + 4 + len(behind)
            behind += body
            body = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + body.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    return head + pixels + bytes(len(pixels) % 2) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind


def plain_tags(depth: int, photometric: int, samples: int = 1, **more: Any) -> list[tuple[int, int, Any]]:
    """The tags of an uncompressed picture of 160x120 pixels in one strip."""
    bits = (depth,) * samples
    tags = [(256, 3, 160), (257, 3, 120), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (277, 3, samples)]
    return [*tags, (278, 3, 120), *more.get("extra", [])]


def _packed() -> Iterator[Layout]:
    """Uncompressed samples of 1 to 16 bits: greys of both polarities, colours, with and without alpha."""
    colours = pictures.photo()
    for depth, order in itertools.product(range(1, 17), "<>"):
        samples, means = levels(grey(), depth)
        white = (1 << depth) - 1
        for photometric, stored in ((1, samples), (0, white - samples)):
            name = f"packed {'white' if photometric == 0 else 'black'} is zero, {depth} bits {order}"
            yield Layout(
                name, tiff_file(order, plain_tags(depth, photometric), pack(stored, depth, order)), three(means)
            )
        channels, shown = levels(colours, depth)
        yield Layout(
            f"packed RGB {depth} bits {order}",
            tiff_file(order, plain_tags(depth, 2, 3), pack(channels, depth, order)),
            shown,
        )
        apart = b"".join(pack(channels[..., place], depth, order) for place in range(3))
        size = len(apart) // 3
        tags = [*plain_tags(depth, 2, 3), (284, 3, 2)]
        file = bytearray(tiff_file(order, tags, apart))
        yield Layout(f"packed planes {depth} bits {order}", _in_strips(file, order, size), shown)
        if depth in (8, 16):
            opacity, _ = levels(alpha(), depth)
            four = np.dstack([channels, opacity])
            tags = plain_tags(depth, 2, 4, extra=[(338, 3, 2)])
            yield Layout(
                f"packed RGBA {depth} bits {order}",
                tiff_file(order, tags, pack(four, depth, order)),
                on_white(shown, alpha()),
            )
            two = np.dstack([samples, opacity])
            tags = plain_tags(depth, 1, 2, extra=[(338, 3, 2)])
            yield Layout(
                f"packed LA {depth} bits {order}",
                tiff_file(order, tags, pack(two, depth, order)),
                on_white(three(means), alpha()),
            )
            white_first = np.dstack([white - samples, opacity])
            tags = plain_tags(depth, 0, 2, extra=[(338, 3, 2)])
            yield Layout(
                f"packed LA, white is zero, {depth} bits {order}",
                tiff_file(order, tags, pack(white_first, depth, order)),
                on_white(three(means), alpha()),
            )
        if depth <= 8:
            palette = np.random.default_rng(depth).permutation(1 << depth)
            entries = tuple(int(value) for value in np.tile(np.rint(palette * (65535 / white)), 3))
            wanted = np.argsort(palette)[samples]
            tags = plain_tags(depth, 3, extra=[(320, 3, entries)])
            shades = (np.rint(palette * (65535 / white)).astype(int) >> 8)[wanted]
            yield Layout(
                f"packed palette {depth} bits {order}",
                tiff_file(order, tags, pack(wanted, depth, order)),
                three(shades),
            )
        reverse = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
        tags = plain_tags(depth, 1, extra=[(266, 3, 2)])
        data = tiff_file(order, tags, pack(samples, depth, order).translate(reverse))
        yield Layout(f"packed in reverse {depth} bits {order}", data, three(means))


def _in_strips(file: bytearray, order: str, size: int) -> bytes:
    """Make three strips of one: planes lie behind each other."""
    (start,) = struct.unpack_from(f"{order}I", file, 4)
    (count,) = struct.unpack_from(f"{order}H", file, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag = struct.unpack_from(f"{order}H", file, at)[0]
        if tag in (273, 279):
            values = [8 + place * size if tag == 273 else size for place in range(3)]
            struct.pack_into(f"{order}II", file, at + 4, 3, len(file))
            file += struct.pack(f"{order}3I", *values)
    return bytes(file)


def _pillow_tiffs() -> Iterator[Layout]:
    """Pillow's modes in its compressions."""
    image = Image.fromarray(pictures.photo())
    rgba = image.copy()
    rgba.putalpha(Image.fromarray(alpha()))
    la = Image.merge("LA", (Image.fromarray(grey()), Image.fromarray(alpha())))
    palette = image.quantize(64)
    bilevel = image.convert("1")
    differences = image.convert("YCbCr")
    deep = Image.fromarray(grey().astype(np.uint16) * 257)
    modes = {
        "1": (bilevel, three(np.asarray(bilevel) * np.uint8(255))), "L": (Image.fromarray(grey()), three(grey())),
        "P": (palette, np.asarray(palette.convert("RGB"))), "RGB": (image, pictures.photo()),
        "RGBA": (rgba, on_white(pictures.photo(), alpha())), "LA": (la, on_white(three(grey()), alpha())),
        "I;16": (deep, three(grey())), "I": (deep.convert("I"), three(grey())),
        "F": (Image.fromarray(grey().astype(np.float32) / 255), three(grey())),
        "CMYK": (image.convert("CMYK"), pictures.photo()),
        "YCbCr": (differences, np.asarray(differences.convert("RGB"))),
    }  # fmt: skip
    kinds = (
        None,
        "tiff_lzw",
        "tiff_adobe_deflate",
        "tiff_deflate",
        "packbits",
        "lzma",
        "zstd",
        "group3",
        "group4",
        "jpeg",
    )
    for (mode, (source, means)), kind in itertools.product(modes.items(), kinds):
        if (kind in ("group3", "group4")) != (mode == "1") and kind in ("group3", "group4"):
            continue
        try:
            data = pictures.encode(source, "TIFF", compression=kind)
        except (OSError, ValueError, KeyError, RuntimeError):  # this libtiff hasn't it, or not for this mode
            continue
        lossy = 5.0 if kind == "jpeg" else 2.0 if mode == "YCbCr" and kind else 0.0
        yield Layout(f"Pillow {mode} {kind}", data, means, lossy)


def _tifffiles() -> Iterator[Layout]:
    """Kinds of numbers, planes, tiles, byte orders and predictors of tifffile."""
    photo, shades = pictures.photo(), grey()
    numbers: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for scale, kinds in ((1, "u1"), (257, "u2"), (16843009, "u4"), (1 / 255, "f2 f4 f8")):
        for kind in kinds.split():
            numbers[f"grey {kind}"] = ((shades * float(scale)).astype(kind), three(shades))
            numbers[f"RGB {kind}"] = ((photo * float(scale)).astype(kind), photo)
    for kind in ("i1", "i2", "i4"):
        numbers[f"grey {kind}"] = ((shades // 2).astype(kind), three(shades // 2))
    orders, bigs, packings = (
        "<>",
        (False, True),
        ({}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}),
    )
    for (name, (samples, means)), order, big, packing in itertools.product(numbers.items(), orders, bigs, packings):
        forms: dict[str, dict[str, Any]] = {"strips": {"rowsperstrip": 17}, "tiles": {"tile": (48, 64)}}
        for form, options in forms.items():
            for planes in ("contig", "separate") if samples.ndim == 3 else ("contig",):
                pixels = np.moveaxis(samples, 2, 0) if planes == "separate" else samples
                white = ("minisblack", "miniswhite") if samples.ndim == 2 else ("rgb",)
                for photometric in white:
                    stored = pixels
                    if photometric == "miniswhite":
                        top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
                        stored = (top - pixels).astype(pixels.dtype)
                    more = options | packing | ({"planarconfig": planes} if samples.ndim == 3 else {})
                    stream = io.BytesIO()
                    try:
                        tifffile.imwrite(
                            stream,
                            np.ascontiguousarray(stored),
                            photometric=photometric,
                            byteorder=order,
                            bigtiff=big,
                            **more,
                        )
                    except (ValueError, KeyError, TypeError, ImportError, NotImplementedError):
                        continue  # not without a codec that isn't here
                    packed = " ".join(map(str, packing.values()))
                    label = f"tifffile {name} {photometric} {form} {planes} {order} big={big} {packed}"
                    yield Layout(label, stream.getvalue(), means)


def png_file(depth: int, kind: int, samples: np.ndarray, *extra: bytes) -> bytes:
    """A PNG of any depth and colour type; samples (height, width) or (height, width, channels)."""
    height, width = samples.shape[:2]
    packed = pack(samples, depth)
    size = len(packed) // height
    rows = b"".join(b"\0" + packed[place : place + size] for place in range(0, len(packed), size))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [pictures.chunk(b"IHDR", header), *extra, pictures.chunk(b"IDAT", zlib.compress(rows))]
    return pictures.PNG_START + b"".join(chunks) + pictures.chunk(b"IEND", b"")


def _pngs() -> Iterator[Layout]:
    """Every depth and colour type, with the transparent key, shade or entries that it can have."""
    photo = pictures.photo()
    for depth in (1, 2, 4, 8, 16):
        samples, means = levels(grey(), depth)
        yield Layout(f"PNG grey {depth} bits", png_file(depth, 0, samples), three(means))
        key = int(np.bincount(samples.ravel()).argmax())
        shown = np.where((samples == key)[..., None], 255, three(means)).astype(np.uint8)
        trns = pictures.chunk(b"tRNS", struct.pack(">H", key))
        yield Layout(f"PNG grey {depth} bits with a key", png_file(depth, 0, samples, trns), shown)
        if depth <= 8:
            table = np.random.default_rng(depth).integers(0, 256, (1 << depth, 3), np.uint8)
            plte = pictures.chunk(b"PLTE", table.tobytes())
            yield Layout(f"PNG palette {depth} bits", png_file(depth, 3, samples, plte), table[samples])
            opacity = np.linspace(0, 255, 1 << depth).astype(np.uint8)
            trns = pictures.chunk(b"tRNS", opacity.tobytes())
            flat = on_white(table[samples], opacity[samples])
            yield Layout(f"PNG palette {depth} bits with alpha", png_file(depth, 3, samples, plte, trns), flat)
            one = np.where(np.arange(1 << depth) == key, 0, 255).astype(np.uint8)
            trns = pictures.chunk(b"tRNS", one.tobytes())
            flat = on_white(table[samples], one[samples])
            yield Layout(f"PNG palette {depth} bits with a clear entry", png_file(depth, 3, samples, plte, trns), flat)
        else:
            two, _ = levels(np.dstack([grey(), alpha()]), depth)
            yield Layout(f"PNG LA {depth} bits", png_file(depth, 4, two), on_white(three(grey()), alpha()))
        if depth >= 8:
            colours, _ = levels(photo, depth)
            yield Layout(f"PNG RGB {depth} bits", png_file(depth, 2, colours), photo)
            trns = pictures.chunk(b"tRNS", struct.pack(">3H", *map(int, colours[60, 80])))
            clear = (photo == photo[60, 80]).all(axis=2)[..., None]
            yield Layout(
                f"PNG RGB {depth} bits with a key",
                png_file(depth, 2, colours, trns),
                np.where(clear, 255, photo).astype(np.uint8),
            )
            four, _ = levels(np.dstack([photo, alpha()]), depth)
            yield Layout(f"PNG RGBA {depth} bits", png_file(depth, 6, four), on_white(photo, alpha()))


def _others() -> Iterator[Layout]:
    """The other containers, in the modes that they have."""
    photo = pictures.photo()
    image, shades = Image.fromarray(photo), Image.fromarray(grey())
    rgba = image.copy()
    rgba.putalpha(Image.fromarray(alpha()))
    palette = image.quantize(64)
    flat = on_white(photo, alpha())
    exact = {"lossless": True, "exact": True}
    yield Layout("WebP RGB", pictures.encode(image, "WEBP", **exact), photo)
    yield Layout("WebP RGBA", pictures.encode(rgba, "WEBP", **exact), flat)
    yield Layout("GIF P", pictures.encode(palette, "GIF"), np.asarray(palette.convert("RGB")))
    for mode in ("1", "L", "P", "RGB"):
        source = {"L": shades, "P": palette}.get(mode, image).convert(mode)
        yield Layout(f"BMP {mode}", pictures.encode(source, "BMP"), np.asarray(source.convert("RGB")))
    yield Layout("BMP RGBA", pictures.encode(rgba, "BMP"), photo)  # there, the fourth byte means nothing
    for mode in ("L", "RGB", "CMYK"):
        for options in ({}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}):
            source = shades if mode == "L" else image.convert(mode)
            means = three(grey()) if mode == "L" else photo
            name = f"JPEG {mode} {' '.join(options)}"
            yield Layout(name, pictures.encode(source, "JPEG", quality=95, **options), means, 3.0)
    if features.check("avif"):
        yield Layout("AVIF RGB", pictures.encode(image, "AVIF", quality=95, subsampling="4:4:4"), photo, 2.0)
        yield Layout("AVIF RGBA", pictures.encode(rgba, "AVIF", quality=95, subsampling="4:4:4"), flat, 2.0)
        yield Layout("AVIF L", pictures.encode(shades, "AVIF", quality=95), three(grey()), 2.0)
    yield from _heics(image, shades, rgba, flat)


def _heics(image: Image.Image, shades: Image.Image, rgba: Image.Image, flat: np.ndarray) -> Iterator[Layout]:
    try:
        import pillow_heif
    except ImportError:  # the extra is not installed
        return
    exact = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    sources = (("L", shades, three(grey())), ("RGB", image, pictures.photo()), ("RGBA", rgba, flat))
    for mode, source, means in sources:
        stream = io.BytesIO()
        pillow_heif.from_pillow(source).save(stream, **exact)
        yield Layout(f"HEIC {mode}", stream.getvalue(), means)
    for mode, samples in (("RGB;16", pictures.photo().astype("<u2") * 257), ("L;16", grey().astype("<u2") * 257)):
        stream = io.BytesIO()
        pillow_heif.encode(mode, (160, 120), samples.tobytes(), stream, **exact)
        yield Layout(f"HEIC {mode}", stream.getvalue(), pictures.photo() if mode[0] == "R" else three(grey()))
