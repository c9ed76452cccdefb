"""Images in: anything a caller holds becomes a checked RGB image, or one clear refusal."""

from cinemae.images.decode import (
    ALLOWED_FORMATS,
    IMAGE_SUFFIXES,
    ImageFacts,
    ImageLimits,
    LoadedImage,
    Source,
    header_size,
    load_image,
    read_file,
)
from cinemae.images.detail import COARSE, is_coarse
from cinemae.images.errors import (
    CorruptImageError,
    ImageError,
    PixelLimitError,
    TooSmallError,
    TruncatedImageError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from cinemae.images.views import native_crops, resized_box, resized_view

__all__ = [
    "ALLOWED_FORMATS",
    "COARSE",
    "IMAGE_SUFFIXES",
    "CorruptImageError",
    "ImageError",
    "ImageFacts",
    "ImageLimits",
    "LoadedImage",
    "PixelLimitError",
    "Source",
    "TooSmallError",
    "TruncatedImageError",
    "UnreadableFileError",
    "UnsupportedFormatError",
    "header_size",
    "is_coarse",
    "load_image",
    "native_crops",
    "read_file",
    "resized_box",
    "resized_view",
]
