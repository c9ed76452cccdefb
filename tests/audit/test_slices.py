"""Slices: each image is in the part that its file belongs to, and figures are of that part alone."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cinemae.audit import AuditConfig
from cinemae.audit.slices import DIVISIONS, QUALITIES, SIZES, bucket, slice_scores
from cinemae.datasets import LabelledImage

CONFIG = AuditConfig(resamples=50, few=10)


@pytest.fixture(scope="module")
def sliced():
    rng = np.random.default_rng(0)
    images, files, scores = [], [], []
    for number in range(120):
        label = number % 2
        source = "camera" if number % 8 == 0 else f"s{label}"
        images.append(
            LabelledImage(
                path=f"{number}",
                label=label,
                generator="g",
                source=source,
                split="val",
                kind=("photo", "art")[number // 2 % 2],
            )
        )
        jpeg = number % 3 == 0
        files.append({"format": "JPEG" if jpeg else "PNG", "width": 100.0 + 10 * number, "height": 5000.0,
                      "jpeg_quality": 90.0 if jpeg else math.nan})  # fmt: skip
        scores.append(math.nan if number == 7 else float(rng.normal(0.5 + 0.1 * label, 0.1)))
    return images, files, scores, {(s.by, s.value): s for s in slice_scores("raw", images, files, scores, CONFIG)}


def test_every_division_counts_every_scored_image_once(sliced):
    *_, slices = sliced
    for by in DIVISIONS:
        parts = [part for (division, _), part in slices.items() if division == by]
        assert sum(part.n_ai for part in parts) == 59
        assert sum(part.n_real for part in parts) == 60


def test_figures_are_of_the_slice_alone(sliced):
    images, files, scores, slices = sliced
    mine = [n for n, file in enumerate(files) if file["format"] == "PNG" and n != 7]
    labels, values = np.array([images[n].label for n in mine]), np.array([scores[n] for n in mine])
    part = slices["format", "PNG"]
    assert part.area.value == pytest.approx(roc_auc_score(labels, values))
    assert part.area.interval[0] <= part.area.value <= part.area.interval[1]
    assert part.accuracy == pytest.approx(np.mean((values >= 0.5) == labels))
    assert part.accuracy_ai.value == pytest.approx(np.mean(values[labels == 1] >= 0.5))
    assert part.accuracy_real.value == pytest.approx(np.mean(values[labels == 0] < 0.5))


def test_a_slice_of_one_class_has_its_accuracy_and_no_area(sliced):
    part = sliced[-1]["source", "camera"]
    assert (part.n_ai, part.n_real) == (0, 15)
    assert part.area is None
    assert part.accuracy_ai is None
    assert part.accuracy_real.interval is not None
    assert not part.few


def test_small_slices_are_marked(sliced):
    slices = sliced[-1]
    assert slices["short side", "under 128"].few
    assert not slices["kind", "art"].few


def test_parts_are_those_of_the_files(sliced):
    slices = sliced[-1]
    assert [value for by, value in slices if by == "short side"] == [
        "under 128", "128 to 255", "256 to 511", "512 to 1023", "1024 and more",
    ]  # fmt: skip
    assert [value for by, value in slices if by == "JPEG quality"] == ["90 to 94", "none"]
    assert [value for by, value in slices if by == "kind"] == ["art", "photo"]


@pytest.mark.parametrize(
    ("value", "bounds", "name"),
    [(127, SIZES, "under 128"), (128, SIZES, "128 to 255"), (4000, SIZES, "1024 and more"), (49, QUALITIES, "under 50"),
     (100, QUALITIES, "95 and more"), (math.nan, QUALITIES, "none")],
)  # fmt: skip
def test_bounds_belong_to_the_bucket_above(value, bounds, name):
    assert bucket(value, bounds) == name
