"""Labelled image sets: what they are read from, whether they are sound, and how they are divided."""

from cinemae.datasets.images import LabelledImage, ManifestError, manifest_hash
from cinemae.datasets.listing import LAYOUTS, Layout, Listing
from cinemae.datasets.read import AnyLayout, list_set, read_images, read_photos
from cinemae.datasets.split import split_by_source

__all__ = [
    "LAYOUTS",
    "AnyLayout",
    "LabelledImage",
    "Layout",
    "Listing",
    "ManifestError",
    "list_set",
    "manifest_hash",
    "read_images",
    "read_photos",
    "split_by_source",
]
