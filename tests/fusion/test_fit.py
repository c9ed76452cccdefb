"""Fitting a head: it learns, says how sure it is, and does the same thing twice."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cinemae.features.spec import FeatureSpec
from cinemae.fusion.config import BranchConfig, FitConfig, part_config
from cinemae.fusion.division import Parts, row_weights
from cinemae.fusion.errors import AlphaError
from cinemae.fusion.fit import fit_head, standardiser
from toys import SCALES

GROUPS = {"likelihood": 6, "error": 3, "residual": 4, "global": 7}
NAMES = tuple(f"fine.{group}.x{number}" for group, count in GROUPS.items() for number in range(count))
SPEC = FeatureSpec(scales={"fine": SCALES["fine"]}, names=NAMES)
LONG = {"hidden": 8, "dropout": 0.2, "noise": 0.3, "decay": 1e-2, "epochs": 40}
CONFIG = FitConfig(
    branches={
        "error": BranchConfig(groups=("error",), **LONG),
        "local": BranchConfig(groups=("likelihood", "residual"), **LONG),
        "global": BranchConfig(groups=("global",), **LONG),
    },
    distances={},
    members=2, batch=64, rate=5e-3,
)  # fmt: skip


LOCAL = part_config(CONFIG, "local")  # one branch is enough where calibration is what is tested


def with_branches(**update: object) -> FitConfig:
    branches = {name: branch.model_copy(update=update) for name, branch in CONFIG.branches.items()}
    return CONFIG.model_copy(update={"branches": branches})


def columns(group: str) -> np.ndarray:
    return np.array(SPEC.select(("fine",), (group,)))


def toy(informative: str, rows: int = 600, shift: float = 1.5, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features of which one group knows the label; scales and offsets as wild as real ones."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % 2)
    features = rng.normal(size=(rows, len(NAMES)))
    features[:, columns(informative)[:2]] += shift * labels[:, None]
    features = (features + rng.normal(0, 30, len(NAMES))) * 10.0 ** rng.integers(-3, 4, len(NAMES))
    sources = np.array([f"s{number // 4}" for number in range(rows)])
    turn = np.arange(rows) % 20
    return features.astype(np.float32), labels, sources, Parts(turn < 12, (turn >= 12) & (turn < 16), turn >= 16)


def fitted(data: tuple[np.ndarray, ...], config: FitConfig = CONFIG):
    features, labels, sources, parts = data
    weights = row_weights(labels, sources, np.zeros(len(labels), dtype=bool), config)
    return fit_head(features, labels, weights, parts, SPEC, {"fine": "0" * 16}, {"fine": "x"}, config)


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
    parts = Parts(*(rows[half] for rows in vars(train[3]).values()))
    head = fitted((*(array[half] for array in train[:3]), parts)).head
    assert 0.90 < roc_auc_score(labels[~half], head.logits(features[~half])) < 0.96


def test_no_signal_gives_no_verdict():
    data = toy("likelihood", shift=0)
    report = fitted(data)
    assert 0.3 < report.held_out_auc < 0.7
    p = report.head.probabilities(data[0][data[3].validation])
    assert np.abs(p - 0.5).max() < 0.3
    low, high = report.head.band
    assert ((p > low) & (p < high)).mean() > 0.6  # nearly all are left undecided


@pytest.mark.parametrize("knows", ["likelihood", "error", "global"])
@pytest.mark.parametrize("part", ["local", "error", "global"])
def test_parts_see_their_own_features_only(knows, part):
    head = fitted(toy(knows, shift=4), part_config(CONFIG, part)).head
    assert list(head.config.hidden) == [part]
    features = toy(knows, shift=4)[0]
    spoilt = features.copy()
    read = {"local": ("likelihood", "residual"), "error": ("error",), "global": ("global",)}[part]
    for group in GROUPS:
        if group not in read:
            spoilt[:, columns(group)] = 1e6
    assert np.array_equal(head.logits(features), head.logits(spoilt))
    auc = roc_auc_score(toy(knows, shift=4)[1], head.logits(features))
    assert auc > 0.95 if knows in read else auc < 0.75


def test_shares_weigh_the_branches_and_each_is_what_it_is_alone():
    data = toy("global", shift=4)
    features = data[0]
    fused = fitted(data).head
    parts = {name: fitted(data, part_config(CONFIG, name)).head for name in CONFIG.branches}
    for name, head in parts.items():
        (alone,) = head.branch_logits(features).values()
        np.testing.assert_allclose(fused.branch_logits(features)[name], alone / 3, rtol=1e-5, atol=1e-6)
    heavy = CONFIG.branches | {"global": CONFIG.branches["global"].model_copy(update={"share": 6.0})}
    heavy_head = fitted(data, CONFIG.model_copy(update={"branches": heavy})).head
    np.testing.assert_allclose(
        heavy_head.branch_logits(features)["global"], fused.branch_logits(features)["global"] * 3 * 6 / 8, rtol=1e-5,
        atol=1e-6,
    )  # fmt: skip
    aucs = {name: roc_auc_score(data[1], head.logits(features)) for name, head in parts.items()}
    assert aucs["local"] < 0.75 < 0.95 < aucs["global"]
    assert roc_auc_score(data[1], heavy_head.logits(features)) > 0.95


def test_a_branch_that_decay_has_shrunk_still_speaks_in_log_odds():
    data = toy("error", 2000)
    slopes = []
    for decay in (1e-2, 20.0):
        branch = BranchConfig(groups=("error",), **LONG | {"decay": decay})
        head = fitted(data, CONFIG.model_copy(update={"branches": {"error": branch}})).head
        slopes.append(1 / head.config.temperature)
    assert slopes == pytest.approx([1, 1], rel=0.02)


def test_a_part_that_is_no_branch_is_named():
    with pytest.raises(ValueError, match="no branch named local; the configuration has error"):
        part_config(part_config(CONFIG, "error"), "local")


def test_a_branch_may_read_some_scales_only():
    branch = BranchConfig(groups=("error",), scales=("fine",), **LONG)
    head = fitted(toy("error", shift=4), CONFIG.model_copy(update={"branches": {"error": branch}})).head
    assert head.weights["error.index"].tolist() == columns("error").tolist()


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
    assert weights.shape == (2, 10, 8)
    assert not np.allclose(weights[0], weights[1], atol=1e-2)


def test_keeps_the_state_that_was_best_on_the_held_out_part():
    """With noise for labels a net can only memorise; its last state would be sure of itself, and wrong."""
    features, _, sources, parts = toy("likelihood", 120, shift=0)
    labels = np.random.default_rng(0).permutation(np.arange(120) % 2)
    plain = with_branches(dropout=0.0, noise=0.0, epochs=150)
    update = {"patience": 150, "batch": 16, "members": 1}
    head = fitted((features, labels, sources, parts), plain.model_copy(update=update)).head
    raw = (head.logits(features) - head.config.bias) * head.config.temperature
    loss = np.where(labels == 1, np.logaddexp(0, -raw), np.logaddexp(0, raw))
    assert loss[parts.validation].mean() < np.log(2) + 0.03
    assert roc_auc_score(labels[parts.training], raw[parts.training]) < 0.95


def test_patience_ends_a_fit_that_gets_no_better():
    data = toy("likelihood", 200, shift=0)
    impatient, patient = (
        fitted(data, with_branches(epochs=60).model_copy(update={"patience": patience, "members": 1}))
        for patience in (1, 60)
    )
    assert impatient.head.fingerprint() != patient.head.fingerprint()


def test_features_that_are_not_finite_are_named():
    features, *rest = toy("likelihood")
    features[3, 7], features[9, 2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"not finite: \['fine.likelihood.x2', 'fine.error.x1'\]"):
        fitted((features, *rest))


@pytest.mark.parametrize("part", ["training", "validation"])
def test_one_class_alone_is_refused(part):
    features, labels, sources, parts = toy("likelihood")
    labels = np.where(getattr(parts, part), 1, labels)
    with pytest.raises(ValueError, match=f"the {part} part has images of one class only"):
        fitted((features, labels, sources, parts))


def test_parts_that_share_rows_are_refused():
    features, labels, sources, parts = toy("likelihood")
    both = Parts(parts.training, parts.validation, parts.validation)
    with pytest.raises(ValueError, match="must not share rows"):
        fitted((features, labels, sources, both))


def test_too_few_images_for_the_error_rate_are_named_before_anything_is_fitted():
    data = toy("likelihood")
    count = int(data[1][data[3].conformal].sum())
    message = rf"alpha 0.005 needs 199 AI-generated images to calibrate on, there are {count}: .* is 0.0"
    with pytest.raises(AlphaError, match=message):
        fitted(data, CONFIG.model_copy(update={"alpha": 0.005}))


def test_the_conformal_rows_decide_nothing_but_the_verdicts():
    """Another label for each of them leaves networks, calibration and threshold as they are."""
    features, labels, _, parts = toy("likelihood")
    plain = np.ones(len(labels))
    kept, turned = (
        fit_head(features, given, plain, parts, SPEC, {"fine": "0" * 16}, {"fine": "x"}, CONFIG).head
        for given in (labels, np.where(parts.conformal, 1 - labels, labels))
    )
    assert kept.config == turned.config
    assert kept.band != turned.band
    for name, array in kept.weights.items():
        other = {"conformal.ai": "conformal.real", "conformal.real": "conformal.ai"}.get(name, name)
        assert array.tobytes() == turned.weights[other].tobytes(), name


def test_rows_in_no_part_are_for_nothing():
    features, labels, sources, parts = toy("likelihood")
    left_out = parts.conformal & (np.arange(len(labels)) % 3 == 0)
    fewer = Parts(parts.training, parts.validation, parts.conformal & ~left_out)
    spoilt = features.copy()
    spoilt[left_out] = 77
    ours, theirs = (fitted((rows, labels, sources, fewer)).head.fingerprint() for rows in (features, spoilt))
    assert ours == theirs


def test_what_is_stored_are_the_conformal_rows_logits_of_each_class():
    features, labels, _, parts = data = toy("likelihood")
    head = fitted(data).head
    raw = head.raw_logits(features)
    for name, label in (("ai", 1), ("real", 0)):
        wanted = np.sort(raw[parts.conformal & (labels == label)])
        assert head.weights[f"conformal.{name}"].tobytes() == wanted.tobytes()


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_each_calibration_leaves_the_verdicts_as_they_are(kind):
    """They stand on ranks, and every calibration rises."""
    data = toy("likelihood", 1500)
    platt, other = (fitted(data, LOCAL.model_copy(update={"calibration": c})).head for c in ("platt", kind))
    assert other.config.calibration == kind
    assert (other.config.bias == 0) is (kind == "temperature")
    found = [[head.decide(p) for p in head.probabilities(data[0]).tolist()] for head in (platt, other)]
    assert found[0] == found[1]
    assert {"ai", "real", "inconclusive"} == set(found[0])
    rows = data[3].validation
    assert np.abs(other.probabilities(data[0][rows]) - platt.probabilities(data[0][rows])).mean() < 0.1
    assert np.array_equal(*(np.argsort(head.logits(data[0]), kind="stable") for head in (platt, other)))


def test_constant_and_outlying_features_do_no_harm():
    features, *rest = toy("likelihood", shift=6)
    features[:, columns("error")[0]] = 7
    features[5, columns("residual")[0]] = 1e30
    assert fitted((features, *rest)).held_out_auc > 0.97


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_probabilities_are_calibrated(kind):
    """On rows that calibration has not seen."""
    data = toy("likelihood", 5000, shift=1.5)
    held = data[3].conformal
    p = fitted(data, LOCAL.model_copy(update={"calibration": kind})).head.probabilities(data[0][held])
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        inside = (p >= low) & (p < high)
        assert data[1][held][inside].mean() == pytest.approx(p[inside].mean(), abs=0.12)


def test_the_band_leaves_the_wanted_shares_outside():
    """Of the images it was calibrated on, k of n + 1, and of new ones about as many."""
    data = toy("likelihood", 4000, shift=1.0)
    head = fitted(data, LOCAL.model_copy(update={"alpha": 0.05})).head
    low, high = head.band
    for rows, slack in ((data[3].conformal, 0.003), (data[3].validation, 0.045)):
        p, labels = head.probabilities(data[0][rows]), data[1][rows]
        assert (p[labels == 0] >= high).mean() == pytest.approx(0.05, abs=slack)
        assert (p[labels == 1] <= low).mean() == pytest.approx(0.05, abs=slack)


def test_weights_reach_the_fit():
    """A small source that says the opposite is outvoted or not, by how sources are balanced."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    sources = np.array(["large"] * 360 + [f"s{n}" for n in range(40)])
    features = np.zeros((400, len(NAMES)), dtype=np.float32)
    features[:, 0] = np.where(np.arange(400) < 360, 1, -1) * (2 * labels - 1) + 0.1 * rng.normal(size=400)
    turn = np.arange(400) % 8 // 2
    parts = Parts(turn < 2, turn == 2, turn == 3)
    by_image, by_source = (
        fitted((features, labels, sources, parts), CONFIG.model_copy(update={"balance": b})).head for b in (1.0, 0.0)
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
