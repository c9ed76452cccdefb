"""The evaluation table: point estimates, intervals, families, Markdown and refusals."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cinemae.data.metrics import EvaluationTable, evaluate_scores

Set = tuple[np.ndarray, np.ndarray, list[str], list[str]]


@pytest.fixture(scope="module")
def scored() -> Set:
    """Two generators, g well and h badly separated, 20 sources, and one without real images."""
    rng = np.random.default_rng(0)
    labels = np.tile([1, 0, 0], 140)
    shift = np.repeat([2.0, 0.3], 210)
    scores = rng.normal(labels * shift)
    names = ["g"] * 210 + ["h"] * 210
    sources = [f"s{i // 3 % 20}" for i in range(420)]
    return (
        np.append(scores, [1.0, -1.0]),
        np.append(labels, [1, 1]),
        [*names, "solo", "solo"],
        [*sources, "x", "x"],
    )


@pytest.fixture(scope="module")
def table(scored: Set) -> EvaluationTable:
    return evaluate_scores(*scored, 0.5, families={"both": ["g", "h"], "gone": ["solo", "zz"]}, resamples=400)


def test_rows_are_the_plain_figures(scored: Set, table: EvaluationTable) -> None:
    scores, labels = scored[0][:210], scored[1][:210]
    row = table.row("g")
    assert (row.n_ai, row.n_real, row.sources_ai, row.sources_real) == (70, 140, 20, 20)
    assert row.accuracy == pytest.approx(((scores >= 0.5) == labels).mean())
    assert row.accuracy_ai == pytest.approx((scores[labels == 1] >= 0.5).mean())
    assert row.accuracy_real == pytest.approx((scores[labels == 0] < 0.5).mean())
    assert row.balanced_accuracy == pytest.approx((row.accuracy_ai + row.accuracy_real) / 2)
    assert row.roc_auc == pytest.approx(roc_auc_score(labels, scores))
    assert row.average_precision == pytest.approx(average_precision_score(labels, scores))
    assert row.roc_auc_interval is not None
    assert row.roc_auc_interval[0] < row.roc_auc < row.roc_auc_interval[1]
    with pytest.raises(KeyError):
        table.row("zz")


def test_label_direction_and_threshold_side() -> None:
    right = evaluate_scores([0.9, 0.5, 0.1], [1, 1, 0], ["g"] * 3, ["s"] * 3, 0.5, resamples=10).rows[0]
    wrong = evaluate_scores([0.9, 0.5, 0.1], [0, 0, 1], ["g"] * 3, ["s"] * 3, 0.5, resamples=10).rows[0]
    assert (right.accuracy, right.roc_auc) == (1, 1)
    assert (wrong.accuracy, wrong.roc_auc) == (0, 0)


def test_a_generator_of_one_class_has_no_ranking_figures(table: EvaluationTable) -> None:
    row = table.row("solo")
    assert (row.accuracy, row.accuracy_ai, row.accuracy_real) == (0.5, 0.5, None)
    assert row.roc_auc is row.balanced_accuracy is row.average_precision is row.roc_auc_interval is None


def test_means_over_families(table: EvaluationTable) -> None:
    both, gone = table.means
    g, h = table.row("g"), table.row("h")
    for figure in ("accuracy", "accuracy_ai", "balanced_accuracy", "roc_auc", "average_precision"):
        assert getattr(both, figure) == pytest.approx((getattr(g, figure) + getattr(h, figure)) / 2)
    assert both.missing == ()
    assert both.roc_auc_interval is not None
    assert both.roc_auc_interval[0] < both.roc_auc < both.roc_auc_interval[1]
    width = both.roc_auc_interval[1] - both.roc_auc_interval[0]
    assert h.roc_auc_interval is not None
    assert width < h.roc_auc_interval[1] - h.roc_auc_interval[0]
    assert (gone.generators, gone.missing, gone.roc_auc) == ((), ("solo", "zz"), None)


def test_without_families_there_is_one_mean_over_all(scored: Set) -> None:
    (mean,) = evaluate_scores(*scored, 0.5, resamples=0).means
    assert (mean.family, mean.generators, mean.missing) == ("all", ("g", "h"), ("solo",))
    assert mean.roc_auc_interval is None


def test_intervals_depend_on_the_seed_but_not_on_other_generators(scored: Set, table: EvaluationTable) -> None:
    alone = evaluate_scores(*(part[210:420] for part in scored), 0.5, resamples=400)
    assert alone.rows == (table.row("h"),)
    other = evaluate_scores(*(part[:210] for part in scored), 0.5, resamples=400, seed=1)
    assert other.row("g").roc_auc == table.row("g").roc_auc
    assert other.row("g").roc_auc_interval != table.row("g").roc_auc_interval


def test_interval_has_about_the_right_width() -> None:
    # Hanley and McNeil (1982): the standard error at area 0.5 is sqrt((n + m + 1) / (12 n m)).
    n = 400
    scores = np.random.default_rng(0).random(2 * n)
    names = [str(i) for i in range(2 * n)]
    row = evaluate_scores(scores, np.repeat([1, 0], n), ["g"] * 2 * n, names, 0.5).rows[0]
    assert row.roc_auc_interval is not None
    expected = 2 * 1.96 * np.sqrt((2 * n + 1) / (12 * n * n))
    assert row.roc_auc_interval[1] - row.roc_auc_interval[0] == pytest.approx(expected, rel=0.15)


def test_sources_widen_the_interval_only_when_there_are_enough() -> None:
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(10), 40)
    labels = source % 2
    scores = rng.normal(0, 1, 10)[source] + rng.normal(labels * 0.5, 0.3)
    names = [f"s{i}" for i in source]

    def width(min_sources: int) -> float:
        row = evaluate_scores(scores, labels, ["g"] * 400, names, 0.5, min_sources=min_sources).rows[0]
        assert row.roc_auc_interval is not None
        return row.roc_auc_interval[1] - row.roc_auc_interval[0]

    assert width(5) > 2 * width(6)


def test_markdown(table: EvaluationTable) -> None:
    lines = table.to_markdown().splitlines()
    assert len(lines) == 2 + 3 + 2
    assert len({line.count("|") for line in lines}) == 1
    g = table.row("g")
    assert lines[2].startswith(f"| g | 70 | 140 | {100 * g.accuracy:.1f} | ")
    assert g.roc_auc_interval is not None
    low, high = g.roc_auc_interval
    assert f"| {g.roc_auc:.3f} [{low:.3f}, {high:.3f}] |" in lines[2]
    assert lines[4] == "| solo | 2 | 0 | 50.0 | 50.0 | - | - | - | - |"
    assert lines[5].startswith("| **mean of both** (2 of 2) |")
    assert lines[6].startswith("| **mean of gone** (0 of 2) |")


def test_table_comes_back_from_json(table: EvaluationTable) -> None:
    assert EvaluationTable.model_validate_json(table.model_dump_json()) == table


@pytest.mark.parametrize(
    ("scores", "labels", "reason"),
    [
        ([0.1, float("nan")], [0, 1], "1 of 2 scores are not finite"),
        ([0.1, 0.2], [0, 2], r"labels must be 0 or 1, got \[0, 2\]"),
        ([0.1], [0, 1], "of one length"),
        ([[0.1, 0.2]], [0, 1], "of one length"),
    ],
)
def test_bad_input_is_refused(scores: list[float], labels: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        evaluate_scores(scores, labels, ["g", "g"], ["s", "s"], 0.5)


def test_no_input_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        evaluate_scores([], [], [], [], 0.5)


def test_large_sets_take_seconds() -> None:
    n = 20_000
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    start = time.perf_counter()
    evaluate_scores(rng.normal(labels), labels, ["g"] * n, [str(i) for i in range(n)], 0.5)
    assert time.perf_counter() - start < 15
