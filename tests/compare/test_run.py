"""Whole comparisons on toys: what is written, what is kept, and that it comes out the same again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from cinemae.alignment import Protocol
from cinemae.baselines import Scorer
from cinemae.compare import record
from cinemae.compare.config import CompareConfig
from cinemae.compare.errors import CompareError
from cinemae.compare.kept import Shelf
from cinemae.compare.paired import Scores
from cinemae.compare.reading import load_config
from cinemae.compare.run import Workshop, run_comparison
from cinemae.compare.schema import Comparison
from cinemae.datasets import read_images
from cinemae.detector import Detector
from cinemae.evaluation import evaluate_heads
from cinemae.fusion.head import FusionHead
from cinemae.fusion.recipe import train_head
from cinemae.scores import read_image_scores

NAMES = ["fused", "local", "spectrum", "fused fit.folds=3"]


def again(config: CompareConfig, out: Path, cache: Path) -> tuple[Comparison, list[str]]:
    said: list[str] = []
    return run_comparison(config, out, Workshop(cache, 1, say=said.append)), said


def fitted(said: list[str]) -> list[str]:
    """The methods that were run, rather than kept."""
    return [line.split(": done in ")[0] for line in said if ": done in " in line]


def test_every_method_has_tables_differences_scores_and_a_head(done, config, toy_set):
    out, comparison, said = done
    assert list(comparison.methods) == NAMES
    assert comparison.reference == "fused"
    assert [method.kind for method in comparison.methods.values()] == ["head", "head", "spectrum", "head"]
    assert comparison.methods["fused"].differences == {}
    assert (comparison.sets["train"].ai, comparison.sets["train"].real, comparison.sets["test"].ai) == (12, 12, 8)
    images = read_images(toy_set, split="val")
    for name, method in comparison.methods.items():
        assert list(method.tables) == ["raw", "format"]
        assert method.held_out_auc is not None
        rows = read_image_scores(out / "scores" / f"{name.replace(' ', '_')}.csv")
        assert [(row.name, row.generator, row.source) for row in rows if row.protocol == "raw"] == [
            (image.key, image.generator, image.source) for image in images
        ]
        for protocol, table in method.tables.items():
            mine = [row for row in rows if row.protocol == protocol]
            area = roc_auc_score([row.label == "ai" for row in mine], [row.probability for row in mine])
            assert table.row("toygen").ranking.roc_auc.value == pytest.approx(area)
            if name != "fused":
                (difference,) = method.differences[protocol]
                reference = comparison.methods["fused"].tables[protocol].row("toygen").ranking.roc_auc.value
                assert difference.roc_auc.value == pytest.approx(area - reference)
    assert comparison.methods["fused"].tables["raw"].row("toygen").ranking.roc_auc.value > 0.9
    # Two measurers, each with one test set and one training set for all of its methods.
    assert sum(line.startswith("measuring") for line in said) == 4
    assert fitted(said) == ["fused", "local", "fused fit.folds=3", "spectrum"]


def test_heads_are_those_that_train_makes(done, config, toy_set, shared_cache, tmp_path):
    out, *_ = done
    options = {"photos": [], "cache": shared_cache, "jobs": 1}
    train_head(config.shared_training, toy_set, tmp_path / "head", parts=True, **options)
    for name, place in (("fused", "head"), ("local", "head-local")):
        mine, theirs = FusionHead.load(out / "heads" / name), FusionHead.load(tmp_path / place)
        assert mine.fingerprint() == theirs.fingerprint()
        assert mine.config.training == theirs.config.training
    assert Detector.load(out / "heads" / "fused").detect_one(read_images(toy_set)[0].path).probability is not None


def test_tables_are_those_of_evaluate(done, config, toy_set, shared_cache):
    out, comparison, _ = done
    images = read_images(toy_set, split="val")
    evaluation = evaluate_heads(
        {"fused": FusionHead.load(out / "heads" / "fused")}, images, config.protocols, cache=shared_cache,
        families={"all": ["toygen"]}, precision="f32", seed=config.seed, resamples=config.resamples, jobs=1,
    )  # fmt: skip
    assert comparison.methods["fused"].tables == evaluation.tables["fused"]


def test_a_baseline_is_saved_as_it_scored(done):
    out, comparison, _ = done
    scorer = Scorer.load(out / "heads" / "spectrum")
    for table in comparison.methods["spectrum"].tables.values():
        assert table.threshold == scorer.threshold
        assert table.alpha == 0.4  # verdicts are calibrated as the heads' are
        assert table.band[0] != table.band[1]


def test_the_record_says_what_made_it(done, config):
    out, comparison, _ = done
    run = record.RunRecord.model_validate_json((out / "run.json").read_text())
    assert (run.config, run.sets, run.precision) == (config, comparison.sets, "f32")
    assert run.finished is not None
    assert list(run.seconds) == NAMES
    assert {"numpy", "torch", "openvino"} <= run.environment.packages.keys()
    assert not list(out.rglob("*.part"))


def test_markdown_has_a_line_a_method(done):
    out, comparison, _ = done
    text = (out / "comparison.md").read_text()
    assert text == comparison.to_markdown()
    for name in NAMES:
        assert text.count(f"\n| {name} |") == (4 if name == "fused" else 6)
    area = comparison.methods["local"].tables["format"].mean("all").ranking.roc_auc
    assert f"{area.value:.3f} [{area.interval[0]:.3f}, {area.interval[1]:.3f}]" in text


def test_a_second_run_runs_nothing_and_says_so(done, config, shared_cache):
    out, comparison, _ = done
    before = (out / "comparison.json").read_bytes()
    found, said = again(config, out, shared_cache)
    assert said == [f"{name}: kept from {out}, nothing has changed" for name in NAMES]
    assert found == comparison
    assert (out / "comparison.json").read_bytes() == before


def test_the_same_configuration_gives_the_same_numbers_elsewhere(done, shared_cache, tmp_path):
    """From the record of the run, in another folder; only times may differ."""
    out, *_ = done
    _, said = again(load_config(out / "run.json"), tmp_path, shared_cache)
    assert len(fitted(said)) == 4
    for name in ("comparison.json", "comparison.md", "scores/fused.csv", "scores/spectrum.csv"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()
    first, second = (json.loads((place / "run.json").read_text()) for place in (out, tmp_path))
    for times in ("started", "finished", "seconds"):
        first.pop(times), second.pop(times)
    assert first == second


def test_an_interrupted_run_goes_on(config, done, shared_cache, tmp_path):
    def stop(line: str) -> None:
        if line.startswith("local: done"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_comparison(config, tmp_path, Workshop(shared_cache, 1, say=stop))
    assert record.RunRecord.model_validate_json((tmp_path / "run.json").read_text()).finished is None
    _, said = again(config, tmp_path, shared_cache)
    assert sorted(fitted(said)) == ["fused fit.folds=3", "spectrum"]
    assert (tmp_path / "comparison.json").read_bytes() == (done[0] / "comparison.json").read_bytes()


def breaking(monkeypatch, broken: set[str]) -> None:
    """Let some methods fail once they are fitted."""
    write = Shelf.write_scores

    def write_scores(self: Shelf, method: str, found: dict[Protocol, Scores]) -> str:
        if method in broken:
            raise OSError("no | space\nleft")
        return write(self, method, found)

    monkeypatch.setattr(Shelf, "write_scores", write_scores)


def test_a_method_that_fails_is_named_and_costs_the_others_nothing(config, done, shared_cache, tmp_path, monkeypatch):
    _, whole, _ = done
    breaking(monkeypatch, {"fused", "spectrum"})
    comparison, said = again(config, tmp_path, shared_cache)
    reason = "OSError: no | space left"
    assert comparison.failed == {"fused": reason, "spectrum": reason}
    assert sum("Traceback" in line and "in write_scores" in line for line in said) == 2
    assert list(comparison.methods) == ["local", "fused fit.folds=3"]
    assert comparison.reference == "local"
    assert comparison.methods["local"].tables == whole.methods["local"].tables
    assert "| spectrum | OSError: no \\| space left |" in (tmp_path / "comparison.md").read_text()
    assert Comparison.model_validate_json((tmp_path / "comparison.json").read_text()) == comparison
    monkeypatch.undo()
    mended, said = again(config, tmp_path, shared_cache)
    assert fitted(said) == ["fused", "spectrum"]
    assert mended == whole
    assert "Failed" not in (tmp_path / "comparison.md").read_text()


def test_a_comparison_of_which_nothing_is_left_is_an_error(config, shared_cache, tmp_path, monkeypatch):
    breaking(monkeypatch, set(NAMES))
    with pytest.raises(CompareError, match=r"no method could be finished: fused: OSError.*spectrum: "):
        again(config, tmp_path, shared_cache)
    assert not (tmp_path / "comparison.json").exists()


def test_what_has_changed_is_run_again(document, done, shared_cache, tmp_path, monkeypatch):
    values = document | {"methods": {"spectrum": document["methods"]["spectrum"]}, "ablations": None}

    def redo(**changes: object) -> list[str]:
        return again(CompareConfig.model_validate(values | changes), tmp_path, shared_cache)[1]

    assert fitted(redo()) == ["spectrum"]
    assert fitted(redo(resamples=5)) == []  # figures only
    assert fitted(redo(name="other", families={"none": []})) == []
    limited = {"train": document["data"]["train"] | {"limit": 10}, "test": document["data"]["test"]}
    said = redo(data=limited, protocols=["raw"])
    assert said[0] == "spectrum: run again: other settings and data"
    assert fitted(said) == ["spectrum"]
    real = record.code()
    monkeypatch.setattr(record, "code", lambda: real.model_copy(update={"sources": "0" * 16}))
    assert redo(data=limited, protocols=["raw"])[0] == "spectrum: run again: other code"


def test_saved_heads_need_no_training_set(head_folder, document, shared_cache, tmp_path):
    """A head and a part of nothing: two names of one head differ by nothing."""
    method = {"kind": "saved", "model": str(head_folder)}
    values = document | {"methods": {"a": method, "b": method}, "ablations": None, "train": {}}
    values |= {"data": {"test": document["data"]["test"]}, "protocols": ["raw"]}
    comparison, said = again(CompareConfig.model_validate(values), tmp_path, shared_cache)
    assert (comparison.sets["train"].ai, comparison.sets["train"].real) == (0, 0)
    assert sum(line.startswith("measuring") for line in said) == 1
    (difference,) = comparison.methods["b"].differences["raw"]
    assert (difference.roc_auc.value, difference.roc_auc.interval) == (0, (0, 0))
    assert comparison.methods["a"].held_out_auc is None
    assert not (tmp_path / "heads").exists()


def test_an_image_that_cant_be_read_is_told_and_left_out(document, shared_cache, toy_set, tmp_path):
    rows = [("out", "label", "generator", "split")]
    rows += [(str(i.path), ("real", "ai")[i.label], "g", i.split) for i in read_images(toy_set)]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    rows.insert(20, (str(tmp_path / "broken.png"), "ai", "g", "val"))
    with (tmp_path / "set.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    where = {"path": str(tmp_path / "set.csv")}
    values = document | {"methods": {"spectrum": document["methods"]["spectrum"]}, "ablations": None}
    values |= {"data": {"train": where, "test": where}, "protocols": ["raw"]}
    config = CompareConfig.model_validate(values)
    comparison, _ = again(config, tmp_path / "out", shared_cache)
    (refused,) = comparison.methods["spectrum"].refused
    assert "broken.png" in refused
    assert comparison.methods["spectrum"].tables["raw"].row("g").n_ai == 8
    assert again(config, tmp_path / "out", shared_cache)[0] == comparison  # from what was kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": {"m": {"kind": "saved", "model": "nowhere"}}}, r"methods\.m: nowhere"),
        ({"train": {"backbones.semantic": "nowhere"}}, r"methods\.fused: .*nowhere"),
        ({"methods": {"p": {"kind": "probe", "checkpoint": "nowhere"}}}, r"methods\.p: .*nowhere"),
    ],
)
def test_a_missing_model_is_found_before_anything_is_measured(document, tmp_path, change, message):
    values = document | {"ablations": None} | change
    if "train" in change:
        values["methods"] = {"fused": {"kind": "head"}}  # the document's other parts are those of its own training
    with pytest.raises(CompareError, match=message):
        again(CompareConfig.model_validate(values), tmp_path / "out", tmp_path / "cache")
    assert not list(tmp_path.iterdir())


def test_masks_that_do_not_fit_and_too_few_images_are_found_too(document, tmp_path):
    axes = {"base": "fused", "axes": {"scales.semantic.masks.groups": [3]}}
    with pytest.raises(CompareError, match=r"methods\.fused scales\.semantic\.masks\.groups=3: .*can't be masked"):
        again(CompareConfig.model_validate(document | {"ablations": axes}), tmp_path / "out", tmp_path / "cache")
    train = document["train"] | {"fit.alpha": 0.01}
    with pytest.raises(CompareError, match=r"methods\.fused: alpha 0\.01 needs 99"):
        again(CompareConfig.model_validate(document | {"train": train}), tmp_path / "out", tmp_path / "cache")
    assert not list(tmp_path.iterdir())
