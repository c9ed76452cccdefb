"""Labelled image sets, and alignment and augmentation drawn alike for both classes."""

from cinemae.data.equalise import AlignParams, AugmentConfig, Protocol, align, augment, rng_for
from cinemae.data.manifest import LabelledImage, ManifestError, manifest_hash, read_images, read_photos
from cinemae.data.pseudo import PseudoConfig, WindowConfig, pseudo_fake, training_window
from cinemae.data.sizes import SizeEqualiser, fit_sizes, short_sides
from cinemae.data.split import split_by_source

__all__ = [
    "AlignParams",
    "AugmentConfig",
    "LabelledImage",
    "ManifestError",
    "Protocol",
    "PseudoConfig",
    "SizeEqualiser",
    "WindowConfig",
    "align",
    "augment",
    "fit_sizes",
    "manifest_hash",
    "pseudo_fake",
    "read_images",
    "read_photos",
    "rng_for",
    "short_sides",
    "split_by_source",
    "training_window",
]
