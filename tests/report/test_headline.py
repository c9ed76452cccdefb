"""The first screen says what the numbers say, above all where the detector fails."""

from __future__ import annotations

import pytest

from cinemae.report.cells import number_text
from cinemae.report.headline import facts, findings, lead_family, listed, measured, tiles


@pytest.fixture
def said(inputs):
    return {one.about: one for one in findings(inputs.evaluation, "shipped")}


def test_the_mean_over_the_most_generators_leads(inputs):
    tables = inputs.evaluation.tables["shipped"]
    assert lead_family(tables).family == "all"
    shown = tiles(tables, "shipped", "all")
    assert [tile.cell.value for tile in shown] == [t.mean("all").ranking.roc_auc.value for t in tables.values()]
    assert [tile.cell.interval for tile in shown] == [t.mean("all").ranking.roc_auc.interval for t in tables.values()]
    assert shown[0].title.startswith("raw: ")


def test_what_fails_is_named_and_marked(said, inputs):
    unshown = said["Not shown to beat chance"]
    assert unshown.bad
    assert unshown.text.startswith("history, 1 of 2 generators: blind (0.")
    assert "good" not in unshown.text
    assert said["Weakest of the others"].text.startswith("history: good (0.")
    row = inputs.evaluation.tables["shipped"]["history"].row("blind")
    alarms = 1 - row.points["stored"].accuracy_real.value
    assert said["Most false alarms"].text.startswith(
        f"{number_text(alarms, percent=True)} % of the real images that blind"
    )
    assert "図" in said["Few images"].text


def test_a_guarantee_that_is_not_kept_is_said(said, inputs):
    found = inputs.evaluation.tables["shipped"]["history"].mean("all").selective
    assert found.miscoverage_real.interval[0] > 0.1  # these scores were never calibrated
    assert said["Guarantee"].bad
    assert number_text(found.miscoverage_real.value, percent=True) in said["Guarantee"].text
    assert "not kept for AI-generated and real images" in said["Guarantee"].text


def test_the_dearest_corruption_is_named(said, inputs):
    rows = inputs.evaluation.robustness["shipped"].means["all"]
    worst = min(
        (row for row in rows if row.delta_roc_auc and ":" in row.corruption), key=lambda r: r.delta_roc_auc.value
    )
    assert f"Of 8 corruptions, {worst.corruption} costs most" in said["Robustness"].text
    assert number_text(worst.delta_roc_auc.value, signed=True) in said["Robustness"].text


def test_what_was_measured_on_what(inputs):
    assert measured(inputs.evaluation, "shipped") == (
        "122 AI-generated images of 3 generators and the 122 real images that they are compared with, manifest "
        "abababababababab."
    )
    known = {fact.name: fact.value for fact in facts(inputs.evaluation, "shipped")}
    assert known["manifest hash"] == "ab" * 32
    assert known["command"] == "cinemae evaluate SET"
    assert known["generators"].startswith("3: 12 to 60 AI-generated, 12 to 60 real")
    old = inputs.evaluation.model_copy(update={"run": None})
    assert {fact.name: fact.value for fact in facts(old, "shipped")}["command"].startswith("not recorded")


def test_without_alignment_there_is_nothing_to_compare_with_it(inputs):
    only = {"shipped": {"raw": inputs.evaluation.tables["shipped"]["raw"]}}
    text = findings(inputs.evaluation.model_copy(update={"tables": only, "robustness": {}}), "shipped")[0].text
    assert "lignment" not in text


def test_long_lists_are_cut():
    assert listed(list("abcdefghij")) == "a, b, c, d, e, f, g, h and 2 more"
