"""What happens to images of both classes alike: alignment, augmentation, equal sizes, and pseudo-fakes."""

from cinemae.alignment.equalise import AlignParams, AugmentConfig, Protocol, align, augment
from cinemae.alignment.pseudo import PseudoConfig, WindowConfig, pseudo_fake, training_window
from cinemae.alignment.sizes import SizeEqualiser, fit_sizes, max_side, short_sides
from cinemae.alignment.zoom import ZoomConfig, zoomed

__all__ = [
    "AlignParams",
    "AugmentConfig",
    "Protocol",
    "PseudoConfig",
    "SizeEqualiser",
    "WindowConfig",
    "ZoomConfig",
    "align",
    "augment",
    "fit_sizes",
    "max_side",
    "pseudo_fake",
    "short_sides",
    "training_window",
    "zoomed",
]
