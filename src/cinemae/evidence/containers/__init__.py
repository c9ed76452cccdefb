"""Metadata blocks out of image files: where each lies, and its bytes; nothing is decoded, everything is bounded."""

from cinemae.evidence.containers.blocks import Block, Buffer, Kind, Parts
from cinemae.evidence.containers.walk import kind_of, walk

__all__ = ["Block", "Buffer", "Kind", "Parts", "kind_of", "walk"]
