"""Areas and intervals, against scikit-learn and the evaluation's own."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cinemae.audit.areas import Resampling, draw_areas, mean_area, share
from cinemae.metrics import Scored, evaluate_scores

RESAMPLING = Resampling(resamples=300, min_sources=5, seed=3)


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    labels = rng.random(160) < 0.4
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1).round(2)  # with ties
    sources = np.array([f"s{number}" for number in rng.integers(0, 9, 160)])
    return scores, labels, sources


def test_areas_are_scikit_learn_s(scored):
    scores, labels, sources = scored
    drawn = draw_areas({"a": scores, "b": -scores}, labels, sources, "g", RESAMPLING)
    assert drawn.own["a"] == pytest.approx(roc_auc_score(labels, scores))
    assert drawn.own["b"] == pytest.approx(1 - drawn.own["a"])
    np.testing.assert_allclose(drawn.drawn["a"], 1 - drawn.drawn["b"])  # the same resamples


def test_intervals_are_the_evaluation_s(scored):
    scores, labels, sources = scored
    table = evaluate_scores(
        Scored(scores, labels.astype(int), ["g"] * len(labels), sources.tolist()), 0.5, resamples=300, seed=3
    )
    figure = draw_areas({"a": scores}, labels, sources, "g", RESAMPLING).figure("a")
    expected = table.rows[0].ranking.roc_auc
    assert figure.value == pytest.approx(expected.value)
    assert figure.interval == pytest.approx(expected.interval)


def test_a_score_that_never_varies_is_chance_without_doubt(scored):
    _, labels, sources = scored
    figure = draw_areas({"a": np.full(len(labels), 0.5)}, labels, sources, "g", RESAMPLING).figure("a")
    assert (figure.value, figure.interval) == (0.5, (0.5, 0.5))


def test_few_sources_make_wide_intervals(scored):
    scores, labels, sources = scored
    by_source, by_image = (
        draw_areas({"a": scores + (sources < "s5") * 0.3}, labels, sources, "g", Resampling(300, least, 0)).figure("a")
        for least in (5, 1000)
    )
    assert np.ptp(by_source.interval) > np.ptp(by_image.interval)


def test_the_mean_is_narrower_than_its_parts(scored):
    scores, labels, sources = scored
    parts = [draw_areas({"a": scores}, labels, sources, key, RESAMPLING) for key in "xyz"]
    mean = mean_area(parts, "a")
    assert mean.value == pytest.approx(parts[0].own["a"])
    assert np.ptp(mean.interval) < np.ptp(parts[0].figure("a").interval)


def test_shares_have_binomial_intervals():
    hits = np.arange(400) % 4 == 0
    figure = share(hits, np.arange(400).astype(str), "key", Resampling(2000, 5, 0))
    spread = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert figure.value == 0.25
    assert figure.interval == pytest.approx((0.25 - spread, 0.25 + spread), abs=0.01)
