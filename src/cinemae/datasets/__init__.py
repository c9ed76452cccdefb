"""Labelled image sets: what they are read from, and how they are divided."""

from cinemae.datasets.manifest import LabelledImage, ManifestError, manifest_hash, read_images, read_photos
from cinemae.datasets.split import split_by_source

__all__ = ["LabelledImage", "ManifestError", "manifest_hash", "read_images", "read_photos", "split_by_source"]
