"""How far does what the features say of one generator carry over to another?

    python benchmarks/transfer.py DATA [--root ROOT] [--model HEAD] [--families FILE] [--protocol format]
        [--limit N] [--strength 0.003] [--precision auto] [--cache FOLDER]

Of each generator of the ``val`` split, the ROC-AUC of a logistic regression on all features, trained

- ``within``: on four fifths of the same generator's images, in turn; sources are on both sides;
- ``others``: on the images of all other generators, each counting as much;
- ``one``: on those of a single other generator, mean over them;

and ``head``, of a head that has seen none of them. ``within`` far above ``others`` says that the features
tell these images apart, but by what is this generator's own; ``others`` is what more generators in the
training would bring.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from cinemae.alignment import Protocol
from cinemae.datasets import read_images
from cinemae.detector import Detector
from cinemae.evaluation import sample_images
from cinemae.features.collect import Variant
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.variants import Meter
from cinemae.fusion.forward import arranged, standardised

COLUMNS = ("within", "others", "one", "head")
AXES, FOLDS = 200, 5
Array = NDArray[Any]


class Probe:
    """Logistic regression on the leading principal axes; every generator and class counts as much as another."""

    def __init__(self, features: Array, labels: Array, generators: Array, strength: float) -> None:
        self.axes = PCA(
            min(AXES, len(features) - 1, features.shape[1]), whiten=True, svd_solver="randomized", random_state=0
        )
        places = self.axes.fit_transform(features)
        _, groups, sizes = np.unique(
            np.char.add(generators.astype(str), labels.astype(str)), return_inverse=True, return_counts=True
        )
        weights = 1 / sizes[groups]
        self.line = LogisticRegression(C=strength, max_iter=1000)
        self.line.fit(places, labels, sample_weight=weights / weights.mean())

    def __call__(self, features: Array) -> Array:
        """Return the log-odds, (images,)."""
        return np.asarray(self.line.decision_function(self.axes.transform(features)))


def rate(
    features: Array, logits: Array, labels: Array, generators: Array, strength: float
) -> dict[str, dict[str, float]]:
    """Return the ROC-AUCs of each generator that has both classes.

    Args:
        features: (images, features), standardised.
        logits: What the head says, (images,).
        labels: 1 = AI-generated, 0 = real.
        generators: The generators' names.
        strength: Inverse strength of the regression's penalty.
    """

    def probe(rows: Array) -> Probe:
        return Probe(features[rows], labels[rows], generators[rows], strength)

    names = [str(name) for name in np.unique(generators) if len(set(labels[generators == name])) == 2]
    own = {name: np.flatnonzero(generators == name) for name in names}
    trained = {name: probe(own[name]) for name in names}
    found = {}
    for name in names:
        rows = own[name]
        others = [own[other] for other in names if other != name]
        said = {
            "within": [_folded(probe, features, labels, rows)],
            "others": [probe(np.concatenate(others))(features[rows])] if others else [],
            "one": [trained[other](features[rows]) for other in names if other != name],
            "head": [logits[rows]],
        }
        found[name] = {
            column: float(np.mean([roc_auc_score(labels[rows], each) for each in said[column]]))
            if said[column]
            else float("nan")
            for column in COLUMNS
        }
    return found


def _folded(probe: Callable[[Array], Probe], features: Array, labels: Array, rows: Array) -> Array:
    said = np.zeros(len(rows))
    for fitted, tested in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, labels[rows]):
        said[tested] = probe(rows[fitted])(features[rows[tested]])
    return said


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--families", type=Path, help="means over these, as of benchmarks/families.json")
    parser.add_argument("--protocol", nargs="+", default=["format"], choices=get_args(Protocol))
    parser.add_argument("--limit", type=int, help="at most this many images of each generator and class")
    parser.add_argument("--strength", type=float, default=0.003, help="inverse strength C of the regression's penalty")
    parser.add_argument("--precision", default="auto", choices=["auto", "f32", "bf16", "f16"])
    parser.add_argument("--cache", type=Path, default=Path(".cinemae-cache"))
    options = parser.parse_args()
    images = read_images(options.data, root=options.root, split="val")
    if options.limit:
        images = sample_images(images, options.limit, 0)
    detector = Detector.load(options.model, device="cpu", precision=options.precision)
    head = detector.head
    meter = Meter(ExtractorConfig.of(detector.extractor, head.config.backbone_names), options.cache)
    variants = [Variant(protocol=protocol) for protocol in options.protocol]
    measured = meter.measure(images, variants)
    for reason in measured.refused:
        print(f"left out: {reason}")
    weights = arranged(head.config, head.weights)
    families = json.loads(options.families.read_text()) if options.families else {}
    for variant in variants:
        rows = measured.known([variant])
        features = measured.features(variant, rows)
        labels, generators = (
            np.array([getattr(images[row], field) for row in rows]) for field in ("label", "generator")
        )
        inputs = standardised(head.config, weights, features)[:, : features.shape[1]]  # without differences
        found = rate(inputs, head.logits(features), labels, generators, options.strength)
        print(f"{variant.protocol}: {len(rows)} images")
        for name, each in {**found, **means(found, families)}.items():
            print(f"  {name}: " + ", ".join(f"{column} {each[column]:.3f}" for column in COLUMNS))


def means(found: dict[str, dict[str, float]], families: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """Return the mean of each family, and of all generators."""
    groups = {**families, "all": list(found)}
    return {
        f"mean of {name}": {
            column: float(np.mean([found[member][column] for member in members if member in found]))
            for column in COLUMNS
        }
        for name, members in groups.items()
        if any(member in found for member in members)
    }


if __name__ == "__main__":
    main()
