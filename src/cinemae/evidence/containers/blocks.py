"""What the walks through files collect, and the limits that they keep to."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Literal

from cinemae.evidence.buffers import Buffer
from cinemae.evidence.exif import Tags

__all__ = ["Block", "Buffer", "Kind", "Parts"]

Kind = Literal["text", "exif", "xmp", "iptc", "c2pa", "comment", "mpf", "gain_map"]

MOST_BLOCKS = 1_000  # that are kept of a file
MOST_BYTES = 4 << 20  # of one block; the largest workflows are below 1 MB
MOST_TOTAL = 16 << 20  # of all blocks
MOST_STEPS = 100_000  # segments, chunks or boxes that are walked over


@dataclass(frozen=True)
class Block:
    """One piece of metadata.

    Attributes:
        kind: What it holds.
        where: Its place, for people, for example ``PNG tEXt "parameters"``.
        data: Its bytes, unpacked.
        key: Its keyword, for ``text``.
    """

    kind: Kind
    where: str
    data: bytes
    key: str = ""


@dataclass
class Parts:
    """All metadata of one file.

    Attributes:
        format: What the file's first bytes say it is, for example ``PNG``; empty if nothing that is read.
        mime: Its media type.
        blocks: The metadata.
        notes: What was left out, and why.
        manifest_bytes: Size of the C2PA manifest store, as far as the container tells.
        alpha: Whether its header announces an alpha channel that is stored without loss.
        exif: The tags of a TIFF file, which is an EXIF structure itself.
    """

    format: str = ""
    mime: str = ""
    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manifest_bytes: int = 0
    alpha: bool = False
    exif: Tags | None = None
    _total: int = 0
    _unpacked: int = 0

    def add(self, kind: Kind, where: str, data: bytes, key: str = "") -> None:
        """Keep a block, unless it is one too many."""
        if len(self.blocks) >= MOST_BLOCKS:
            self.note(f"more than {MOST_BLOCKS:,} pieces of metadata: the others are not read")
        elif len(data) > MOST_BYTES or self._total + len(data) > MOST_TOTAL:
            self.note(f"{where}: larger than is read ({MOST_BYTES >> 20} MiB each, {MOST_TOTAL >> 20} MiB together)")
        else:
            self._total += len(data)
            self.blocks.append(Block(kind, where, data, key))

    def unpack(self, where: str, data: bytes) -> bytes | None:
        """Unpack zlib data, no further than is read of one block and of all together; None if it is broken or too much.

        What was unpacked in vain counts, too: a thousand bombs cost no more than one.
        """
        most = min(MOST_BYTES, MOST_TOTAL - self._unpacked)
        try:
            out = zlib.decompressobj().decompress(data, most + 1) if most > 0 else b""
        except zlib.error:
            self.note(f"{where}: can't be unpacked")
            return None
        self._unpacked += len(out)
        if most <= 0 or len(out) > most:
            self.note(f"{where}: larger than is read ({MOST_BYTES >> 20} MiB each, {MOST_TOTAL >> 20} MiB together)")
            return None
        return out

    def note(self, text: str) -> None:
        """Say once what was left out."""
        if text not in self.notes and len(self.notes) < 50:
            self.notes.append(text)

    def of(self, kind: Kind) -> list[Block]:
        """Return the blocks of a kind."""
        return [block for block in self.blocks if block.kind == kind]
