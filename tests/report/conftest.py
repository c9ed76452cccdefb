"""An evaluation of made-up scores: two heads, three protocols, two corruptions, no images behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cinemae.corruptions import parse_corruption
from cinemae.evaluation import Evaluation
from cinemae.metrics import Scored, evaluate_scores
from cinemae.metrics.robustness import RobustnessTable, robustness
from cinemae.provenance import Run
from cinemae.report.inputs import Inputs, read_inputs
from cinemae.scores import ImageScore, write_scores

GENERATORS = {"good": 60, "blind": 50, "<b>odd</b> $x$ 図": 12}
"""Images of each class; only the first one is told from its real images."""
FAMILIES = {"all": list(GENERATORS), "large": ["good", "blind"]}
PROTOCOLS = {"raw": 2.0, "format": 1.2, "history": 0.8}
"""How far the classes of ``good`` are apart."""


def invent(shift: float, seed: int) -> tuple[Scored, list[str]]:
    """Make up probabilities; what of the names is after the slash says the class."""
    rng = np.random.default_rng(seed)
    p, labels, generators, sources, names = [], [], [], [], []
    for generator, count in GENERATORS.items():
        for label in (1, 0):
            middle = (shift if label else -shift) if generator == "good" else 0.0
            p += (1 / (1 + np.exp(-rng.normal(middle, 1.0, count)))).tolist()
            labels += [label] * count
            generators += [generator] * count
            sources += [f"s{number % 6}" for number in range(count)]
            names += [f"{generator}/{label}/{number}.png" for number in range(count)]
    return Scored(p, labels, generators, sources), names


def rows_of(scored: Scored, names: list[str], head: str, protocol: str, corruption: str = "") -> list[ImageScore]:
    """Turn scores into rows."""
    return [
        ImageScore.model_validate(
            {
                "name": name, "generator": generator, "label": "ai" if truth else "real", "source": source,
                "split": "val", "head": head, "protocol": protocol, "corruption": corruption, "probability": p,
            }
        )
        for name, generator, truth, source, p in zip(
            names, scored.generators.tolist(), scored.truth.tolist(), scored.sources.tolist(), scored.p.tolist(),
            strict=True,
        )
    ]  # fmt: skip


def corrupted(scored: Scored) -> RobustnessTable:
    """Make up what corruptions do."""
    rng = np.random.default_rng(5)
    after = {
        one: np.clip(scored.p + rng.normal(0, 0.1, len(scored.p)), 0, 1)
        for text in ("jpeg", "social:1")
        for one in parse_corruption(text)
    }
    options = {"protocol": "format", "families": FAMILIES, "tiers": ["web"], "resamples": 30}
    return robustness(scored, after, 0.5, (0.4, 0.6), **options)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``cinemae evaluate --out`` writes."""
    place = tmp_path_factory.mktemp("evaluation")
    heads = {"shipped": 0, "other/head~1": 100}
    tables, robust, rows = {}, {}, []
    for head, seed in heads.items():
        tables[head] = {}
        for number, (protocol, shift) in enumerate(PROTOCOLS.items()):
            scored, names = invent(shift, seed + number)
            tables[head][protocol] = evaluate_scores(
                scored, 0.5, band=(0.4, 0.6), alpha=0.1, families=FAMILIES, resamples=60
            )
            rows += rows_of(scored, names, head, protocol)
            if protocol == "format":
                robust[head] = corrupted(scored)
    evaluation = Evaluation(
        manifest_hash="ab" * 32,
        precision="f32",
        refused=("broken.png: is empty",),
        tables=tables,
        robustness=robust,
        run=Run.here("cinemae evaluate SET", seed=0, limit=None, heads=dict.fromkeys(heads, "0123456789abcdef")),
    )
    (place / "evaluation.json").write_text(evaluation.model_dump_json())
    write_scores(place / "scores.csv", rows)
    return place


@pytest.fixture(scope="session")
def inputs(folder: Path) -> Inputs:
    """The same, read."""
    return read_inputs(folder)
