"""What happens to images of both classes alike: alignment, augmentation, and equal sizes."""

from cinemae.alignment.equalise import AlignParams, AugmentConfig, Protocol, align, augment
from cinemae.alignment.sizes import SizeEqualiser, fit_sizes, max_side, short_sides
from cinemae.alignment.window import WindowConfig, training_window

__all__ = [
    "AlignParams",
    "AugmentConfig",
    "Protocol",
    "SizeEqualiser",
    "WindowConfig",
    "align",
    "augment",
    "fit_sizes",
    "max_side",
    "short_sides",
    "training_window",
]
