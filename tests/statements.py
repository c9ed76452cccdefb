"""Files that say something of themselves: metadata of every kind in every container, and signed manifests."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import struct
import time
import zlib
from functools import cache
from typing import Any

import c2pa
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from pictures import chunk, encode, photo

GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 1566802087, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "model": ["4", 0]},
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned.ckpt"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lighthouse", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
}
WORKFLOW = {"nodes": [{"id": 1, "type": "VAEDecode"}, {"id": 2, "type": "KSampler"}], "links": [], "version": 0.4}
A1111 = (
    "a lighthouse, at night\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42,"
    " Size: 512x512, Model hash: fe4efff1e1, Model: sd-v1-4"
)
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def text(key: str, value: str, kind: bytes = b"tEXt") -> bytes:
    """A text chunk of a PNG."""
    body = value.encode()
    if kind == b"tEXt":
        return chunk(kind, key.encode() + b"\0" + body)
    if kind == b"zTXt":
        return chunk(kind, key.encode() + b"\0\0" + zlib.compress(body))
    return chunk(b"iTXt", key.encode() + b"\0\1\0\0\0" + zlib.compress(body))


def with_chunks(*chunks: bytes, after: bool = False) -> bytes:
    """The photograph as a PNG with more chunks, before the pixels or behind them."""
    plain = encode(photo(), "PNG")
    if after:
        return plain[:-12] + b"".join(chunks) + plain[-12:]
    return plain[:33] + b"".join(chunks) + plain[33:]


def exif(values: dict[int, Any], inner: dict[int, Any] | None = None, gps: dict[int, Any] | None = None) -> bytes:
    """An EXIF structure, without the six bytes that JPEG puts before it."""
    tags = Image.Exif()
    for tag, value in values.items():
        tags[tag] = value
    for number, entries in ((0x8769, inner), (0x8825, gps)):
        if entries:
            tags.get_ifd(number).update(entries)
    return tags.tobytes().removeprefix(b"Exif\0\0")


def comment(value: str) -> bytes:
    """A user comment as A1111 writes it."""
    return b"UNICODE\0" + value.encode("utf-16-be")


def xmp(**properties: str) -> bytes:
    """A packet with properties, written as ``prefix_Name="value"``."""
    spaces = {
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "exif": "http://ns.adobe.com/exif/1.0/",
    }
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    inner = "".join(f"<{k.replace('_', ':', 1)}>{v}</{k.replace('_', ':', 1)}>" for k, v in properties.items())
    return (
        f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" {names}>'
        f'{inner}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    """The photograph as a JPEG with more segments."""
    plain = encode(photo(), "JPEG", quality=90)
    added = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)
    return plain[:2] + added + plain[2:]


def jpeg_exif(structure: bytes) -> tuple[int, bytes]:
    """The segment of an EXIF structure."""
    return 0xE1, b"Exif\0\0" + structure


def jpeg_xmp(packet: bytes) -> tuple[int, bytes]:
    """The segment of a packet."""
    return 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet


def iptc(**datasets: str) -> tuple[int, bytes]:
    """The segment of IPTC's older form; names as in ``cinemae.evidence.iptc``."""
    from cinemae.evidence.iptc import NAMES

    numbers = {name.replace("-", "_"): number for number, name in NAMES.items()}
    body = b"".join(
        b"\x1c\x02" + bytes([numbers[name]]) + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in datasets.items()
    )
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(body)) + body + b"\0" * (len(body) & 1)
    return 0xED, b"Photoshop 3.0\0" + resource


CAMERA = exif(
    {0x010F: "Canon", 0x0110: "Canon EOS R5", 0x0132: "2024:05:01 10:00:00"},
    {0x9003: "2024:05:01 10:00:00", 0x829A: (1, 200), 0x8827: 400, 0xA434: "RF 50mm", 0xA431: "SERIAL77"},
    {1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (11.0, 30.0, 0.0)},
)


def stealth(message: dict[str, Any], kind: bytes = b"stealth_pngcomp") -> bytes:
    """A PNG whose alpha channel hides a message as NovelAI does."""
    body = json.dumps(message).encode()
    body = gzip.compress(body) if kind.endswith(b"comp") else body
    bits = np.unpackbits(np.frombuffer(kind + struct.pack(">I", 8 * len(body)) + body, np.uint8))
    height, width = 160, 120
    alpha = np.full(height * width, 254, np.uint8)
    alpha[: len(bits)] |= bits
    pixels = np.dstack([np.asarray(Image.fromarray(photo()).resize((width, height))), alpha.reshape(width, height).T])
    return encode(Image.fromarray(pixels, "RGBA"), "PNG")


# Manifests


def _name(common: str) -> x509.Name:
    pairs = ((NameOID.COUNTRY_NAME, "US"), (NameOID.ORGANIZATION_NAME, "Test Signers"), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(*pair) for pair in pairs])


def _certificate(
    subject: str, issuer: str, key: Any, signer: Any, authority: bool, start: datetime.datetime, end: datetime.datetime
) -> x509.Certificate:
    builder = x509.CertificateBuilder(_name(issuer), _name(subject), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    usage = x509.KeyUsage(True, False, False, False, False, authority, authority, False, False)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if not authority:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(own, critical=False)
    return builder.sign(signer, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as text."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


@cache
def authority() -> tuple[Any, x509.Certificate]:
    """The test authority: its key and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    year = datetime.timedelta(days=365)
    return key, _certificate("Test Root", "Test Root", key, key, True, now - year, now + year)


def created(kind: str = "trainedAlgorithmicMedia", agent: str = "gpt-image-1", **more: Any) -> dict[str, Any]:
    """A manifest of a picture that was created in some way."""
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE + kind, "softwareAgent": agent}
    return manifest([action], **more)


def manifest(actions: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A manifest of some actions."""
    label = "c2pa.actions"
    return {
        "claim_generator_info": [{"name": "Test program", "version": "1"}],
        "assertions": [{"label": label, "data": {"actions": actions}}],
    } | more


def sign(
    data: bytes,
    mime: str,
    told: dict[str, Any],
    *,
    self_signed: bool = False,
    seconds: float | None = None,
    ingredients: tuple[tuple[dict[str, Any], str, bytes], ...] = (),
) -> bytes:
    """A file with a manifest.

    Args:
        data: The file.
        mime: Its media type.
        told: The manifest.
        self_signed: Whether the certificate signs itself; else the test authority does.
        seconds: Life of the certificate from now on; waits until it is over. None is a hundred days.
        ingredients: Description, media type and bytes of what it was made from.
    """
    root_key, root = authority()
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    life = datetime.timedelta(days=100) if seconds is None else datetime.timedelta(seconds=seconds)
    start = now - datetime.timedelta(days=1)
    issuer, signer = ("Test Signer", key) if self_signed else ("Test Root", root_key)
    leaf = _certificate("Test Signer", issuer, key, signer, False, start, now + life)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = pem(leaf) if self_signed else pem(leaf, root)
    context = c2pa.Context.from_dict({"verify": {"verify_after_sign": False, "verify_trust": False}})
    builder = c2pa.Builder(told, context=context)
    for described, kind, bytes_ in ingredients:
        builder.add_ingredient(described, kind, io.BytesIO(bytes_))
    out = io.BytesIO()
    builder.sign(
        c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, private, None)), mime, io.BytesIO(data), out
    )
    if seconds is not None:
        left = (now + life - datetime.datetime.now(datetime.UTC)).total_seconds()
        time.sleep(max(0.0, left) + 1.5)  # certificates count whole seconds
    return out.getvalue()
