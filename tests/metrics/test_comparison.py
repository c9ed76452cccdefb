"""All figures on counts are those of the images that the counts stand for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from cinemae.metrics.bootstrap import bootstrap_counts
from cinemae.metrics.comparison import Comparison, Drawn, Rule, mean_of

RULE = Rule({"half": 0.5, "stored": 0.45}, (0.4, 0.7))


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.beta(3, 2, 90), rng.beta(2, 3, 60)


def test_counts_stand_for_copies(scores: tuple[np.ndarray, np.ndarray]) -> None:
    compared = Comparison(*scores, RULE, shares={"high": (scores[0] > 0.8, scores[1] > 0.8)})
    rng = np.random.default_rng(1)
    counts = bootstrap_counts(rng, np.arange(90), 8), bootstrap_counts(rng, np.arange(60), 8)
    found = compared.statistics(*counts)
    for number in range(8):
        ai, real = (
            np.repeat(values, part[number].astype(int))
            for values, part in zip((compared.ai, compared.real), counts, strict=True)
        )
        p, truth = np.concatenate([ai, real]), np.repeat([1, 0], [len(ai), len(real)])
        again = Comparison(ai, real, RULE).draw((np.arange(len(ai)), np.arange(len(real))), (rng, rng), 0).sample
        for name, value in again.items():
            if name not in ("calibration.ece", "calibration.min_cllr"):  # the first has bins of its own there
                assert found[name][number] == pytest.approx(value, abs=1e-12), name
        assert found["high"][number] == pytest.approx((p > 0.8).mean())
        assert found["high_real"][number] == pytest.approx((real > 0.8).mean())
        said = p >= 0.45
        assert found["points.stored.accuracy"][number] == pytest.approx(accuracy_score(truth, said))
        assert found["points.stored.balanced_accuracy"][number] == pytest.approx(balanced_accuracy_score(truth, said))
        kept, ai_class = (p <= 0.4) | (p >= 0.7), truth == 1
        assert found["selective.coverage"][number] == pytest.approx(kept.mean())
        assert found["selective.error"][number] == pytest.approx((said != truth)[kept].mean())
        assert found["selective.error_ai"][number] == pytest.approx((~said)[kept & ai_class].mean())
        assert found["selective.inconclusive_real"][number] == pytest.approx((~kept)[~ai_class].mean())
        assert found["selective.miscoverage_ai"][number] == pytest.approx((p <= 0.4)[ai_class].mean())
        assert found["selective.miscoverage_real"][number] == pytest.approx((p >= 0.7)[~ai_class].mean())
        assert found["selective.empty"][number] == pytest.approx(0, abs=1e-12)


def test_the_calibration_error_of_the_sample(scores: tuple[np.ndarray, np.ndarray]) -> None:
    sample = draw(scores, 0).sample
    p, truth = np.concatenate(scores), np.repeat([1, 0], [90, 60])
    parts = np.array_split(np.argsort(p), 15)  # 150 images, 10 a bin
    wanted = sum(abs(p[part].mean() - truth[part].mean()) for part in parts) / 15
    assert sample["calibration.ece"] == pytest.approx(wanted)


def draw(scores: tuple[np.ndarray, np.ndarray], resamples: int, **options: bool) -> Drawn:
    rngs = np.random.default_rng(2), np.random.default_rng(3)
    groups = np.arange(len(scores[0])), np.arange(len(scores[1]))
    return Comparison(*scores, RULE, **options).draw(groups, rngs, resamples)


def test_every_figure_but_one_has_an_interval_around_it(scores: tuple[np.ndarray, np.ndarray]) -> None:
    for name, figure in draw(scores, 300).figures().items():
        if name == "calibration.min_cllr":
            assert figure.interval is None
        elif name == "selective.empty":
            assert (figure.value, figure.interval) == (0, (0, 0))
        else:
            assert figure.interval is not None
            assert figure.interval[0] <= figure.value <= figure.interval[1], name
            assert figure.interval[0] < figure.interval[1]


def test_images_of_one_source_are_drawn_together(scores: tuple[np.ndarray, np.ndarray]) -> None:
    """In the order in which the scores were given, whatever the order that they are computed in."""
    groups = np.arange(90) % 9, np.arange(60) // 6
    drawn = Comparison(*scores, RULE).draw(groups, (np.random.default_rng(2), np.random.default_rng(3)), 20)
    counts = [bootstrap_counts(np.random.default_rng(2 + side), groups[side], 20) for side in (0, 1)]
    for number in range(20):
        ai, real = (np.repeat(scores[side], counts[side][number].astype(int)) for side in (0, 1))
        truth = np.repeat([1, 0], [len(ai), len(real)])
        area = roc_auc_score(truth, np.concatenate([ai, real]))
        assert drawn.draws["ranking.roc_auc"][number] == pytest.approx(area)


def test_a_calibrated_sample_costs_little_and_a_shifted_one_more() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    truth = rng.random(20_000) < p
    good = draw((p[truth], p[~truth]), 0).sample
    bad = draw((p[truth] ** 3, p[~truth] ** 3), 0).sample
    assert good["calibration.ece"] < 0.015 < 0.2 < bad["calibration.ece"]
    assert good["ranking.roc_auc"] == bad["ranking.roc_auc"]
    assert good["calibration.min_cllr"] == pytest.approx(bad["calibration.min_cllr"])
    assert good["calibration.cllr"] - good["calibration.min_cllr"] < 0.01 < 0.1
    assert bad["calibration.cllr"] - bad["calibration.min_cllr"] > 0.1


def test_empty_sets_miss_both_classes(scores: tuple[np.ndarray, np.ndarray]) -> None:
    ones = np.ones((1, 90)), np.ones((1, 60))
    full, empty = (Comparison(*scores, Rule(RULE.thresholds, RULE.band, e)).statistics(*ones) for e in (False, True))
    inside = [((part > 0.4) & (part < 0.7)).mean() for part in scores]
    for side, share in zip(("ai", "real"), inside, strict=True):
        assert empty[f"selective.miscoverage_{side}"] == pytest.approx(full[f"selective.miscoverage_{side}"] + share)
        assert empty[f"selective.inconclusive_{side}"] == pytest.approx(share)
    assert empty["selective.empty"] == pytest.approx((90 * inside[0] + 60 * inside[1]) / 150)
    same = ("selective.coverage", "selective.error", "selective.error_ai", "selective.risk_coverage_area")
    assert all(full[name] == empty[name] for name in same)


def test_verdicts_stand_on_the_band_also_where_it_does_not_hold_the_threshold() -> None:
    scores = np.array([0.3, 0.45, 0.6, 0.8]), np.array([0.1, 0.35, 0.45, 0.6])
    found = Comparison(*scores, Rule({"stored": 0.9}, (0.35, 0.5))).statistics(np.ones((1, 4)), np.ones((1, 4)))
    assert found["selective.coverage"] == 6 / 8
    assert (found["selective.error_ai"], found["selective.error_real"]) == (1 / 3, 1 / 3)


def test_no_verdict_no_error() -> None:
    scores = np.array([0.5, 0.6]), np.array([0.45, 0.55])
    drawn = draw(scores, 5)
    assert drawn.sample["selective.coverage"] == 0
    assert "selective.error" not in drawn.figures()


def test_brief_leaves_out_calibration_and_abstention(scores: tuple[np.ndarray, np.ndarray]) -> None:
    full, brief = draw(scores, 20), draw(scores, 20, brief=True)
    assert {name.split(".")[0] for name in brief.sample} == {"points", "ranking"}
    for name, values in brief.draws.items():
        assert np.array_equal(values, full.draws[name])


def test_differences_and_means_go_by_resample() -> None:
    one = Drawn({"a": 3.0, "b": 1.0}, {"a": np.array([3.0, 5.0])})
    other = Drawn({"a": 1.0, "c": 2.0}, {"a": np.array([1.0, 4.0])})
    assert (one - other).sample == {"a": 2.0}
    assert (one - other).draws["a"].tolist() == [2.0, 1.0]
    both = mean_of([Drawn({"a": 3.0}, one.draws), Drawn({"a": 1.0}, other.draws)])
    assert both.sample == {"a": 2.0}
    assert both.draws["a"].tolist() == [2.0, 4.5]
