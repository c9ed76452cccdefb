"""Colour spaces that a file states without an ICC profile: by code points (CICP), chromaticities and gamma, or EXIF.

Each becomes a profile, so that one colour engine converts them all; what is sRGB anyway becomes none.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemae.images.errors import UnsupportedModeError

Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue."""

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
SRGB_PRIMARIES: Chromaticities = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
# ITU-T H.273, table 2; 2 is "unspecified".
_PRIMARIES: dict[int, tuple[str, Chromaticities]] = {
    1: ("sRGB", SRGB_PRIMARIES),
    2: ("sRGB", SRGB_PRIMARIES),
    4: ("BT.470 M", (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08)),
    5: ("BT.601 (625 lines)", (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06)),
    6: ("BT.601 (525 lines)", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    7: ("SMPTE 240M", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    9: ("BT.2020", (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    11: ("DCI-P3", (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    12: ("Display P3", (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    22: ("EBU Tech. 3213", (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077)),
}
# Table 3. A video curve (1, 6, 7, 14, 15) states how a camera encodes; pictures with it are made for, and shown on, the
# same screens as sRGB. None is the curve of sRGB.
_GAMMAS: dict[int, float | None] = {
    1: None,
    2: None,
    4: 2.2,
    5: 2.8,
    6: None,
    7: None,
    8: 1.0,
    13: None,
    14: None,
    15: None,
}
HDR = {16: "PQ", 18: "HLG"}

SAME_CHROMATICITY = 0.003
SAME_GAMMA = 0.05  # relative
_D50 = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))


@dataclass(frozen=True)
class Space:
    """A colour space that isn't sRGB.

    Attributes:
        name: What notes call it.
        profile: An ICC profile that says the same.
    """

    name: str
    profile: bytes


def from_cicp(primaries: int, transfer: int, notes: list[str]) -> Space | None:
    """Return the space that code points of ITU-T H.273 name; None for sRGB.

    Args:
        primaries: Code point of the primaries.
        transfer: Code point of the transfer curve.
        notes: Gets a sentence if one of them can't be honoured.

    Raises:
        UnsupportedModeError: For PQ and HLG.
    """
    if transfer in HDR:
        raise UnsupportedModeError(
            f"its colours are HDR ({HDR[transfer]}), for which 8 bits have no agreed rendering; save it as SDR (sRGB)"
        )
    if primaries not in _PRIMARIES or transfer not in _GAMMAS:
        notes.append(f"colour space {primaries}/{transfer} (CICP) can't be honoured, taken as sRGB")
        return None
    name, chromaticities = _PRIMARIES[primaries]
    gamma = _GAMMAS[transfer]
    return _space(name if gamma is None else f"{name} with gamma {gamma:g}", chromaticities, gamma)


def from_chromaticities(chromaticities: Chromaticities | None, gamma: float | None) -> Space | None:
    """Return the space of these chromaticities (None for those of sRGB) and this gamma (None for sRGB's curve).

    Raises:
        ValueError: If no profile can be made of them.
    """
    if gamma is not None and abs(gamma / 2.2 - 1) < SAME_GAMMA:
        gamma = None
    described = "the stated chromaticities" if chromaticities else "sRGB's chromaticities"
    described += "" if gamma is None else f" and gamma {gamma:.3g}"
    return _space(described, chromaticities or SRGB_PRIMARIES, gamma)


ADOBE_RGB: tuple[Chromaticities, float] = ((*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 563 / 256)


def adobe_rgb() -> Space:
    """Return Adobe RGB (1998), which DCF cameras state in EXIF only."""
    return Space("Adobe RGB", _profile("Adobe RGB", *ADOBE_RGB))


def _space(name: str, chromaticities: Chromaticities, gamma: float | None) -> Space | None:
    near = max(abs(one - other) for one, other in zip(chromaticities, SRGB_PRIMARIES, strict=True)) < SAME_CHROMATICITY
    if near and gamma is None:
        return None
    return Space(name, _profile(name, chromaticities, gamma))


def _profile(name: str, chromaticities: Chromaticities, gamma: float | None) -> bytes:
    """Write an ICC profile (version 4) of three primaries and one curve."""
    text = name.encode("utf-16-be")
    described = b"mluc" + struct.pack(">III", 0, 1, 12) + b"enUS" + struct.pack(">II", len(text), 28) + text
    curve = (gamma,) if gamma is not None else (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    curves = b"para" + struct.pack(">IHH", 0, 0 if gamma is not None else 3, 0) + b"".join(map(_fixed, curve))
    columns = _columns(chromaticities)
    tags = {b"desc": described, b"cprt": described, b"wtpt": _xyz(_D50)}
    tags |= {kind: _xyz(column) for kind, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curves)
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for kind, content in tags.items():
        table += kind + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">III", 0, 0, 0x04200000) + b"mntrRGB XYZ " + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp"
    head += bytes(28) + b"".join(map(_fixed, _D50)) + bytes(48)
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def _columns(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """Return the XYZ of the primaries as columns, adapted to D50 as profiles want them.

    Raises:
        ValueError: If they span no space.
    """
    points = np.array(chromaticities, float).reshape(4, 2)
    if not np.isfinite(points).all() or (points[:, 1] < 1e-3).any() or np.abs(points).max() > 2:
        raise ValueError("the stated chromaticities make no colour space")
    lights = np.column_stack((points[:, 0], points[:, 1], 1 - points.sum(axis=1))) / points[:, 1:]
    white, primaries = lights[0], lights[1:].T
    try:
        columns = primaries * np.linalg.solve(primaries, white)
    except np.linalg.LinAlgError as error:
        raise ValueError("the stated chromaticities make no colour space") from error
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD @ columns
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 16:
        raise ValueError("the stated chromaticities make no colour space")
    return adapted


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(float(value) * 65536))
