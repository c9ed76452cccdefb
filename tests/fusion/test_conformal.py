"""Conformal verdicts: against crepes and mapie, their coverage, and what must hold of any scores."""

import math
from fractions import Fraction

import numpy as np
import pytest
from crepes import ConformalClassifier
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin

from cinemae.fusion.conformal import Conformal, Decision, rank
from cinemae.fusion.errors import AlphaError, HeadError
from toys import head_of

ALPHAS = st.floats(0.02, 0.98)
SCORES = st.lists(st.integers(0, 24), min_size=60, max_size=90).map(lambda x: np.array(x) / 24)  # many ties


def sets(conformal: Conformal, p: np.ndarray, alpha: float) -> list[tuple[bool, bool]]:
    """Whether (AI, real) are in the verdict's set, from the definition: a p-value above alpha."""
    ai, real = conformal.p_values(p)
    return list(zip((ai > alpha).tolist(), (real > alpha).tolist(), strict=True))


def drawn(seed: int, count: int, shift: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of both classes that overlap."""
    rng = np.random.default_rng(seed)
    return tuple(1 / (1 + np.exp(-rng.normal(mean, 1, count))) for mean in (shift / 2, -shift / 2))


def test_p_values_are_counts():
    conformal = Conformal(np.array([0.2, 0.4, 0.4, 0.9]), np.array([0.1, 0.5, 0.05]))
    ai, real = conformal.p_values(np.array([0.1, 0.2, 0.4, 0.95]))
    assert ai.tolist() == [1 / 5, 2 / 5, 4 / 5, 5 / 5]
    assert real.tolist() == [3 / 4, 2 / 4, 2 / 4, 1 / 4]


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.25, 0.6])
def test_p_values_and_sets_are_those_of_crepes(alpha):
    """Mondrian categories by class, non-conformity 1 - P(class), no smoothing."""
    (ai, real), test = drawn(0, 120), np.concatenate(drawn(1, 80))
    ours = np.stack(Conformal(ai, real[:70]).p_values(test), axis=1)
    oracle = ConformalClassifier()
    calibration = np.concatenate([1 - ai, real[:70]])
    classes = np.repeat([0, 1], [120, 70])
    oracle.fit(calibration, bins=classes)
    scores = np.stack([1 - test, test], axis=1)
    bins = np.tile([0, 1], (len(test), 1))
    theirs = np.stack([
        oracle.predict_p(scores[:, [side]], bins=bins[:, side], smoothing=False)[:, 0] for side in (0, 1)
    ], axis=1)  # fmt: skip
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert sets(Conformal(ai, real[:70]), test, alpha) == [tuple(row) for row in (theirs > alpha).tolist()]


class _Given(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities stand in its only feature."""

    def fit(self, X, y):
        self.classes_, self.is_fitted_ = np.array([0, 1]), True
        return self

    def predict_proba(self, X):
        return np.stack([1 - X[:, 0], X[:, 0]], axis=1)

    def predict(self, X):
        return (X[:, 0] >= 0.5).astype(int)


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset has less labels")
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_sets_are_those_of_mapie(alpha):
    """Mapie has no classes apart: each class's own calibration gives its own column of the sets."""
    (ai, real), test = drawn(2, 101), np.concatenate(drawn(3, 80))
    ours = sets(Conformal(ai, real[:59]), test, alpha)
    model = _Given().fit(None, None)
    columns = []
    for scores, label in ((ai, 1), (real[:59], 0)):
        oracle = SplitConformalClassifier(model, confidence_level=1 - alpha, conformity_score="lac", prefit=True)
        oracle.conformalize(scores[:, None], np.full(len(scores), label))
        _, found = oracle.predict_set(test[:, None])
        columns.append(found[:, label, 0].tolist())
    assert ours == list(zip(*columns, strict=True))


@settings(max_examples=200)
@given(SCORES, SCORES, ALPHAS, st.integers(0, 9))
def test_the_band_says_what_the_p_values_say(ai, real, alpha, seed):
    conformal = Conformal(ai, real)
    decision = conformal.decide(0.5, alpha)
    near = np.concatenate([ai, real, np.nextafter(ai, 2), np.nextafter(real, -1)])
    p = np.concatenate([near, np.random.default_rng(seed).random(20), [0, 1]])
    said = {(True, False): "ai", (False, True): "real", (True, True): "both", (False, False): "none"}
    for probability, found in zip(p.tolist(), sets(conformal, p, alpha), strict=True):
        wanted = said[found]
        if decision.label(probability) == "inconclusive":
            assert wanted == ("none" if decision.empty else "both")
        else:
            assert decision.label(probability) == wanted


@given(SCORES, SCORES, ALPHAS, ALPHAS)
def test_a_larger_error_rate_never_adds_to_a_set(ai, real, one, other):
    conformal, p = Conformal(ai, real), np.linspace(0, 1, 60)
    small, large = (sets(conformal, p, alpha) for alpha in sorted((one, other)))
    for few, many in zip(large, small, strict=True):
        assert few[0] <= many[0]
        assert few[1] <= many[1]


@given(SCORES, SCORES, ALPHAS, st.randoms(use_true_random=False))
def test_order_does_not_matter(ai, real, alpha, random):
    turned = ai.tolist(), real.tolist()
    for values in turned:
        random.shuffle(values)
    assert Conformal(ai, real).decide(0.5, alpha) == Conformal(*map(np.array, turned)).decide(0.5, alpha)


@given(SCORES, SCORES, ALPHAS)
def test_the_classes_are_treated_alike(ai, real, alpha):
    """Real images scored 1 - p are what AI images scored p are."""
    p = np.linspace(0, 24, 49) / 24
    ours = Conformal(ai, real).p_values(p)
    theirs = Conformal((24 - np.rint(24 * real)) / 24, (24 - np.rint(24 * ai)) / 24).p_values(
        (24 - np.rint(24 * p)) / 24
    )
    whole = np.isclose(24 * p, np.rint(24 * p))
    assert np.array_equal(ours[0][whole], theirs[1][whole])
    assert np.array_equal(ours[1][whole], theirs[0][whole])


@given(st.integers(1, 2000), st.integers(1, 99))
def test_ranks_are_exact(count, percent):
    """The largest k with k / (n + 1) <= alpha, in whole numbers; where rounding could matter, as floats compare."""
    alpha = percent / 100
    wanted = math.floor(Fraction(percent, 100) * (count + 1))
    if wanted:
        assert rank(alpha, count, "AI") == wanted
        assert wanted / (count + 1) <= alpha < (wanted + 1) / (count + 1)
    else:
        with pytest.raises(AlphaError):
            rank(alpha, count, "AI")


@pytest.mark.parametrize(("count", "alpha"), [(9, 0.1), (28, 0.29 / 4), (48, 0.03), (3, 0.25), (98, 0.0102)])
def test_the_smallest_possible_error_rate_is_named_and_possible(count, alpha):
    small = alpha / 4
    with pytest.raises(
        AlphaError, match=rf"alpha {small:g} needs \d+ real images to calibrate on, there are {count}: "
    ) as e:
        rank(small, count, "real")
    least = float(str(e.value).rsplit(" ", 1)[1])
    needed = int(str(e.value).split("needs ")[1].split(" ")[0])
    assert rank(least, count, "real") == 1
    assert least == pytest.approx(1 / (count + 1), abs=1.1e-4)
    assert rank(small, needed, "real") == 1
    with pytest.raises(AlphaError):
        rank(small, needed - 1, "real")


def test_empty_sets_are_told_from_full_ones():
    apart = Conformal(np.linspace(0.8, 0.9, 19), np.linspace(0.1, 0.2, 19)).decide(0.5, 0.1)
    assert apart.empty
    assert [apart.label(p) for p in (apart.band[0], 0.5, apart.band[1])] == ["real", "inconclusive", "ai"]
    mixed = Conformal(np.linspace(0.3, 0.9, 19), np.linspace(0.1, 0.6, 19)).decide(0.5, 0.1)
    assert not mixed.empty
    low, high = mixed.band
    inside = math.nextafter(low, 1), math.nextafter(high, 0)
    assert [mixed.label(p) for p in (low, *inside, high)] == ["real", "inconclusive", "inconclusive", "ai"]
    assert inside == pytest.approx((np.linspace(0.3, 0.9, 19)[1], np.linspace(0.1, 0.6, 19)[-2]))


@pytest.mark.parametrize("shift", [0.0, 1.5, 6.0])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_new_images_of_each_class_are_missed_as_rarely_as_was_said(shift, alpha):
    """Over 400 calibrations on 39 images each, of which k = alpha * 40 exactly: the mean misses are alpha.

    A calibration's misses on new images are Beta(k, 40 - k), so that bounds for their mean are known.
    """
    misses = {"ai": [], "real": []}
    for seed in range(400):
        conformal = Conformal(*drawn(seed, 39, shift))
        ai, real = drawn(10_000 + seed, 100, shift)
        misses["ai"].append((conformal.p_values(ai)[0] <= alpha).mean())
        misses["real"].append((conformal.p_values(real)[1] <= alpha).mean())
    k = round(40 * alpha)
    of_one = stats.beta(k, 40 - k).var() + alpha * (1 - alpha) / 100
    for found in misses.values():
        assert np.mean(found) == pytest.approx(alpha, abs=4 * math.sqrt(of_one / 400))


def test_ties_only_make_it_more_careful():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        scores = np.round(rng.random((3, 39)), 1)
        conformal = Conformal(scores[0], scores[1])
        found.append((conformal.p_values(scores[2])[0] <= 0.1).mean())
    assert np.mean(found) <= 0.1


def test_a_head_decides_as_its_images_say():
    rng = np.random.default_rng(0)
    ai, real = rng.beta(4, 2, 60), rng.beta(2, 4, 50)
    head = head_of(ai=ai, real=real, alpha=0.2, threshold=0.9)
    for alpha in (0.05, 0.2, 0.5):
        conformal = Conformal(ai, real)
        assert head.band_at(alpha) == pytest.approx(conformal.decide(0.9, alpha).band, abs=1e-12)
    assert head.band == head.band_at(0.2)
    assert head.decide(0.99) == "ai"
    low, high = head.band_at(0.05)
    assert low < 0.5 < high
    assert [head.decide(0.6, alpha=alpha) for alpha in (0.05, 0.2)] == ["inconclusive", "ai"]
    assert head.p_values(0.5) == pytest.approx([float(x) for x in conformal.p_values(np.array(0.5))])
    assert [head.decide(p, 0.9) for p in (0.1, 0.89, 0.9)] == ["real", "real", "ai"]
    assert head.decision(0.3) == Decision(0.3, (0.3, 0.3))


def test_scores_are_compared_as_probabilities_after_calibration():
    """Another temperature or bias moves images and scores together."""
    rng = np.random.default_rng(0)
    scores = {"ai": rng.beta(4, 2, 60), "real": rng.beta(2, 4, 50)}
    rows = rng.normal(0, 3, (200, 12)).astype(np.float32)
    plain = head_of(**scores)
    wanted = [plain.decide(p) for p in plain.probabilities(rows).tolist()]
    assert len(set(wanted)) == 3
    for other in (head_of(**scores, temperature=3.0, bias=-1.0), head_of(**scores, temperature=0.2, bias=0.3)):
        assert [other.decide(p) for p in other.probabilities(rows).tolist()] == wanted
        assert other.band != plain.band


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"threshold": 0.5, "alpha": 0.1}, "not both"),
        ({"threshold": 1.0}, "threshold must lie between 0 and 1, got 1"),
        ({"alpha": 0.0}, "alpha must lie between 0 and 1, got 0"),
        ({"alpha": 1.5}, "alpha must lie between 0 and 1, got 1.5"),
        ({"alpha": 0.01}, "needs 99 AI-generated images to calibrate on, there are 9: the smallest possible is 0.1"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, message):
    with pytest.raises(HeadError, match=message):
        head_of().decision(**asked)
