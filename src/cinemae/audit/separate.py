"""How well facts tell the labels apart: scores of images that the classifier has not seen.

No fact's direction is chosen by looking at the result, and a fact need not be monotonic ("exactly
512 pixels wide" is found as well as "larger"): each goes through a small decision tree, fitted on
other images. All scores come from cross-validation whose folds keep together what belongs together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cinemae.audit.facts import Fact, Value
from cinemae.metrics.bootstrap import Floats, bootstrap_groups
from cinemae.seeding import seeded_digest

Labels = NDArray[np.bool_]
Groups = NDArray[np.intp]
Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]

_DIGITS = 9  # of a score: weights that should balance out do so up to rounding only
_LEAVES = 8
_SEED_RANGE = 2**32


def encode(values: Sequence[Mapping[str, Value]], facts: Sequence[Fact]) -> dict[str, Floats]:
    """Turn facts into numbers, a matrix each: one column for a number, one a word for words.

    Args:
        values: The facts of each image.
        facts: Which of them.

    Returns:
        Matrices of (images, columns) by fact; not a number stays so.
    """
    columns = {}
    for fact in facts:
        column = [row[fact.name] for row in values]
        if fact.words:
            words = np.array(column, dtype=str)
            columns[fact.name] = (words[:, None] == np.unique(words)[None]).astype(np.float64)
        else:
            columns[fact.name] = np.array(column, dtype=np.float64)[:, None]
    return columns


def fold_groups(labels: Labels, sources: NDArray[np.str_], min_sources: int) -> Groups:
    """Say which images of a set stay on one side of every fold: for each class what its bootstrap draws together.

    These are its sources, or single images where it has fewer than ``min_sources`` of them: a class
    of one source can't be divided by source.
    """
    groups = np.empty(len(labels), dtype=np.intp)
    start = 0
    for part in (labels, ~labels):
        mine = bootstrap_groups(sources[part], min_sources)
        groups[part] = mine + start
        start += int(mine.max(initial=-1)) + 1
    return groups


def make_folds(labels: Labels, groups: Groups, folds: int, seed: int) -> Folds:
    """Divide a set into folds with nearly the classes' shares, no group being on both sides.

    Args:
        labels: True = AI-generated, (n,).
        groups: From :func:`fold_groups`, (n,).
        folds: Number of folds; fewer where a class has fewer groups.
        seed: Seed of the division.

    Returns:
        (rows to fit on, rows to score) of each fold; empty if a class has fewer than two groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    most = min(folds, len(np.unique(groups[labels])), len(np.unique(groups[~labels])))
    if most < 2:
        return []
    splitter = StratifiedGroupKFold(most, shuffle=True, random_state=seeded_digest(seed, "folds") % _SEED_RANGE)
    return [
        (fit, held) for fit, held in splitter.split(np.zeros(len(labels)), labels, groups) if len(set(labels[fit])) == 2
    ]


def fact_scores(columns: Floats, labels: Labels, folds: Folds) -> Floats:
    """Score images by one fact: the share of AI-generated ones in a small tree's leaf.

    Args:
        columns: The fact, (n, columns).
        labels: True = AI-generated, (n,).
        folds: From :func:`make_folds`.

    Returns:
        Shape (n,), 0 to 1; 0.5 throughout for a fact that is the same everywhere.
    """
    from sklearn.tree import DecisionTreeClassifier

    scores = np.full(len(labels), 0.5)
    if _constant(columns):
        return scores
    for fit, held in folds:
        least = max(2, len(fit) // 50)
        tree = DecisionTreeClassifier(
            max_leaf_nodes=_LEAVES, min_samples_leaf=least, class_weight="balanced", random_state=0
        )
        scores[held] = tree.fit(columns[fit], labels[fit]).predict_proba(columns[held])[:, 1]
    return scores.round(_DIGITS)


def joint_scores(columns: Sequence[Floats], labels: Labels, folds: Folds) -> Floats:
    """Score images by many facts together, with gradient-boosted trees.

    Args:
        columns: The facts, (n, columns) each.
        labels: True = AI-generated, (n,).
        folds: From :func:`make_folds`.

    Returns:
        Shape (n,), 0 to 1; 0.5 throughout if no fact varies.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    scores = np.full(len(labels), 0.5)
    varied = [column for column in columns if not _constant(column)]
    if not varied:
        return scores
    matrix = np.hstack(varied)
    for fit, held in folds:
        trees = HistGradientBoostingClassifier(
            max_iter=60,
            max_leaf_nodes=_LEAVES,
            min_samples_leaf=max(2, min(20, len(fit) // 20)),
            l2_regularization=1.0,
            early_stopping=False,
            class_weight="balanced",
            random_state=0,
        )
        scores[held] = trees.fit(matrix[fit], labels[fit]).predict_proba(matrix[held])[:, 1]
    return scores.round(_DIGITS)


def value_order(columns: Floats) -> Floats:
    """Return one fact's numbers as scores themselves, what is not a number lowest, (n,)."""
    values = columns[:, 0]
    known = values[~np.isnan(values)]
    return np.where(np.isnan(values), known.min() - 1 if known.size else 0.0, values)


def _constant(columns: Floats) -> bool:
    return bool(((columns == columns[:1]) | (np.isnan(columns) & np.isnan(columns[:1]))).all())
