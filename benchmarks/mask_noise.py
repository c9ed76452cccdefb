"""How much does another mask seed move an image's NLL, against the spread between images?

    python benchmarks/mask_noise.py FOLDER [--images N] [--seeds N] [--rounds R]

Prints, for each scale with masks, the standard deviation over seeds (root mean square over images), the
standard deviation over images, and their ratio. Below 0.1 is what we hold ourselves to.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cinemae.detector import Detector
from cinemae.images import ImageError, load_image
from cinemae.pretrain.pack import find_photos


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    detector = Detector.load(device="cpu").with_rounds(options.rounds)
    paths = find_photos(options.folder)
    scales = detector.extractor.spec.scales
    bits: dict[str, list[list[float]]] = {name: [] for name, scale in scales.items() if scale.masks is not None}
    logits = []
    for path in paths[:: max(1, len(paths) // options.images)][: options.images]:
        try:
            pixels = load_image(path).pixels
        except ImageError as error:
            print(f"left out: {error}")
            continue
        extractions = [detector.extractor.extract(pixels, seed) for seed in range(options.seeds)]
        for scale, rows in bits.items():
            rows.append([extraction.bits_per_dim(scale) for extraction in extractions])
        logits.append(detector.head.logits(np.stack([extraction.features for extraction in extractions])))
    print(f"{len(logits)} images, {options.seeds} seeds, {options.rounds} round(s)")
    for name, rows in [*bits.items(), ("logit of the head", logits)]:
        table = np.array(rows)
        seeds, images = float(np.sqrt(table.var(1, ddof=1).mean())), float(table.mean(1).std(ddof=1))
        print(f"{name}: over seeds {seeds:.4f}, over images {images:.4f}, ratio {seeds / images:.4f}")


if __name__ == "__main__":
    main()
