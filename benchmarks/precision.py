"""How far does a fast arithmetic type move the head's logit, and does it cost accuracy?

    python benchmarks/precision.py DATA [--root ROOT] [--model HEAD] [--precision auto] [--limit 50]

Scores the same images (at most LIMIT of each generator and class of the ``val`` split) in f32 and in
the other type, and prints the median, 99th percentile and maximum of the logits' differences, and the
mean ROC-AUC over generators in both. At most 0.02 and 0.001 is what we hold ourselves to.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cinemae.datasets import LabelledImage, read_images
from cinemae.detector import Detector
from cinemae.evaluation import sample_images
from cinemae.images import ImageError, load_image
from cinemae.pipeline import ordered_map


def logits_of(detector: Detector, images: list[LabelledImage]) -> NDArray[np.float64]:
    """Return the logit of each image; NaN where it is refused."""

    def logit(image: LabelledImage) -> float:
        try:
            pixels = load_image(image.path).pixels
        except ImageError as error:
            print(f"left out: {error}")
            return float("nan")
        return float(detector.head.logits(detector.extractor.extract(pixels).features[None])[0])

    return np.array(list(ordered_map(logit, images, workers=detector.jobs, ahead=8)))


def mean_auc(logits: NDArray[np.float64], images: list[LabelledImage]) -> float:
    """Return the mean over generators that have both classes."""
    labels, generators = np.array([i.label for i in images]), np.array([i.generator for i in images])
    groups = [generators == name for name in sorted(set(generators)) if len(set(labels[generators == name])) == 2]
    return float(np.mean([roc_auc_score(labels[group], logits[group]) for group in groups]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "f16"])
    parser.add_argument("--limit", type=int, default=50)
    options = parser.parse_args()
    images = sample_images(read_images(options.data, root=options.root, split="val"), options.limit, 0)
    exact, fast = (Detector.load(options.model, device="cpu", precision=p) for p in ("f32", options.precision))
    a, b = logits_of(exact, images), logits_of(fast, images)
    scored = ~np.isnan(a)
    a, b, images = a[scored], b[scored], [image for image, kept in zip(images, scored, strict=True) if kept]
    off = np.abs(a - b)
    print(f"{len(images)} images, {fast.extractor.precision} against f32")
    print(f"logit: median {np.median(off):.4f}, 99 % {np.quantile(off, 0.99):.4f}, maximum {off.max():.4f}")
    print(f"ROC-AUC: f32 {mean_auc(a, images):.4f}, {fast.extractor.precision} {mean_auc(b, images):.4f}")


if __name__ == "__main__":
    main()
