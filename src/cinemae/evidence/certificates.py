"""Whether the certificate of a signature signed itself; ``c2pa`` doesn't tell."""

from __future__ import annotations

from cinemae.evidence.buffers import Buffer


def is_self_signed(data: Buffer, serial: str | None) -> bool:
    """Tell whether a certificate's issuer is its own subject; False if the file's bytes don't show it.

    Args:
        data: The file that holds the certificate.
        serial: Its serial number in decimal digits.
    """
    if not serial or not serial.isdecimal() or len(serial) > 60:
        return False
    number = int(serial)
    digits = number.to_bytes(number.bit_length() // 8 + 1, "big")
    place = data.find(b"\xa0\x03\x02\x01\x02\x02" + bytes([len(digits)]) + digits)
    if place < 0:
        return False
    try:
        at = place + 7 + len(digits)
        at = _end(data, at)  # the signature's algorithm
        issuer, at = data[at : _end(data, at)], _end(data, at)
        at = _end(data, at)  # validity
        return bool(issuer == data[at : _end(data, at)])
    except IndexError:
        return False


def _end(data: Buffer, at: int) -> int:
    """Return where an element of DER ends."""
    size, head = data[at + 1], 2
    if size & 0x80:
        count = size & 0x7F
        if count > 3:
            raise IndexError
        size, head = int.from_bytes(data[at + 2 : at + 2 + count], "big"), 2 + count
    return at + head + size
