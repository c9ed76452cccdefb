"""Evaluation: the figures belong to the head, the generator and the protocol they are said to."""

import numpy as np
import pytest
from PIL import Image

from cinemae.data import LabelledImage, manifest_hash, read_images
from cinemae.detector import Detector
from cinemae.evaluation import Evaluation, evaluate_heads, sample_images
from cinemae.fusion.head import FusionHead, HeadError
from toys import pink, save_small, small_conv, write_set

PROTOCOLS = ("raw", "format", "history")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two generators: one up-samples, of the other the "AI" pictures are real ones."""
    place = write_set(tmp_path_factory.mktemp("bench"), {"val": 4}, "upsampler")
    for kind in ("ai", "nature"):
        (place / "perfect" / "val" / kind).mkdir(parents=True)
        for number in range(4):
            pixels = pink(600 + number + 50 * (kind == "ai"))
            Image.fromarray(pixels).save(place / "perfect" / "val" / kind / f"{kind}{number}.png")
    return read_images(place, split="val")


@pytest.fixture(scope="module")
def mirrored(head) -> FusionHead:
    """The same head, saying the opposite."""
    weights = {name: -array if name.endswith((".out", ".out_bias")) else array for name, array in head.weights.items()}
    update = {"bias": -head.config.bias, "threshold": 0.7, "band": (0.7, 0.7)}
    return FusionHead(head.config.model_copy(update=update), weights)


@pytest.fixture(scope="module")
def evaluated(head, mirrored, images, tmp_path_factory) -> Evaluation:
    place = tmp_path_factory.mktemp("cache")
    families = {"both": ("upsampler", "perfect"), "seen": ("upsampler",), "web": ("nowhere",)}
    missing = images[0].model_copy(update={"path": images[0].path.with_name("gone.png")})
    heads = {"ours": head, "mirrored": mirrored}
    return evaluate_heads(heads, [*images, missing], PROTOCOLS, cache=place, families=families, resamples=50, jobs=1)


def test_every_head_has_a_table_for_every_protocol(evaluated):
    assert list(evaluated.tables) == ["ours", "mirrored"]
    for tables in evaluated.tables.values():
        assert list(tables) == list(PROTOCOLS)
        for table in tables.values():
            assert {row.generator for row in table.rows} == {"upsampler", "perfect"}
            assert [(row.n_ai, row.n_real) for row in table.rows] == [(4, 4), (4, 4)]


def test_figures_are_those_of_the_detector(evaluated, head, head_folder, images):
    probabilities = np.array([v.probability for v in Detector.load(head_folder).detect(image.path for image in images)])
    table = evaluated.tables["ours"]["raw"]
    assert table.threshold == head.config.threshold
    for row in table.rows:
        mine = np.array([image.generator == row.generator for image in images])
        labels = np.array([image.label for image in images])[mine]
        p = probabilities[mine]
        pairs = (p[labels == 1][:, None] > p[labels == 0]).mean() + (
            p[labels == 1][:, None] == p[labels == 0]
        ).mean() / 2
        assert row.roc_auc == pytest.approx(pairs)
        assert row.accuracy == pytest.approx(((p >= table.threshold) == labels).mean())
    assert table.row("upsampler").roc_auc > 0.9


def test_each_head_keeps_its_own_threshold_and_scores(evaluated):
    ours, mirrored = (evaluated.tables[name]["raw"] for name in ("ours", "mirrored"))
    assert mirrored.threshold == 0.7
    for row in ours.rows:
        assert mirrored.row(row.generator).roc_auc == pytest.approx(1 - row.roc_auc)


def test_protocols_measure_different_pictures(evaluated):
    rows = [table.row("perfect") for table in evaluated.tables["ours"].values()]
    assert len({(row.roc_auc, row.average_precision, row.roc_auc_interval) for row in rows}) > 1


def test_means_are_over_the_families(evaluated):
    table = evaluated.tables["ours"]["raw"]
    means = {mean.family: mean for mean in table.means}
    assert means["both"].roc_auc == pytest.approx(np.mean([row.roc_auc for row in table.rows]))
    assert means["seen"].roc_auc == table.row("upsampler").roc_auc
    assert means["web"].missing == ("nowhere",)


def test_what_could_not_be_read_is_listed_once(evaluated, images):
    assert len(evaluated.refused) == 1
    assert "gone.png" in evaluated.refused[0]
    assert evaluated.manifest_hash != manifest_hash(images)  # the set that was asked for, not what was left of it


def test_markdown_has_a_heading_and_a_table_each(evaluated):
    text = evaluated.to_markdown()
    for head in ("ours", "mirrored"):
        for protocol in PROTOCOLS:
            threshold = evaluated.tables[head][protocol].threshold
            assert f"### {head}, {protocol}, threshold {threshold:.3f}\n\n| generator |" in text
    assert text.count("| upsampler |") == 6
    summary = text.split("\n\n")[1].splitlines()
    assert summary[0] == "| head | protocol | both | seen | web |"
    assert len(summary) == 2 + 2 * len(PROTOCOLS)
    seen = next(mean for mean in evaluated.tables["ours"]["raw"].means if mean.family == "seen")
    cells = summary[2].split(" | ")
    assert cells[:2] == ["| ours", "raw"]
    assert cells[3].startswith(f"{seen.roc_auc:.3f} [")
    assert cells[4] == "- |"
    assert Evaluation.model_validate_json(evaluated.model_dump_json()) == evaluated


def test_the_same_twice(evaluated, head, images, tmp_path):
    again = evaluate_heads(
        {"ours": head},
        images,
        ["history"],
        cache=tmp_path,
        families={"both": ("upsampler", "perfect")},
        resamples=50,
        jobs=1,
    )
    assert again.tables["ours"]["history"].rows == evaluated.tables["ours"]["history"].rows


def test_raw_needs_no_pairs_and_alignment_does(head, images, tmp_path):
    real = [image for image in images if image.label == 0]
    options = {"cache": tmp_path, "families": {}, "jobs": 1, "resamples": 0}
    table = evaluate_heads({"ours": head}, real, ["raw"], **options).tables["ours"]["raw"]
    assert [(row.n_ai, row.n_real, row.roc_auc) for row in table.rows] == [(0, 4, None)] * 2
    with pytest.raises(ValueError, match="has no ai images"):
        evaluate_heads({"ours": head}, real, ["format"], **options)


def test_heads_that_do_not_share_their_features_are_refused(head, images, tmp_path):
    prints = head.config.backbones | {"fine": "f" * 16}
    other = FusionHead(head.config.model_copy(update={"backbones": prints}), head.weights)
    with pytest.raises(HeadError, match="other: heads evaluated together"):
        evaluate_heads({"ours": head, "other": other}, images, ["raw"], cache=tmp_path, families={}, jobs=1)


def test_an_mae_that_is_no_longer_the_head_s_is_refused_before_anything_is_cached(head, mae_folders, images, tmp_path):
    names = mae_folders | {"fine": save_small(tmp_path / "fine", small_conv(seed=9))}
    moved = FusionHead(head.config.model_copy(update={"backbone_names": names}), head.weights)
    with pytest.raises(HeadError, match="for the fine scale"):
        evaluate_heads({"ours": moved}, images, ["raw"], cache=tmp_path / "cache", families={}, jobs=1)
    assert not (tmp_path / "cache").exists()


def reads_one(head: FusionHead, feature: str) -> FusionHead:
    """A head whose logit is one feature."""
    weights = {name: np.zeros_like(array) for name, array in head.weights.items()}
    for branch in head.config.hidden:
        weights[f"{branch}.index"] = head.weights[f"{branch}.index"]
    weights["spread"] += 1
    column = np.flatnonzero(weights["local.index"] == head.config.spec.names.index(feature))
    weights["local.in"][:, column, 0] = 1
    weights["local.in_bias"][:, 0] = 10  # far above the ReLU's bend
    weights["local.out"][:, 0] = 1
    # No probability may round to 1, or ties would hide the order.
    return FusionHead(head.config.model_copy(update={"temperature": 1.0, "bias": -10.0}), weights)


def test_sizes_are_equalised_for_each_generator(head, tmp_path):
    """What only sees how far a picture was enlarged shines on the raw files, and must not on aligned ones."""
    for kind, side in (("ai", 64), ("nature", 160)):
        (tmp_path / "g" / "val" / kind).mkdir(parents=True)
        for number in range(6):
            pixels = pink(900 + number + 20 * (kind == "ai"), side)
            Image.fromarray(pixels).save(tmp_path / "g" / "val" / kind / f"{kind}{number}.png")
    sharpness = reads_one(head, "semantic.residual.z.green.lag0+2")
    images = read_images(tmp_path / "g", split="val")
    found = evaluate_heads(
        {"h": sharpness}, images, ["raw", "format"], cache=tmp_path, families={}, jobs=1, resamples=0
    )
    raw, aligned = (found.tables["h"][protocol].row("g").roc_auc for protocol in ("raw", "format"))
    assert raw in (0.0, 1.0)
    assert 0.15 < aligned < 0.85


def test_a_sample_is_capped_nested_and_independent_of_order():
    images = [
        LabelledImage(
            path=f"{label}/{number}.png",
            name=f"{label}/{number}.png",
            label=label,
            generator="g",
            source="s",
            split="val",
        )
        for label in (0, 1)
        for number in range(20)
    ]
    small, large = sample_images(images, 3, 0), sample_images(images[::-1], 8, 0)
    assert sorted(i.label for i in small) == [0] * 3 + [1] * 3
    assert {i.name for i in small} < {i.name for i in large}
    assert {i.name for i in sample_images(images, 3, 1)} != {i.name for i in small}
    assert len(sample_images(images, 100, 0)) == 40
