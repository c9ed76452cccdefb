"""Sources of a scan: what is to be scanned, as a stream of items, and an item's bytes."""

from cinemae.scan.sources.listing import list_items
from cinemae.scan.sources.reading import read_item

__all__ = ["list_items", "read_item"]
