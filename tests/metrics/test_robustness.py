"""Corruptions against the clean images: paired differences, flips, and means over tiers and families."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cinemae.corruptions import TIERS, Corruption
from cinemae.metrics import Scored
from cinemae.metrics.robustness import RobustnessTable, robustness

MILD, ROUGH, NONE = (Corruption(name="jpeg", severity=q) for q in (85, 30, 95))
BAND = (0.4, 0.6)


@pytest.fixture(scope="module")
def clean() -> Scored:
    rng = np.random.default_rng(0)
    labels = np.tile([1, 0], 100)
    p = 1 / (1 + np.exp(-rng.normal(2 * labels - 1, 1)))
    return Scored(p, labels, ["g"] * 120 + ["h"] * 80, [f"s{i // 4}" for i in range(200)])


@pytest.fixture(scope="module")
def corrupted(clean: Scored) -> dict[Corruption, np.ndarray]:
    rng = np.random.default_rng(1)
    logit = np.log(clean.p / (1 - clean.p))
    moved = {corruption: logit + rng.normal(0, noise, 200) for corruption, noise in ((MILD, 0.2), (ROUGH, 3.0))}
    return {corruption: 1 / (1 + np.exp(-x)) for corruption, x in moved.items()} | {NONE: clean.p}


@pytest.fixture(scope="module")
def table(clean: Scored, corrupted: dict[Corruption, np.ndarray]) -> RobustnessTable:
    families = {"both": ["g", "h"], "one": ["h"], "gone": ["zz"]}
    return robustness(
        clean, corrupted, 0.5, BAND, protocol="format", families=families, tiers=["web", "hard"], resamples=300
    )


def test_rows_are_the_plain_figures(
    clean: Scored, corrupted: dict[Corruption, np.ndarray], table: RobustnessTable
) -> None:
    first, mild, rough, none, *means = table.generators["g"]
    assert [row.corruption for row in (first, mild, rough, none)] == ["clean", "jpeg:85", "jpeg:30", "jpeg:95"]
    assert [row.corruption for row in means] == ["mean of web", "mean of hard"]
    mine = clean.generators == "g"
    truth, before, after = clean.truth[mine], clean.p[mine], corrupted[ROUGH][mine]
    assert first.roc_auc.value == pytest.approx(roc_auc_score(truth, before))
    assert rough.roc_auc.value == pytest.approx(roc_auc_score(truth, after))
    assert rough.accuracy_real.value == pytest.approx((after < 0.5)[~truth].mean())
    assert rough.delta_roc_auc.value == pytest.approx(rough.roc_auc.value - first.roc_auc.value)
    flips = (before >= 0.5) != (after >= 0.5)
    assert rough.flipped.value == pytest.approx(flips.mean())
    assert rough.flipped_ai.value == pytest.approx(flips[truth].mean())
    words = [np.select([p <= 0.4, p >= 0.6], ["real", "ai"], "inconclusive") for p in (before, after)]
    assert rough.changed.value == pytest.approx((words[0] != words[1]).mean())
    assert first.flipped is first.delta_accuracy is None
    assert table.images == 200


def test_nothing_changed_is_no_change_in_any_resample(table: RobustnessTable) -> None:
    none = table.generators["h"][3]
    for figure in (none.delta_accuracy, none.delta_balanced_accuracy, none.delta_roc_auc, none.flipped, none.changed):
        assert figure.value == 0
        assert figure.interval == (0, 0)


def test_pairing_narrows_the_interval_of_a_small_change(table: RobustnessTable) -> None:
    def width(interval: tuple[float, float]) -> float:
        return interval[1] - interval[0]

    for rows in table.generators.values():
        first, mild, rough, *_ = rows
        assert width(mild.delta_roc_auc.interval) < 0.5 * width(first.roc_auc.interval)
        assert rough.delta_roc_auc.interval[1] < 0
        assert rough.flipped.interval[0] > mild.flipped.interval[1]


def test_means_over_tiers_and_families(table: RobustnessTable) -> None:
    assert MILD in TIERS["web"]
    assert ROUGH in TIERS["hard"]
    assert list(table.means) == ["both", "one"]
    for number, row in enumerate(table.means["both"]):
        parts = [table.generators[name][number] for name in ("g", "h")]
        assert row.roc_auc.value == pytest.approx(np.mean([part.roc_auc.value for part in parts]))
    assert table.means["one"] == table.generators["h"]
    mild, web = table.generators["g"][1], table.generators["g"][4]
    assert web.model_copy(update={"corruption": "jpeg:85"}) == mild  # the only one of its tier here


def test_markdown_and_json(table: RobustnessTable) -> None:
    lines = table.to_markdown().splitlines()
    assert lines[0] == "| corruption | both | one |"
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {row.corruption}" for row in table.means["both"]]
    rough = table.means["both"][2]
    low, high = rough.delta_roc_auc.interval
    assert f"| {rough.roc_auc.value:.3f}, {rough.delta_roc_auc.value:+.3f} [{low:+.3f}, {high:+.3f}] |" in lines[4]
    details = table.details_markdown()
    assert details.count("#### ") == 2
    for block in details.split("\n\n")[1::2]:
        assert len({line.count("|") for line in block.strip().splitlines() if line.startswith("| ")}) == 1
    assert RobustnessTable.model_validate_json(table.model_dump_json()) == table


def test_only_clean_images_are_a_table_too(clean: Scored) -> None:
    table = robustness(clean, {}, 0.5, BAND, protocol="raw", families={"all": ["g"]}, tiers=["clean"], resamples=0)
    (row,) = table.means["all"]
    assert row.corruption == "clean"
    assert row.roc_auc.interval is None
