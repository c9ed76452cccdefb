"""The evaluation table: figures per generator, thresholds, intervals, families and refusals."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from cinemae.metrics import EvaluationTable, Scored, evaluate_scores


def probability(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.fixture(scope="module")
def scored() -> Scored:
    """Two generators, g well and h badly separated, 20 sources, and one without real images."""
    rng = np.random.default_rng(0)
    labels = np.tile([1, 0, 0], 140)
    scores = rng.normal(labels * np.repeat([2.0, 0.3], 210))
    names = ["g"] * 210 + ["h"] * 210 + ["solo"] * 2
    sources = [f"s{i // 3 % 20}" for i in range(420)] + ["x"] * 2
    return Scored(probability(np.append(scores, [1.0, -1.0])), np.append(labels, [1, 1]), names, sources)


def part(scored: Scored, rows: slice) -> Scored:
    return Scored(scored.p[rows], scored.truth[rows], scored.generators[rows].tolist(), scored.sources[rows].tolist())


@pytest.fixture(scope="module")
def table(scored: Scored) -> EvaluationTable:
    families = {"both": ["g", "h"], "gone": ["solo", "zz"]}
    return evaluate_scores(scored, 0.6, band=(0.3, 0.7), alpha=0.2, empty=True, families=families, resamples=400)


def test_rows_are_the_plain_figures(scored: Scored, table: EvaluationTable) -> None:
    p, labels = scored.p[:210], scored.truth[:210]
    row = table.row("g")
    assert (row.n_ai, row.n_real, row.sources_ai, row.sources_real) == (70, 140, 20, 20)
    assert list(row.points) == ["half", "stored", "far_1", "far_5"]
    for name, point in row.points.items():
        said = p >= table.thresholds[name]
        assert point.accuracy.value == pytest.approx((said == labels).mean())
        assert point.accuracy_ai.value == pytest.approx(said[labels].mean())
        assert point.accuracy_real.value == pytest.approx((~said[~labels]).mean())
        assert point.balanced_accuracy.value == pytest.approx((said[labels].mean() + (~said[~labels]).mean()) / 2)
    assert row.ranking.roc_auc.value == pytest.approx(roc_auc_score(labels, p))
    assert row.ranking.average_precision.value == pytest.approx(average_precision_score(labels, p))
    alarms, hits, _ = roc_curve(labels, p, drop_intermediate=False)
    assert row.ranking.pd_far_5.value == pytest.approx(hits[alarms <= 0.05].max())
    assert row.calibration.brier.value == pytest.approx(((p - labels) ** 2).mean())
    kept = (p <= 0.3) | (p >= 0.7)
    assert row.selective.coverage.value == pytest.approx(kept.mean())
    assert row.selective.error.value == pytest.approx(((p >= 0.6) != labels)[kept].mean())
    assert row.selective.miscoverage_ai.value == pytest.approx((p < 0.7)[labels].mean())
    assert row.selective.empty.value == pytest.approx(1 - kept.mean())
    assert (table.band, table.alpha, table.empty) == ((0.3, 0.7), 0.2, True)
    low, high = row.ranking.roc_auc.interval
    assert low < row.ranking.roc_auc.value < high
    with pytest.raises(KeyError):
        table.row("zz")
    with pytest.raises(KeyError):
        table.mean("zz")


def test_low_false_alarms_are_counted_on_all_real_images_together(scored: Scored, table: EvaluationTable) -> None:
    real = scored.p[~scored.truth]
    assert (table.thresholds_from, table.thresholds_real) == ("evaluated", 280)
    assert table.thresholds["half"] == 0.5
    assert table.thresholds["stored"] == table.threshold == 0.6
    assert (real >= table.thresholds["far_1"]).sum() == 2
    assert (real >= table.thresholds["far_5"]).sum() == 14
    p = np.append(np.linspace(0, 0.99, 200), [0.3, 0.3])  # h's real images all lie above g's
    two = Scored(p, [0] * 200 + [1, 1], ["g"] * 100 + ["h"] * 100 + ["g", "h"], ["s"] * 202)
    rows = evaluate_scores(two, 0.5, resamples=0).rows
    assert [row.points["far_5"].accuracy_real.value for row in rows] == pytest.approx([1, 0.9])


def test_a_calibration_set_chooses_the_thresholds_instead(scored: Scored, table: EvaluationTable) -> None:
    other = np.linspace(0, 0.5, 101)
    found = evaluate_scores(scored, 0.6, band=(0.3, 0.7), calibration=other, resamples=0)
    assert (found.thresholds_from, found.thresholds_real) == ("calibration", 101)
    assert found.thresholds["far_1"] == np.nextafter(other[-2], 1)
    assert found.thresholds["far_5"] == np.nextafter(other[-6], 1)
    same, moved = (t.row("g").points for t in (table, found))
    assert moved["stored"].accuracy.value == same["stored"].accuracy.value
    assert moved["far_1"].accuracy_ai.value > same["far_1"].accuracy_ai.value
    with pytest.raises(ValueError, match="no real images"):
        evaluate_scores(scored, 0.6, calibration=[])
    with pytest.raises(ValueError, match="1 of 2 scores are not probabilities"):
        evaluate_scores(scored, 0.6, calibration=[0.5, 1.5])


def test_label_direction_and_threshold_side() -> None:
    for labels, wanted in (([1, 1, 0], 1), ([0, 0, 1], 0)):
        row = evaluate_scores(Scored([0.9, 0.5, 0.1], labels, ["g"] * 3, ["s"] * 3), 0.5, resamples=10).rows[0]
        assert row.points["stored"].accuracy.value == row.ranking.roc_auc.value == wanted
        assert row.selective.coverage.value == 1  # no band, no abstention


def test_a_generator_of_one_class_has_accuracy_only(table: EvaluationTable) -> None:
    row = table.row("solo")
    point = row.points["stored"]
    assert point.accuracy == point.accuracy_ai
    assert point.accuracy.value == 0.5
    assert point.accuracy.interval is point.accuracy_real is point.balanced_accuracy is None
    assert row.ranking is row.calibration is row.selective is None


def test_without_real_images_there_are_no_thresholds_for_false_alarms() -> None:
    found = evaluate_scores(Scored([0.2, 0.9], [1, 1], ["g"] * 2, ["s"] * 2), 0.5)
    assert list(found.thresholds) == list(found.rows[0].points) == ["half", "stored"]
    assert found.thresholds_real == 0


def test_means_over_families(table: EvaluationTable) -> None:
    both, gone = table.mean("both"), table.mean("gone")
    g, h = table.row("g"), table.row("h")
    for pick in (
        lambda row: row.points["far_1"].balanced_accuracy,
        lambda row: row.ranking.roc_auc,
        lambda row: row.calibration.min_cllr,
        lambda row: row.selective.risk_coverage_area,
    ):
        assert pick(both).value == pytest.approx((pick(g).value + pick(h).value) / 2)
    assert both.missing == ()
    area = both.ranking.roc_auc
    assert area.interval[0] < area.value < area.interval[1]
    of_h = h.ranking.roc_auc.interval
    assert area.interval[1] - area.interval[0] < of_h[1] - of_h[0]
    assert (gone.generators, gone.missing, gone.ranking, gone.points) == ((), ("solo", "zz"), None, {})


def test_without_families_there_is_one_mean_over_all(scored: Scored) -> None:
    (mean,) = evaluate_scores(scored, 0.5, resamples=0).means
    assert (mean.family, mean.generators, mean.missing) == ("all", ("g", "h"), ("solo",))
    assert mean.ranking.roc_auc.interval is None


def test_intervals_depend_on_the_seed_but_not_on_other_generators(scored: Scored, table: EvaluationTable) -> None:
    alone = evaluate_scores(part(scored, slice(210, 420)), 0.6, band=(0.3, 0.7), empty=True, resamples=400)
    assert alone.row("h").ranking == table.row("h").ranking
    assert alone.row("h").selective == table.row("h").selective
    other = evaluate_scores(part(scored, slice(210)), 0.6, resamples=400, seed=1).row("g").ranking.roc_auc
    assert other.value == table.row("g").ranking.roc_auc.value
    assert other.interval != table.row("g").ranking.roc_auc.interval


def test_interval_has_about_the_right_width() -> None:
    # Hanley and McNeil (1982): the standard error at area 0.5 is sqrt((n + m + 1) / (12 n m)).
    n = 400
    p = np.random.default_rng(0).random(2 * n)
    names = [str(i) for i in range(2 * n)]
    row = evaluate_scores(Scored(p, np.repeat([1, 0], n), ["g"] * 2 * n, names), 0.5).rows[0]
    low, high = row.ranking.roc_auc.interval
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt((2 * n + 1) / (12 * n * n)), rel=0.15)
    low, high = row.points["half"].balanced_accuracy.interval
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / (2 * n)), rel=0.15)


def test_sources_widen_the_interval_only_when_there_are_enough() -> None:
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(10), 40)
    labels = source % 2
    scores = rng.normal(0, 1, 10)[source] + rng.normal(labels * 0.5, 0.3)
    images = Scored(probability(scores), labels, ["g"] * 400, [f"s{i}" for i in source])

    def width(min_sources: int) -> float:
        low, high = evaluate_scores(images, 0.5, min_sources=min_sources).rows[0].ranking.roc_auc.interval
        return high - low

    assert width(5) > 2 * width(6)


def test_table_comes_back_from_json(table: EvaluationTable) -> None:
    assert EvaluationTable.model_validate_json(table.model_dump_json()) == table


@pytest.mark.parametrize(
    ("scores", "labels", "reason"),
    [
        ([0.1, float("nan")], [0, 1], "1 of 2 scores are not probabilities"),
        ([-0.1, 2.0], [0, 1], "2 of 2 scores are not probabilities"),
        ([0.1, 0.2], [0, 2], r"labels must be 0 or 1, got \[0, 2\]"),
        ([0.1], [0, 1], "of one length"),
        ([[0.1, 0.2]], [0, 1], "of one length"),
    ],
)
def test_bad_input_is_refused(scores: list[float], labels: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Scored(scores, labels, ["g", "g"], ["s", "s"])


def test_no_input_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Scored([], [], [], [])


def test_a_hundred_thousand_images_take_seconds() -> None:
    """All figures with 100 resamples; the default of 1,000 takes up to ten times as long."""
    n, rng = 100_000, np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    names, sources = [f"g{i % 20}" for i in range(n)], [f"s{i % 997}" for i in range(n)]
    images = Scored(probability(rng.normal(labels)), labels, names, sources)
    start = time.process_time()
    table = evaluate_scores(images, 0.5, band=(0.4, 0.6), resamples=100)
    assert time.process_time() - start < 10
    assert len(table.rows) == 20
