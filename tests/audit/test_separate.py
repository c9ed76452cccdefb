"""Scores of unseen images: a planted fact is found whatever its shape, chance stays chance, groups stay whole."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cinemae.audit.facts import Fact
from cinemae.audit.separate import encode, fact_scores, fold_groups, joint_scores, make_folds, value_order

NUMBER, WORD = Fact("n", "file", ""), Fact("w", "file", "", words=True)


def setting(count=200, seed=0):
    labels = np.arange(count) % 2 == 0
    groups = fold_groups(labels, np.arange(count).astype(str), 5)
    return np.random.default_rng(seed), labels, make_folds(labels, groups, 5, seed)


def area(labels, scores):
    return roc_auc_score(labels, scores)


def test_words_become_columns_and_numbers_stay():
    columns = encode([{"n": 1.5, "w": "b"}, {"n": math.nan, "w": "a"}], [NUMBER, WORD])
    np.testing.assert_array_equal(columns["n"], [[1.5], [math.nan]])
    np.testing.assert_array_equal(columns["w"], [[0, 1], [1, 0]])


def test_a_larger_or_smaller_number_is_found():
    rng, labels, folds = setting()
    for sign in (1, -1):
        column = (sign * 3 * labels + rng.normal(size=len(labels)))[:, None]
        assert area(labels, fact_scores(column, labels, folds)) > 0.9


def test_one_exact_value_among_larger_and_smaller_ones_is_found():
    """The usual bias of sizes: AI-generated images are exactly 512 wide, real ones anything."""
    rng, labels, folds = setting()
    column = np.where(labels, 512.0, rng.integers(200, 900, len(labels)))[:, None]
    assert abs(area(labels, column[:, 0]) - 0.5) < 0.15
    assert area(labels, fact_scores(column, labels, folds)) > 0.95


def test_a_missing_number_is_a_fact():
    rng, labels, folds = setting()
    column = np.where(labels, np.nan, rng.integers(80, 96, len(labels)))[:, None]
    assert area(labels, fact_scores(column, labels, folds)) == 1
    assert area(labels, value_order(column)) == 0


def test_what_is_the_same_everywhere_says_nothing():
    _, labels, folds = setting()
    for column in (np.full((200, 1), 7.0), np.full((200, 1), np.nan)):
        assert set(fact_scores(column, labels, folds)) == {0.5}
        assert set(joint_scores([column, column], labels, folds)) == {0.5}


def test_chance_stays_chance():
    areas = []
    for seed in range(5):
        rng, labels, folds = setting(seed=seed)
        column = rng.normal(size=(len(labels), 1))
        areas.append(
            [area(labels, fact_scores(column, labels, folds)), area(labels, joint_scores([column], labels, folds))]
        )
    assert np.all(np.abs(np.mean(areas, axis=0) - 0.5) < 0.06)


def test_facts_that_tell_only_together_are_found_together():
    rng, labels, folds = setting(400)
    one = rng.integers(0, 2, len(labels)).astype(float)[:, None]
    other = (one[:, 0] != labels).astype(float)[:, None]
    assert area(labels, fact_scores(one, labels, folds)) < 0.65
    assert area(labels, joint_scores([one, other, rng.normal(size=(400, 3))], labels, folds)) > 0.95


def test_sources_are_never_on_both_sides_of_a_fold():
    labels = np.arange(300) % 3 == 0
    sources = np.array([f"s{number // 3 % 11}" for number in range(300)])
    groups = fold_groups(labels, sources, 5)
    folds = make_folds(labels, groups, 5, 0)
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(300))
    for fit, held in folds:
        for part in (labels, ~labels):
            assert not set(sources[fit][part[fit]]) & set(sources[held][part[held]])


def test_a_class_of_few_sources_is_divided_by_image():
    labels = np.arange(100) % 2 == 0
    sources = np.where(labels, "one", np.arange(100) % 20)
    groups = fold_groups(labels, sources, 5)
    assert len(set(groups[labels])) == 50
    assert len(set(groups[~labels])) == 10
    assert not set(groups[labels]) & set(groups[~labels])


def test_a_fact_of_the_source_does_not_pass_for_one_of_the_label():
    """Each source has its own size; a classifier that saw the source before would know its label."""
    rng = np.random.default_rng(0)
    sources = np.repeat([f"s{number}" for number in range(20)], 20)
    labels = np.repeat(np.arange(20) % 2 == 0, 20)
    column = np.repeat(rng.normal(size=20), 20)[:, None]
    leaking = make_folds(labels, np.arange(400), 5, 0)
    kept = make_folds(labels, fold_groups(labels, sources, 5), 5, 0)
    assert area(labels, joint_scores([column], labels, leaking)) > 0.95
    assert area(labels, joint_scores([column], labels, kept)) < 0.75


@pytest.mark.parametrize("labels", [[True, True], [True, False], [True, False, False]])
def test_too_few_images_have_no_folds(labels):
    labels = np.array(labels)
    assert make_folds(labels, fold_groups(labels, np.arange(len(labels)).astype(str), 5), 5, 0) == []


def test_the_seed_decides_the_folds():
    labels = np.arange(60) % 2 == 0
    groups = np.arange(60)
    first, same, other = (make_folds(labels, groups, 3, seed) for seed in (0, 0, 1))
    assert [held.tolist() for _, held in first] == [held.tolist() for _, held in same]
    assert [held.tolist() for _, held in first] != [held.tolist() for _, held in other]
