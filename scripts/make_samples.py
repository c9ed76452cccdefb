"""Write the images of ``samples/``: photographs that scikit-image ships, and two that this script draws.

    python scripts/make_samples.py samples

Nothing is downloaded: only the photographs inside the scikit-image wheel are used.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

SEED = 20260601
QUALITY = 92
LONGEST = 512
PHOTOS = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "retina", "rocket")


def clouds(height: int, width: int) -> np.ndarray:
    """Noise whose amplitude falls as 1/f^1.4, blue to white, (height, width, 3) uint8."""
    rng = np.random.default_rng(SEED)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height / width, np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) / frequency**1.4, s=(height, width))
    cover = np.clip(0.45 + 0.3 * noise / noise.std(), 0, 1)[..., None]
    sky = np.linspace([40, 90, 170], [150, 190, 225], height)[:, None]
    return np.rint(sky * (1 - cover) + 250 * cover).astype(np.uint8)


def waves(height: int, width: int) -> np.ndarray:
    """Interfering circular waves in three colours, without any noise, (height, width, 3) uint8."""
    rows, columns = np.mgrid[:height, :width]
    centres = [(0.2, 0.3), (0.8, 0.4), (0.5, 0.9)]
    channels = []
    for phase in (0.0, 0.7, 1.4):
        heights = [
            np.sin(np.hypot(rows - top * height, columns - left * width) / 9 + phase * (1 + number))
            for number, (top, left) in enumerate(centres)
        ]
        channels.append(127.5 + 127.5 * np.mean(heights, axis=0))
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def photograph(name: str) -> Image.Image:
    """One of scikit-image's photographs, reduced to at most 512 pixels a side."""
    image = Image.fromarray(getattr(data, name)())
    scale = LONGEST / max(image.size)
    if scale < 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return image


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in PHOTOS:
        photograph(name).save(folder / f"{name}.jpg", quality=QUALITY, optimize=True)
    Image.fromarray(clouds(360, 480)).save(folder / "drawn-clouds.webp", quality=QUALITY)
    Image.fromarray(waves(320, 320)).save(folder / "drawn-waves.png", optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/make_samples.py FOLDER")
    main(Path(sys.argv[1]))
