"""Fitting a head: it learns, says of what it has not seen how sure it is, and does the same thing twice."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cinemae.features.spec import FeatureSpec
from cinemae.fusion.config import FitConfig, PartConfig, part_config
from cinemae.fusion.division import Rows, row_weights
from cinemae.fusion.errors import AlphaError
from cinemae.fusion.fit import FitReport, fit_head, read_by, standardiser
from toys import SCALES

GROUPS = {"likelihood": 6, "error": 3, "residual": 4, "global": 7}
NAMES = tuple(f"fine.{group}.x{number}" for group, count in GROUPS.items() for number in range(count))
SPEC = FeatureSpec(scales={"fine": SCALES["fine"]}, names=NAMES)
CONFIG = FitConfig(
    parts={
        "error": PartConfig(groups=("error",), strength=0.1),
        "local": PartConfig(groups=("likelihood", "residual"), axes=8, strength=0.1),
        "global": PartConfig(groups=("global",), axes=6, strength=0.1),
    },
    folds=5, false_alarms=0.1,
)  # fmt: skip
LOCAL = part_config(CONFIG, "local")  # one part is enough where calibration is what is tested
Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def columns(group: str) -> np.ndarray:
    return np.array(SPEC.select(("fine",), (group,)))


def toy(informative: str, rows: int = 600, shift: float = 1.5, seed: int = 0) -> Data:
    """Features of which one group knows the label; scales and offsets as wild as real ones; the rows' folds."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % 2)
    features = rng.normal(size=(rows, len(NAMES)))
    features[:, columns(informative)[:2]] += shift * labels[:, None]
    wild = np.random.default_rng(99)  # the same for every seed: other seeds are new images of one kind
    features = (features + wild.normal(0, 30, len(NAMES))) * 10.0 ** wild.integers(-3, 4, len(NAMES))
    return features.astype(np.float32), labels, np.arange(rows) // 2 % 5


def fitted(data: Data, config: FitConfig = CONFIG, **update: np.ndarray) -> FitReport:
    features, labels, folds = data
    values = {"labels": labels, "weights": np.ones(len(labels)), "folds": folds, "scored": np.ones(len(labels), bool)}
    return fit_head(features, Rows(**values | update), SPEC, {"fine": "0" * 16}, {"fine": "x"}, config)


def test_learns_a_separable_toy():
    report = fitted(toy("likelihood", 2000, shift=6))
    features, labels, _ = toy("likelihood", 2000, shift=6, seed=1)
    assert report.held_out_auc > 0.99
    assert report.held_out_loss < 0.1
    p = report.head.probabilities(features)
    assert roc_auc_score(labels, p) > 0.99
    # Of ten real images the threshold calls one AI-generated, wherever the others lie.
    assert (p[labels == 0] >= report.head.config.threshold).mean() == pytest.approx(0.1, abs=0.05)
    assert (p[labels == 1] >= report.head.config.threshold).all()
    assert [report.head.decide(float(x)) for x in (p[labels == 0].min(), p[labels == 1].max())] == ["real", "ai"]


def test_learns_as_much_as_there_is_and_no_more():
    """Two features, each 1.5 spreads apart: the best possible ROC-AUC is Phi(1.5) = 0.933."""
    report = fitted(toy("residual", 2000))
    features, labels, _ = toy("residual", 2000, seed=1)
    assert 0.91 < roc_auc_score(labels, report.head.logits(features)) < 0.95
    assert 0.91 < report.held_out_auc < 0.95  # and what it says of itself is that, too


def test_no_signal_gives_no_verdict():
    report = fitted(toy("likelihood", shift=0))
    assert 0.4 < report.held_out_auc < 0.6
    assert report.held_out_loss == pytest.approx(np.log(2), abs=0.01)
    p = report.head.probabilities(toy("likelihood", shift=0, seed=1)[0])
    assert np.abs(p - 0.5).max() < 0.3
    low, high = report.head.band
    assert ((p > low) & (p < high)).mean() > 0.6  # nearly all are left undecided


@pytest.mark.parametrize("knows", ["likelihood", "error", "global"])
@pytest.mark.parametrize("part", ["local", "error", "global"])
def test_parts_see_their_own_features_only(knows, part):
    head = fitted(toy(knows, shift=4), part_config(CONFIG, part)).head
    assert head.config.parts == (part,)
    features, labels, _ = toy(knows, shift=4, seed=1)
    spoilt = features.copy()
    read = {"local": ("likelihood", "residual"), "error": ("error",), "global": ("global",)}[part]
    for group in GROUPS:
        if group not in read:
            spoilt[:, columns(group)] = 1e6
    assert np.array_equal(head.logits(features), head.logits(spoilt))
    auc = roc_auc_score(labels, head.logits(features))
    assert auc > 0.95 if knows in read else auc < 0.6


def test_parts_are_weighed_by_what_they_say_of_images_they_have_not_seen():
    data = toy("global", shift=1.5)
    report = fitted(data)
    assert 0.7 < report.weights["global"] < 2  # a line that its penalty has flattened is steepened again
    assert max(report.weights["error"], report.weights["local"]) < 0.2 * report.weights["global"]
    features = data[0]
    for name, share in report.weights.items():
        alone = fitted(data, part_config(CONFIG, name))
        if alone.weights[name] == 0:
            assert share == 0
            assert not report.head.weights[f"{name}.line"].any()
            continue
        (logits,) = alone.head.part_logits(features).values()
        wanted = logits * share / alone.weights[name]
        np.testing.assert_allclose(report.head.part_logits(features)[name], wanted, rtol=1e-9, atol=1e-12)


def test_many_axes_cannot_talk_a_part_of_noise_into_the_head():
    """Fitted on what it has seen, a line on noise looks perfect; what counts is what it says of the rest."""
    features, labels, folds = toy("error", rows=120, shift=3)
    rng = np.random.default_rng(0)
    noise = np.concatenate([features, rng.normal(size=(120, 400)).astype(np.float32)], axis=1)
    spec = SPEC.model_copy(update={"names": (*NAMES, *(f"fine.global.y{n}" for n in range(400)))})
    parts = {"error": CONFIG.parts["error"], "noise": PartConfig(groups=("global",), axes=100, strength=10.0)}
    rows = Rows(labels, np.ones(120), folds, np.ones(120, dtype=bool))
    config = CONFIG.model_copy(update={"parts": parts})
    report = fit_head(noise, rows, spec, {"fine": "0" * 16}, {"fine": "x"}, config)
    assert report.weights["noise"] < 0.05 < 0.5 < report.weights["error"]


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no part named local; the configuration has error"):
        part_config(part_config(CONFIG, "error"), "local")


def test_a_part_may_read_some_scales_only():
    two = FeatureSpec(scales=SCALES, names=(*NAMES, *(name.replace("fine", "semantic") for name in NAMES)))
    everything = read_by("p", PartConfig(groups=("error",)), two)
    assert everything.tolist() == [*columns("error"), *(len(NAMES) + columns("error"))]
    some = read_by("p", PartConfig(groups=("error",), scales=("semantic",)), two)
    assert some.tolist() == [*(len(NAMES) + columns("error"))]


def test_a_part_that_reads_nothing_is_named():
    part = PartConfig(groups=("global", "error"), scales=("semantic",))
    with pytest.raises(ValueError, match="the part odd reads no feature: no scale has any of global, error"):
        fitted(toy("error"), CONFIG.model_copy(update={"parts": {"odd": part}}))


def test_the_same_settings_give_the_same_head():
    data = toy("likelihood")
    ours, again = (fitted(data).head for _ in range(2))
    assert ours.fingerprint() == again.fingerprint()
    assert fitted(data, folds=(data[2] + np.arange(600)) % 5).head.fingerprint() != ours.fingerprint()


def test_global_random_state_is_neither_read_nor_written():
    data = toy("likelihood", 200)
    np.random.seed(1)  # the state that a careless library would draw from
    ours, after = fitted(data).head, np.random.random(3)
    np.random.seed(2)
    assert fitted(data).head.fingerprint() == ours.fingerprint()
    np.random.seed(1)
    assert np.array_equal(np.random.random(3), after)


def test_features_that_are_not_finite_are_named():
    features, *rest = toy("likelihood")
    features[3, 7], features[9, 2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"not finite: \['fine.likelihood.x2', 'fine.error.x1'\]"):
        fitted((features, *rest))


def test_a_fold_that_takes_a_whole_class_with_it_is_refused():
    features, labels, _ = toy("likelihood")
    with pytest.raises(ValueError, match="without one of the folds there are images of one class only"):
        fitted((features, labels, labels))


def test_too_few_images_for_the_error_rate_are_named_before_anything_is_fitted():
    message = r"alpha 0.005 needs 199 AI-generated images to calibrate on, there are 75: .* is 0.0"
    features, labels, folds = toy("likelihood")
    few = np.flatnonzero(labels == 1)[:75]
    scored = labels == 0
    scored[few] = True
    with pytest.raises(AlphaError, match=message):
        fitted((features, labels, folds), CONFIG.model_copy(update={"alpha": 0.005}), scored=scored)


def unseen_logits(data: Data, config: FitConfig) -> np.ndarray:
    """Each row's logit from a whole fit, scikit-learn's, that had not seen its fold; of a part that reads features."""
    features, labels, folds = data
    (part,) = config.parts.values()
    center, spread = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    z = np.clip((features - center) / spread, -config.clip, config.clip)[:, SPEC.select(("fine",), part.groups)]
    out = np.empty(len(labels))
    for fold in np.unique(folds):
        left = folds == fold
        fit = LogisticRegression(C=part.strength, tol=1e-8, max_iter=1000).fit(z[~left], labels[~left])
        out[left] = fit.decision_function(z[left])
    return out


def test_what_is_stored_are_logits_of_fits_that_had_not_seen_the_row():
    """Against scikit-learn, fold by fold: in the order of the scored rows of each class."""
    data = toy("error", 300)
    config = part_config(CONFIG, "error")
    scored = np.arange(300) % 3 != 0
    report = fitted(data, config, scored=scored)
    wanted = unseen_logits(data, config) * report.weights["error"]
    for name, label in (("ai", 1), ("real", 0)):
        found = report.head.weights[f"conformal.{name}"]
        np.testing.assert_allclose(found, np.sort(wanted[scored & (data[1] == label)]), rtol=2e-3, atol=2e-3)
    assert report.held_out_auc == pytest.approx(roc_auc_score(data[1], wanted), abs=1e-4)
    p = 1 / (1 + np.exp(-(wanted / report.head.config.temperature + report.head.config.bias)))
    loss = -np.log(np.where(data[1] == 1, p, 1 - p)).mean()
    assert report.held_out_loss == pytest.approx(loss, abs=1e-3)
    called = (p[data[1] == 0] >= report.head.config.threshold).mean()
    assert 0.1 - 1 / 150 <= called <= 0.1 + 1e-9


def test_a_row_of_its_own_label_does_not_reach_its_own_unseen_logit():
    """Labels that cannot be known give an honest ROC-AUC of a half, however well they are learnt by heart."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(100, len(NAMES))).astype(np.float32)
    labels = rng.permutation(np.arange(100) % 2)
    strong = CONFIG.model_copy(update={"parts": {"all": PartConfig(groups=tuple(GROUPS), strength=100.0)}})
    report = fitted((features, labels, np.arange(100) % 5), strong)
    learnt = LogisticRegression(C=100.0, max_iter=1000).fit(features, labels).decision_function(features)
    assert roc_auc_score(labels, learnt) > 0.75
    assert 0.3 < report.held_out_auc < 0.65


def test_the_scored_rows_decide_nothing_but_the_verdicts():
    data = toy("likelihood")
    every, some = fitted(data), fitted(data, scored=np.arange(600) % 2 == 0)
    assert every.head.config == some.head.config
    assert every.head.band != some.head.band
    assert len(some.head.weights["conformal.ai"]) < len(every.head.weights["conformal.ai"])
    for name in every.head.weights.keys() - {"conformal.ai", "conformal.real"}:
        assert every.head.weights[name].tobytes() == some.head.weights[name].tobytes(), name


def test_constant_and_outlying_features_do_no_harm():
    features, *rest = toy("likelihood", shift=6)
    features[:, columns("error")[0]] = 7
    features[5, columns("residual")[0]] = 1e30
    assert fitted((features, *rest)).held_out_auc > 0.97


@pytest.mark.parametrize("axes", [0, 8, 30])
def test_what_never_varied_in_training_says_nothing_later(axes):
    """A constant feature, and two that were always alike: an image in which they differ is no other image."""
    features, labels, folds = toy("likelihood", shift=2)
    first, second, third = columns("residual")[:3]
    features[:, third], features[:, second] = 7, features[:, first]
    part = PartConfig(groups=("likelihood", "residual"), axes=axes, strength=0.1)
    head = fitted((features, labels, folds), CONFIG.model_copy(update={"parts": {"local": part}})).head
    new = features[:50].copy()
    spread = features[:, first].std()
    new[:, third] = 8
    new[:25, second] += 2 * spread
    assert np.abs(head.logits(new) - head.logits(features[:50])).max() < 1


def test_probabilities_are_calibrated():
    """On new images; the fit's own, which it has seen, would look surer than it is."""
    report = fitted(toy("likelihood", 1500, shift=1.5), LOCAL)
    features, labels, _ = toy("likelihood", 6000, shift=1.5, seed=1)
    p = report.head.probabilities(features)
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        inside = (p >= low) & (p < high)
        assert labels[inside].mean() == pytest.approx(p[inside].mean(), abs=0.06)


def test_the_band_leaves_the_wanted_shares_outside():
    """Of new images about as many as of those it was calibrated on."""
    head = fitted(toy("likelihood", 4000, shift=1.0), LOCAL.model_copy(update={"alpha": 0.05})).head
    low, high = head.band
    features, labels, _ = toy("likelihood", 4000, shift=1.0, seed=1)
    p = head.probabilities(features)
    assert (p[labels == 0] >= high).mean() == pytest.approx(0.05, abs=0.02)
    assert (p[labels == 1] <= low).mean() == pytest.approx(0.05, abs=0.02)


def test_the_threshold_calls_the_wanted_share_of_new_real_images():
    shares = []
    features, labels, _ = toy("likelihood", 4000, shift=1.0, seed=1)
    for wanted in (0.02, 0.2):
        head = fitted(toy("likelihood", 4000, shift=1.0), LOCAL.model_copy(update={"false_alarms": wanted})).head
        shares.append((head.probabilities(features)[labels == 0] >= head.config.threshold).mean())
    assert shares == pytest.approx([0.02, 0.2], abs=0.03)
    assert shares[0] > 0


def test_weights_reach_the_fit():
    """A large source that says the opposite is outvoted or not, by how groups are balanced."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    groups = np.array(["large"] * 360 + [f"s{n}" for n in range(40)])
    features = np.zeros((400, len(NAMES)), dtype=np.float32)
    features[:, 0] = np.where(np.arange(400) < 360, 1, -1) * (2 * labels - 1) + 0.1 * rng.normal(size=400)
    by_image, by_source = (
        fitted((features, labels, np.arange(400) // 2 % 5), LOCAL, weights=row_weights(labels, groups, balance)).head
        for balance in (1.0, 0.0)
    )
    probe = np.zeros((2, len(NAMES)), dtype=np.float32)
    probe[:, 0] = (-1, 1)
    assert np.diff(by_image.probabilities(probe))[0] > 0
    assert np.diff(by_source.probabilities(probe))[0] < 0


def test_standardiser_is_the_weighted_mean_and_deviation():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 2, (300, 3)).astype(np.float32)
    times = rng.integers(1, 5, 300)
    center, spread = standardiser(x, times.astype(float))
    repeated = np.repeat(x, times, axis=0).astype(np.float64)
    assert center == pytest.approx(repeated.mean(0))
    assert spread == pytest.approx(repeated.std(0))
    assert (standardiser(np.zeros((9, 2), dtype=np.float32), np.ones(9))[1] > 0).all()
