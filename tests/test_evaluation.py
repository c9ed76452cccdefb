"""Evaluation: the figures belong to the head, the generator and the protocol they are said to."""

import hashlib

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from cinemae.corruptions import Corruption, parse_corruption
from cinemae.datasets import LabelledImage, ManifestError, manifest_hash, read_images
from cinemae.detector import Detector
from cinemae.evaluation import Evaluation, evaluate_heads, sample_images
from cinemae.fusion.head import FusionHead, HeadError
from cinemae.images import load_image
from cinemae.metrics import evaluate_scores
from cinemae.metrics.robustness import robustness
from cinemae.report.inputs import scored_of
from cinemae.scores import ImageScore, read_image_scores, write_scores
from toys import pink, save_small, small_conv, write_set

PROTOCOLS = ("raw", "format", "history")
CORRUPTIONS = [*parse_corruption("jpeg:30"), *parse_corruption("noise:10")]


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
    weights = {name: -array if name.endswith((".line", ".bias")) else array for name, array in head.weights.items()}
    update = {"bias": -head.config.bias, "threshold": 0.7}
    return FusionHead(head.config.model_copy(update=update), weights)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def evaluated(head, mirrored, images, cache) -> Evaluation:
    families = {"both": ("upsampler", "perfect"), "seen": ("upsampler",), "web": ("nowhere",)}
    missing = images[0].model_copy(update={"path": images[0].path.with_name("gone.png")})
    heads = {"ours": head, "mirrored": mirrored}
    return evaluate_heads(
        heads,
        [*images, missing],
        PROTOCOLS,
        cache=cache,
        families=families,
        tiers=["clean"],
        corruptions=CORRUPTIONS,
        resamples=50,
        jobs=1,
    )


def area(row) -> float:
    return row.ranking.roc_auc.value


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
        assert row.ranking.roc_auc.value == pytest.approx(pairs)
        assert row.points["stored"].accuracy.value == pytest.approx(((p >= table.threshold) == labels).mean())
    assert table.row("upsampler").ranking.roc_auc.value > 0.9
    assert (table.band, table.alpha, table.empty) == (head.band, head.config.alpha, head.decision().empty)
    assert (table.thresholds_from, table.thresholds_real) == ("evaluated", 8)


def test_each_head_keeps_its_own_threshold_and_scores(evaluated):
    ours, mirrored = (evaluated.tables[name]["raw"] for name in ("ours", "mirrored"))
    assert mirrored.threshold == 0.7
    for row in ours.rows:
        # One of the sixteen pairs: two probabilities near 1 that round to a tie are two numbers near 0.
        assert area(mirrored.row(row.generator)) == pytest.approx(1 - area(row), abs=1 / 16)


def test_protocols_measure_different_pictures(evaluated):
    rows = [table.row("perfect") for table in evaluated.tables["ours"].values()]
    assert len({row.model_dump_json(include={"ranking", "calibration"}) for row in rows}) > 1


def test_means_are_over_the_families(evaluated):
    table = evaluated.tables["ours"]["raw"]
    assert area(table.mean("both")) == pytest.approx(np.mean([area(row) for row in table.rows]))
    assert table.mean("seen").ranking == table.row("upsampler").ranking
    assert table.mean("web").missing == ("nowhere",)


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
    seen = evaluated.tables["ours"]["raw"].mean("seen")
    cells = summary[2].split(" | ")
    assert cells[:2] == ["| ours", "raw"]
    assert cells[3].startswith(f"{area(seen):.3f} [")
    assert cells[4] == "- |"
    details = evaluated.details_markdown()
    assert details.count("#### Operating points") == 6
    for head in ("ours", "mirrored"):
        assert f"### {head}, format, mean ROC-AUC after corruption" in text
        assert f"### {head}, format, corruptions in detail\n\n#### both\n\n| corruption |" in details
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
    assert [(row.n_ai, row.n_real, row.ranking) for row in table.rows] == [(0, 4, None)] * 2
    with pytest.raises(ValueError, match="has no ai images"):
        evaluate_heads({"ours": head}, real, ["format"], **options)


def test_corruptions_are_compared_with_the_same_images(evaluated):
    table = evaluated.robustness["ours"]
    assert (table.protocol, table.images, table.resamples) == ("format", 16, 50)
    assert list(table.means) == ["both", "seen"]
    clean, jpeg, noise = table.generators["upsampler"]
    assert [row.corruption for row in (clean, jpeg, noise)] == ["clean", "jpeg:30", "noise:10"]
    same = evaluated.tables["ours"]["format"].row("upsampler")
    assert clean.roc_auc == same.ranking.roc_auc
    assert clean.balanced_accuracy == same.points["stored"].balanced_accuracy
    for row, other in zip(table.means["both"], evaluated.robustness["mirrored"].means["both"], strict=True):
        # Three of sixteen pairs at most: near 1 some probabilities round to a tie, near 0 none does.
        assert other.roc_auc.value == pytest.approx(1 - row.roc_auc.value, abs=3 / 16)


def test_corrupted_figures_are_those_of_corrupted_pictures(evaluated, head, head_folder, images, cache):
    noise = Corruption(name="noise", severity=40)
    options = {"cache": cache, "families": {}, "jobs": 1, "resamples": 0}
    found = evaluate_heads({"h": head}, images, [], corruptions=[noise], tier_protocol="raw", **options)
    assert found.tables == {"h": {}}
    for name, (clean, corrupted) in found.robustness["h"].generators.items():
        assert clean.roc_auc.value == area(evaluated.tables["ours"]["raw"].row(name))
        mine = [image for image in images if image.generator == name]
        files = [image.path.read_bytes() for image in mine]
        pixels = [noise.apply(load_image(data).pixels, 0, hashlib.sha256(data).hexdigest()) for data in files]
        detector = Detector.load(head_folder)
        before, after = (np.array([v.probability for v in detector.detect(each)]) for each in (files, pixels))
        labels = np.array([image.label for image in mine])
        assert corrupted.accuracy.value == ((after >= head.config.threshold) == labels).mean()
        assert corrupted.roc_auc.value == pytest.approx(roc_auc_score(labels, after))
        assert corrupted.flipped.value == ((after >= head.config.threshold) != (before >= head.config.threshold)).mean()
        assert corrupted.delta_roc_auc.value == pytest.approx(corrupted.roc_auc.value - clean.roc_auc.value)


def test_a_set_of_its_own_chooses_the_thresholds(head, head_folder, images, cache, tmp_path):
    apart = read_images(write_set(tmp_path, {"train": 4}))
    options = {"cache": cache, "families": {}, "jobs": 1, "resamples": 0}
    found = evaluate_heads({"h": head}, images, ["raw"], calibration=apart, **options)
    assert found.calibration_hash == manifest_hash(apart)
    table = found.tables["h"]["raw"]
    assert (table.thresholds_from, table.thresholds_real) == ("calibration", 4)
    real = [image.path for image in apart if image.label == 0]
    highest = max(verdict.probability for verdict in Detector.load(head_folder).detect(real))
    assert table.thresholds["far_5"] == pytest.approx(highest)
    with pytest.raises(ManifestError, match="also in the calibration set, as are 1 other images"):
        evaluate_heads({"h": head}, images, ["raw"], calibration=[*apart, *images[:2]], **options)


def test_a_file_that_is_listed_twice_counts_twice(head, images, cache):
    options = {"cache": cache, "families": {}, "jobs": 1, "resamples": 0}
    table = evaluate_heads({"h": head}, [*images, images[0]], ["raw"], **options).tables["h"]["raw"]
    assert sum(row.n_ai + row.n_real for row in table.rows) == len(images) + 1


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
    for part in head.config.parts:
        weights[f"{part}.index"] = head.weights[f"{part}.index"]
    weights["spread"] += 1
    column = np.flatnonzero(weights["local.index"] == head.config.spec.names.index(feature))
    weights["local.line"][column] = 1
    # No probability may round to 1, or ties would hide the order.
    return FusionHead(head.config.model_copy(update={"temperature": 1.0, "bias": 0.0}), weights)


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
    raw, aligned = (area(found.tables["h"][protocol].row("g")) for protocol in ("raw", "format"))
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


def test_the_recorded_scores_give_the_same_figures_again(head, mirrored, images, cache, tmp_path):
    rows: list[ImageScore] = []
    heads = {"ours": head, "mirrored": mirrored}
    options = {"cache": cache, "families": {"both": ("upsampler", "perfect")}, "jobs": 1, "resamples": 30}
    found = evaluate_heads(heads, images, PROTOCOLS, corruptions=CORRUPTIONS, record=rows.append, **options)
    write_scores(tmp_path / "scores.csv", rows)
    assert read_image_scores(tmp_path / "scores.csv") == rows
    assert len(rows) == len(heads) * len(images) * (len(PROTOCOLS) + len(CORRUPTIONS))
    by_kind: dict[tuple[str, str, str], list[ImageScore]] = {}
    for row in read_image_scores(tmp_path / "scores.csv"):
        by_kind.setdefault((row.head, row.protocol, row.corruption), []).append(row)
    for name, tables in found.tables.items():
        for protocol, table in tables.items():
            scored = scored_of(by_kind[name, protocol, ""])
            settings = {"band": table.band, "alpha": table.alpha, "empty": table.empty}
            assert (
                evaluate_scores(scored, table.threshold, families=options["families"], resamples=30, **settings)
                == table
            )
        corrupted = found.robustness[name]
        clean = scored_of(by_kind[name, "format", ""])
        after = {each: scored_of(by_kind[name, "format", str(each)]).p for each in CORRUPTIONS}
        settings = {"protocol": "format", "families": options["families"], "resamples": 30}
        assert robustness(clean, after, corrupted.threshold, corrupted.band, **settings) == corrupted
