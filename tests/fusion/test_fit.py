"""Fitting a head: it learns, says how sure it is, and does the same thing twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.metrics import roc_auc_score
from toys import SCALES

from cinemae.features.spec import FeatureSpec
from cinemae.fusion.fit import (
    BranchConfig,
    FitConfig,
    best_threshold,
    fit_head,
    platt,
    row_weights,
    standardiser,
    weighted_quantile,
)
from cinemae.fusion.head import sigmoid
from cinemae.fusion.recipe import part_config

GROUPS = {"likelihood": 6, "error": 3, "residual": 4, "global": 7}
NAMES = tuple(f"fine.{group}.x{number}" for group, count in GROUPS.items() for number in range(count))
SPEC = FeatureSpec(scales={"fine": SCALES["fine"]}, names=NAMES)
CONFIG = FitConfig(
    local=BranchConfig(scales=("fine",), groups=("likelihood", "error", "residual"), hidden=8),
    global_=BranchConfig(scales=("fine",), groups=("global",), hidden=4, dropout=0.5),
    members=2, epochs=40, batch=64, rate=5e-3,
)  # fmt: skip


def columns(group: str) -> np.ndarray:
    return np.array(SPEC.select(("fine",), (group,)))


def toy(informative: str, rows: int = 600, shift: float = 1.5, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features of which one group knows the label; scales and offsets as wild as real ones."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % 2)
    features = rng.normal(size=(rows, len(NAMES)))
    features[:, columns(informative)[:2]] += shift * labels[:, None]
    features = features * 10.0 ** rng.integers(-3, 4, len(NAMES)) + rng.normal(0, 100, len(NAMES))
    sources = np.array([f"s{number // 4}" for number in range(rows)])
    held_out = np.arange(rows) % 20 >= 16
    return features.astype(np.float32), labels, sources, held_out


def fitted(data: tuple[np.ndarray, ...], config: FitConfig = CONFIG):
    return fit_head(*data, SPEC, {"fine": "0" * 16}, {"fine": "x"}, config)


def test_learns_a_separable_toy():
    report = fitted(toy("likelihood", shift=6))
    features, labels, *_ = toy("likelihood", shift=6, seed=0)
    assert report.held_out_auc > 0.99
    assert report.held_out_loss < 0.1
    p = report.head.probabilities(features)
    assert ((p >= report.head.config.threshold) == labels).mean() > 0.98
    assert [report.head.decide(float(x)) for x in (p[labels == 0].min(), p[labels == 1].max())] == ["real", "ai"]


def test_learns_as_much_as_there_is_and_no_more():
    """Two features, each 1.5 spreads apart: the best possible ROC-AUC is Phi(1.5) = 0.933."""
    train, (features, labels, *_) = toy("residual", 2000), toy("residual", 2000, seed=0)
    half = np.arange(2000) < 1500
    head = fitted(tuple(part[half] for part in train)).head
    assert 0.90 < roc_auc_score(labels[~half], head.logits(features[~half])) < 0.96


def test_no_signal_gives_no_verdict():
    data = toy("likelihood", shift=0)
    report = fitted(data)
    assert 0.3 < report.held_out_auc < 0.7
    p = report.head.probabilities(data[0][data[3]])
    assert np.abs(p - 0.5).max() < 0.3
    low, high = report.head.config.band
    assert ((p > low) & (p < high)).mean() > 0.6  # nearly all are left undecided


@pytest.mark.parametrize("knows", ["likelihood", "error", "global"])
@pytest.mark.parametrize("part", ["local", "error", "global"])
def test_parts_see_their_own_features_only(knows, part):
    head = fitted(toy(knows, shift=4), part_config(CONFIG, part)).head
    assert head.config.gate == 0
    features = toy(knows, shift=4)[0]
    spoilt = features.copy()
    read = {"local": ("likelihood", "residual"), "error": ("error",), "global": ("global",)}[part]
    for group in GROUPS:
        if group not in read:
            spoilt[:, columns(group)] = 1e6
    assert np.array_equal(head.logits(features), head.logits(spoilt))
    auc = roc_auc_score(toy(knows, shift=4)[1], head.logits(features))
    assert auc > 0.95 if knows in read else auc < 0.75


def test_gate_weighs_the_global_branch():
    """The local branch stands alone where the global one is gated out in training."""
    data = toy("global", shift=4)
    strong, none = (fitted(data, CONFIG.model_copy(update={"gate": gate})) for gate in (1.0, 0.0))
    assert strong.held_out_auc > 0.95
    assert none.held_out_auc < 0.75
    assert strong.head.config.gate == 1.0


def test_the_same_seed_gives_the_same_head_and_another_another():
    data = toy("likelihood")
    ours, again, other = (fitted(data, CONFIG.model_copy(update={"seed": seed})).head for seed in (0, 0, 1))
    assert ours.fingerprint() == again.fingerprint()
    assert ours.fingerprint() != other.fingerprint()
    corr = np.corrcoef(ours.logits(data[0]), other.logits(data[0]))[0, 1]
    assert 0.8 < corr < 1 - 1e-9


def test_global_random_state_is_neither_read_nor_written():
    import torch

    data = toy("likelihood", 200)
    torch.manual_seed(1)
    ours, after = fitted(data).head, torch.rand(3)
    torch.manual_seed(2)
    assert fitted(data).head.fingerprint() == ours.fingerprint()
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)


def test_members_are_different_networks():
    weights = fitted(toy("likelihood")).head.weights["local.in"]
    assert weights.shape == (2, 13, 8)
    assert not np.allclose(weights[0], weights[1], atol=1e-2)


def test_training_stops_early_on_the_held_out_part():
    """With noise for labels, the longer it trained the worse it would get on rows it has not seen."""
    features, _, sources, held_out = toy("likelihood", 120, shift=0)
    labels = np.random.default_rng(0).permutation(np.arange(120) % 2)
    long = CONFIG.model_copy(
        update={"epochs": 300, "batch": 16, "local": CONFIG.local.model_copy(update={"dropout": 0.0, "noise": 0.0})}
    )
    stopped = fitted((features, labels, sources, held_out), long)
    ran = fitted((features, labels, sources, held_out), long.model_copy(update={"patience": 300}))
    assert roc_auc_score(labels[~held_out], stopped.head.logits(features[~held_out])) < 0.95
    assert ran.head.fingerprint() == stopped.head.fingerprint() or ran.held_out_loss <= stopped.held_out_loss + 0.05


def test_features_that_are_not_finite_are_named():
    features, *rest = toy("likelihood")
    features[3, 7], features[9, 2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"not finite: \['fine.likelihood.x2', 'fine.error.x1'\]"):
        fitted((features, *rest))


@pytest.mark.parametrize("part", ["training", "held-out"])
def test_one_class_alone_is_refused(part):
    features, labels, sources, held_out = toy("likelihood")
    rows = held_out if part == "held-out" else ~held_out
    labels = np.where(rows, 1, labels)
    with pytest.raises(ValueError, match=f"the {part} part has images of one class only"):
        fitted((features, labels, sources, held_out))


def test_constant_and_outlying_features_do_no_harm():
    features, labels, sources, held_out = toy("likelihood", shift=6)
    features[:, columns("error")[0]] = 7
    features[5, columns("residual")[0]] = 1e30
    assert fitted((features, labels, sources, held_out)).held_out_auc > 0.97


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (3.0, 0.5), (0.4, -1.0)])
def test_platt_recovers_temperature_and_bias(temperature, bias):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2 * temperature, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(logits / temperature + bias)))).astype(int)
    found = platt(logits, labels, np.ones(20_000))
    assert found[0] == pytest.approx(temperature, rel=0.05)
    assert found[1] == pytest.approx(bias, abs=0.05)


@settings(max_examples=150, deadline=None)
@given(
    scale=st.floats(-3, 3).map(lambda x: 10**x),
    shift=st.floats(-60, 60),
    separation=st.floats(-2, 8),
    rows=st.integers(8, 200),
    seed=st.integers(0, 999),
)
def test_platt_finds_the_optimum_wherever_the_logits_lie(scale, shift, separation, rows, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    logits = scale * (rng.normal(size=rows) + separation * labels + shift)
    weights = rng.uniform(0.2, 3, rows)

    def cost(slope: float, bias: float) -> float:
        x = slope * logits + bias
        nll = weights @ np.where(labels == 1, np.logaddexp(0, -x), np.logaddexp(0, x))
        return float(nll + 5e-4 * ((slope - 1) ** 2 + bias**2))

    temperature, bias = platt(logits, labels, weights)
    assert np.isfinite([temperature, bias]).all()
    assert 0.05 <= 1 / temperature <= 20 + 1e-9
    # Given its slope (which may sit at a bound), the bias is the best one, by bisection of the slope of the cost.
    best = optimize.minimize_scalar(lambda b: cost(1 / temperature, b), bounds=(bias - 50, bias + 50), method="bounded",
                                    options={"xatol": 1e-9})  # fmt: skip
    assert cost(1 / temperature, bias) <= best.fun + 1e-4 * (1 + abs(best.fun))
    # And no other slope within the bounds is better, the bias moving along.
    centre = np.average(logits)
    for factor in (0.8, 1.25):
        slope = float(np.clip(factor / temperature, 0.05, 20))
        moved = bias + (1 / temperature - slope) * centre
        best = optimize.minimize_scalar(lambda b, s=slope: cost(s, b), bounds=(moved - 50, moved + 50), method="bounded")
        assert cost(1 / temperature, bias) <= best.fun + 1e-4 * (1 + abs(best.fun))


def test_probabilities_are_calibrated():
    """Half of the rows knows nothing: what is said of the others must not be said of these."""
    data = toy("likelihood", 3000, shift=1.5)
    held = data[3]
    p = fitted(data).head.probabilities(data[0][held])
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        inside = (p >= low) & (p < high)
        assert data[1][held][inside].mean() == pytest.approx(p[inside].mean(), abs=0.12)


def test_band_leaves_the_wanted_shares_outside():
    data = toy("likelihood", 4000, shift=1.0)
    report = fitted(data, CONFIG.model_copy(update={"false_alarms": 0.05}))
    p, labels = report.head.probabilities(data[0][data[3]]), data[1][data[3]]
    low, high = report.head.config.band
    assert low < report.head.config.threshold < high
    assert (p[labels == 0] >= high).mean() == pytest.approx(0.05, abs=0.01)
    assert (p[labels == 1] <= low).mean() == pytest.approx(0.05, abs=0.01)


def test_row_weights_balance_classes_and_sources():
    labels = np.array([0] * 10 + [1] * 2)
    sources = np.array(["large"] * 9 + ["small"] + ["a", "b"])
    weights = row_weights(labels, sources, 0.5)
    assert weights.sum() == pytest.approx(12)
    assert weights[labels == 0].sum() == pytest.approx(6)
    large, small = weights[:9].sum(), weights[9]
    assert large / small == pytest.approx(9**0.5)
    assert row_weights(labels, sources, 1.0)[:10] == pytest.approx(np.full(10, 0.6))
    equal = row_weights(labels, sources, 0.0)
    assert equal[:9].sum() == pytest.approx(equal[9])


def test_a_source_of_both_classes_counts_in_each():
    weights = row_weights(np.array([0, 0, 0, 1]), np.array(["s", "s", "s", "s"]), 0.0)
    assert weights == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


def test_weights_reach_the_fit():
    """A small source that says the opposite is outvoted or not, by how sources are balanced."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    sources = np.array(["large"] * 360 + [f"s{n}" for n in range(40)])
    features = np.zeros((400, len(NAMES)), dtype=np.float32)
    features[:, 0] = np.where(np.arange(400) < 360, 1, -1) * (2 * labels - 1) + 0.1 * rng.normal(size=400)
    held_out = np.arange(400) % 4 >= 2
    by_image, by_source = (
        fitted((features, labels, sources, held_out), CONFIG.model_copy(update={"balance": b})).head for b in (1.0, 0.0)
    )
    probe = np.zeros((2, len(NAMES)), dtype=np.float32)
    probe[:, 0] = (-1, 1)
    assert np.diff(by_image.probabilities(probe))[0] > 0
    assert np.diff(by_source.probabilities(probe))[0] < 0


def test_standardiser_is_robust():
    x = np.random.default_rng(0).normal(5, 2, (4000, 1))
    x[:40] = 1e9
    center, spread = standardiser(x)
    assert center[0] == pytest.approx(5, abs=0.15)
    assert spread[0] == pytest.approx(2, rel=0.07)
    assert (standardiser(np.zeros((9, 2)))[1] > 0).all()


def test_best_threshold_is_in_the_middle_of_the_gap():
    p = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert best_threshold(p, labels, np.ones(6)) == pytest.approx(0.5, abs=0.01)
    assert best_threshold(p, np.array([0, 0, 0, 0, 1, 1]), np.ones(6)) == pytest.approx(0.75, abs=0.01)


def test_best_threshold_counts_weights():
    p = np.array([0.2, 0.4, 0.6, 0.8])
    labels = np.array([0, 1, 0, 1])
    assert best_threshold(p, labels, np.array([1, 5, 1, 1.0])) < 0.4
    assert best_threshold(p, labels, np.array([1, 1, 5, 1.0])) > 0.6


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=4, max_size=40).filter(lambda r: len({b for _, b in r}) == 2))
@settings(max_examples=80, deadline=None)
def test_best_threshold_is_never_beaten(rows):
    p, labels = np.array([row[0] for row in rows]), np.array([int(row[1]) for row in rows])
    found = best_threshold(p, labels, np.ones(len(p)))
    hits = [((p >= t) == labels).mean() for t in np.linspace(0.02, 0.98, 193)]
    assert ((p >= found) == labels).mean() == pytest.approx(max(hits))


def test_weighted_quantile():
    values, ones = np.array([3.0, 1.0, 2.0, 4.0]), np.ones(4)
    assert [weighted_quantile(values, ones, q) for q in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, 4]
    assert weighted_quantile(values, np.array([1, 1, 1, 97.0]), 0.1) == 4


def test_sigmoid_is_exact_and_never_overflows():
    x = np.array([-800.0, -5, 0, 5, 800])
    assert sigmoid(x) == pytest.approx([0, 1 / (1 + np.exp(5)), 0.5, 1 / (1 + np.exp(-5)), 1])
