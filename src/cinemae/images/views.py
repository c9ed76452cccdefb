"""Views: the parts of an image that an MAE looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def resized_view(
    pixels: Pixels, *, resize: int = 256, crop: int = 224, resample: Image.Resampling = Image.Resampling.BICUBIC
) -> Pixels:
    """Return the standard view: short side to ``resize`` (antialiased), then the centre crop.

    Args:
        pixels: (height, width, 3).
        resize: Short side in pixels before the crop; at least ``crop``.
        crop: Side of the view in pixels.
        resample: Pillow's filter.

    Returns:
        (crop, crop, 3), contiguous.

    Raises:
        ValueError: If ``resize`` is below ``crop``.
    """
    if resize < crop:
        raise ValueError(f"resize ({resize}) must be at least crop ({crop})")
    left, top, right, bottom = resized_box(pixels.shape[1], pixels.shape[0], resize=resize, crop=crop)
    # Only the part that is kept is resampled; a long panorama costs no more than a square.
    image = Image.fromarray(pixels).resize((crop, crop), resample, box=(left, top, right, bottom))
    return np.array(image)


def resized_box(width: int, height: int, *, resize: int = 256, crop: int = 224) -> tuple[float, float, float, float]:
    """Return where :func:`resized_view` lies in the image: left, top, right, bottom in its pixels."""
    side = min(width, height) * crop / resize
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def native_crops(pixels: Pixels, *, size: int = 160, count: int = 2) -> list[Pixels]:
    """Return crops at native resolution, on a fixed grid: slices of the image, never resampled.

    The crops' centres are spread evenly over a grid of about ``count`` cells in the image's aspect
    ratio, taken from the middle outwards. Where the image is smaller than a crop, the crop is what
    there is, trimmed to even sides; identical crops are given once.

    Args:
        pixels: (height, width, 3), both sides at least 2.
        size: Side of a crop in pixels, even.
        count: Number of crops, at most.

    Raises:
        ValueError: If ``size`` is odd or below 2, or ``count`` below 1.
    """
    if size < 2 or size % 2 or count < 1:
        raise ValueError(f"need an even size of at least 2 and a count of at least 1, got {size} and {count}")
    height, width = pixels.shape[:2]
    tall, wide = min(size, height) // 2 * 2, min(size, width) // 2 * 2
    if height < size:  # crops that differ by the row that was trimmed would be one crop given twice
        height = tall
    if width < size:
        width = wide
    # Cells along the long side only while they fit without overlap, then along both.
    rows, columns = _grid(height / tall, width / wide, count)
    places = [
        (round((row + 0.5) / rows * height - tall / 2), round((column + 0.5) / columns * width - wide / 2))
        for row in range(rows)
        for column in range(columns)
    ]
    middle = ((height - tall) / 2, (width - wide) / 2)
    places.sort(key=lambda place: (abs(place[0] - middle[0]) + abs(place[1] - middle[1]), place))
    inside = {(min(max(top, 0), height - tall), min(max(left, 0), width - wide)): None for top, left in places}
    return [pixels[top : top + tall, left : left + wide] for top, left in list(inside)[:count]]


def _grid(down: float, across: float, count: int) -> tuple[int, int]:
    """Return rows and columns with at least ``count`` cells, shaped like the image."""
    best = (1, count)
    for rows in range(1, count + 1):
        columns = -(-count // rows)
        # The most even spacing: compare the cells' sides in crops.
        if abs(np.log((down / rows) / (across / columns))) < abs(np.log((down / best[0]) / (across / best[1]))):
            best = (rows, columns)
    return best
